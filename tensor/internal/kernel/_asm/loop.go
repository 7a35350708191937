package main

import (
	"fmt"
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// step is one pass of a loop over the elements of slices: a vector of them, or
// at the end the fewer that are left, chosen by a mask.
type step struct {
	isa
	i     reg.Register // index of the first element
	ahead int          // vectors that this one lies beyond i
	mask  Op           // nil in a full step
}

func (s step) addr(p reg.Register) Mem {
	return Mem{Base: p, Index: s.i, Scale: 4, Disp: 4 * s.lanes * s.ahead}
}

// load returns a vector of the slice at p, 0 in lanes that are masked off.
func (s step) load(p reg.Register) reg.VecVirtual {
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

func (s step) store(r Op, p reg.Register) {
	switch {
	case s.mask == nil:
		VMOVUPS(r, s.addr(p))
	case s.wide():
		VMOVUPS(r, s.mask, s.addr(p))
	default:
		VMASKMOVPS(r, s.mask, s.addr(p))
	}
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
	lowest := func() Op { return s.constant(math.Inf(-1)) }
	switch {
	case s.mask == nil:
	case s.wide():
		VBLENDMPS(r, lowest(), s.mask, r)
	default:
		VBLENDVPS(s.mask, r, lowest(), r)
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
	table, mask := GP64(), YMM()
	LEAQ(NewDataAddr(maskTable, 32), table)
	off := GP64()
	MOVQ(n, off)
	NEGQ(off)
	VMOVDQU(Mem{Base: table, Index: off, Scale: 4}, mask)
	return mask
}

// each runs body over all elements of the slices, which have the length of the one named.
func (v isa) each(slice string, body func(s step)) { v.unrolled(slice, 1, body) }

// unrolled is each that takes n vectors at a time as long as there are that many.
func (v isa) unrolled(slice string, n int, body func(s step)) {
	v.elements(Load(Param(slice).Len(), GP64()), n, body)
}

// elements is unrolled for a number of elements, left, which ends up as less.
func (v isa) elements(left reg.Register, n int, body func(s step)) {
	v.groups(left, n, func(group []step) {
		for _, s := range group {
			body(s)
		}
	})
}

// groups is elements for a body that takes its n vectors, or one, together.
func (v isa) groups(left reg.Register, n int, body func(group []step)) {
	i := GP64()
	XORQ(i, i)
	widths := []int{1}
	if n > 1 {
		widths = []int{n, 1}
	}
	for _, width := range widths {
		head, done := label("loop"), label("done")
		Label(head)
		CMPQ(left, U32(width*v.lanes))
		JLT(LabelRef(done))
		group := make([]step, width)
		for ahead := range group {
			group[ahead] = step{v, i, ahead, nil}
		}
		body(group)
		ADDQ(U32(width*v.lanes), i)
		SUBQ(U32(width*v.lanes), left)
		JMP(LabelRef(head))
		Label(done)
	}
	end := label("end")
	TESTQ(left, left)
	JZ(LabelRef(end))
	body([]step{{v, i, 0, v.laneMask(left)}})
	Label(end)
}

var labels int

// label returns a label that no other has.
func label(name string) string {
	labels++
	return fmt.Sprint(name, labels)
}
