package main

import (
	"fmt"
	"math"
	"slices"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"

	"github.com/promptcam/promptcam/tensor/internal/kernel/asm/kernels"
)

// kernel is a kernel while it is being written.
type kernel struct {
	isa
	kernels.Kernel
	slices map[string]reg.Register // their addresses
	floats map[string]reg.VecVirtual
	sums   [][]reg.VecVirtual // accumulators of each result
}

// begin begins the kernel of that name.
func (v isa) begin(name string) *kernel {
	k := kernels.Named(name)
	v.function(name, k.Signature, k.Doc)
	return &kernel{v, k, map[string]reg.Register{}, map[string]reg.VecVirtual{}, nil}
}

// load begins the kernel of that name and loads the slices' addresses and the float32s.
func (v isa) load(name string) *kernel {
	k := v.begin(name)
	for _, slice := range k.Slices {
		k.slices[slice] = pointer(slice)
	}
	for _, param := range k.Floats {
		k.floats[param] = v.broadcast(address(param))
	}
	return k
}

// loop emits the whole kernel of that name.
func (v isa) loop(name string, n int, body func(s step)) { v.load(name).loop(n, body) }

// loop emits a pass over all elements of the slices, n vectors at a time, and the return of the results.
func (k *kernel) loop(n int, body func(s step)) {
	for range k.Results {
		k.sums = append(k.sums, k.accumulators(n, k.Start))
	}
	k.elements(Load(Param(k.Slices[0]).Len(), GP64()), n, body)
	for i, sums := range k.sums {
		result := k.total
		if k.Start != 0 {
			result = k.greatest
		}
		Store(result(sums).AsX(), ReturnIndex(i))
	}
	ret()
}

// elements runs body over so many elements, n vectors at a time while as many are left. left ends up smaller.
func (k *kernel) elements(left reg.Register, n int, body func(s step)) {
	k.groups(left, n, func(group []step) {
		for _, s := range group {
			body(s)
		}
	})
}

// groups is elements for a body that takes its n vectors, or one, together.
func (k *kernel) groups(left reg.Register, n int, body func(group []step)) {
	i := GP64()
	XORQ(i, i)
	for _, width := range slices.Compact([]int{n, 1}) {
		head, done := label("loop"), label("done")
		Label(head)
		CMPQ(left, U32(width*k.lanes))
		JLT(LabelRef(done))
		group := make([]step, width)
		for ahead := range group {
			group[ahead] = step{k.isa, k, i, ahead, nil}
		}
		body(group)
		ADDQ(U32(width*k.lanes), i)
		SUBQ(U32(width*k.lanes), left)
		JMP(LabelRef(head))
		Label(done)
	}
	end := label("end")
	TESTQ(left, left)
	JZ(LabelRef(end))
	body([]step{{k.isa, k, i, 0, k.laneMask(left)}})
	Label(end)
}

var labels int

// label returns a label that no other has.
func label(name string) string {
	labels++
	return fmt.Sprint(name, labels)
}

// chains is the number of sums a reduction keeps side by side: an addition takes about four cycles, and each
// waits for the one before it in its sum.
const chains = 4

// accumulators returns n registers that all hold x.
func (v isa) accumulators(n int, x float64) []reg.VecVirtual {
	r := make([]reg.VecVirtual, n)
	for i := range r {
		r[i] = v.constant(x)
	}
	return r
}

// total adds up one or chains accumulators and their lanes.
func (v isa) total(r []reg.VecVirtual) reg.VecVirtual {
	if len(r) > 1 {
		VADDPS(r[1], r[0], r[0])
		VADDPS(r[3], r[2], r[2])
		VADDPS(r[2], r[0], r[0])
	}
	return v.reduceLanes(VADDPS, r[0])
}

// greatest returns the maximum of accumulators and their lanes.
func (v isa) greatest(r []reg.VecVirtual) reg.VecVirtual {
	for _, x := range r[1:] {
		VMAXPS(x, r[0], r[0])
	}
	return v.reduceLanes(VMAXPS, r[0])
}

// step is one pass of a loop: a vector of elements or, at the end, fewer, chosen by a mask.
type step struct {
	isa
	kernel *kernel
	i      reg.Register // index of the first element
	ahead  int          // vectors from i to this one
	mask   Op           // nil in a full step
}

// param returns a float32 parameter, in every lane.
func (s step) param(name string) reg.VecVirtual { return s.kernel.floats[name] }

// sum returns the accumulator of a result for this step.
func (s step) sum(result int) reg.VecVirtual { return s.kernel.sums[result][s.ahead] }

// load returns a vector of the slice, 0 in lanes that are masked off.
func (s step) load(slice string) reg.VecVirtual { return s.loadAt(s.kernel.slices[slice]) }

func (s step) store(r Op, slice string) { s.storeAt(r, s.kernel.slices[slice]) }

func (s step) loadAt(p reg.Register) reg.VecVirtual {
	r := s.reg()
	switch {
	case s.mask == nil:
		VMOVUPS(s.addr(p), r)
	case s.wide():
		VMOVUPS_Z(s.addr(p), s.mask, r)
	default:
		VMASKMOVPS(s.addr(p), s.mask, r)
	}
	return r
}

func (s step) storeAt(r Op, p reg.Register) {
	switch {
	case s.mask == nil:
		VMOVUPS(r, s.addr(p))
	case s.wide():
		VMOVUPS(r, s.mask, s.addr(p))
	default:
		VMASKMOVPS(r, s.mask, s.addr(p))
	}
}

func (s step) addr(p reg.Register) Mem {
	return Mem{Base: p, Index: s.i, Scale: 4, Disp: 4 * s.lanes * s.ahead}
}

// elseZero sets the lanes of r that are masked off to 0.
func (s step) elseZero(r Op) {
	switch {
	case s.mask == nil:
	case s.wide():
		VMOVAPS_Z(r, s.mask, r)
	default:
		VANDPS(s.mask, r, r)
	}
}

// elseLowest sets the lanes of r that are masked off to -Inf.
func (s step) elseLowest(r Op) {
	if s.mask == nil {
		return
	}
	lowest := s.constant(math.Inf(-1))
	if s.wide() {
		VBLENDMPS(r, lowest, s.mask, r)
	} else {
		VBLENDVPS(s.mask, r, lowest, r)
	}
}

// laneMask returns a mask of the n lowest lanes, 0 <= n <= lanes.
func (v isa) laneMask(n reg.Register) Op {
	if v.wide() {
		bits, mask := GP32(), K()
		MOVL(U32(math.MaxUint32), bits)
		BZHIL(n.(reg.GPVirtual).As32(), bits, bits)
		KMOVW(bits, mask)
		return mask
	}
	table, off, mask := GP64(), GP64(), YMM()
	LEAQ(NewDataAddr(Symbol{Name: "masks", Static: true}, 32), table)
	MOVQ(n, off)
	NEGQ(off)
	VMOVDQU(Mem{Base: table, Index: off, Scale: 4}, mask)
	return mask
}
