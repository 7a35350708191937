package main

import (
	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/reg"
)

// chains is the number of sums a reduction keeps side by side: an addition
// takes about four cycles, and each must wait for the one before it in its sum.
const chains = 4

// accumulators returns registers that all hold x.
func (v isa) accumulators(x float64) []reg.VecVirtual {
	r := make([]reg.VecVirtual, chains)
	for i := range r {
		if x == 0 {
			r[i] = v.zero()
		} else {
			r[i] = v.constant(x)
		}
	}
	return r
}

// total adds up accumulators and their lanes.
func (v isa) total(r []reg.VecVirtual) reg.VecVirtual {
	VADDPS(r[1], r[0], r[0])
	VADDPS(r[3], r[2], r[2])
	VADDPS(r[2], r[0], r[0])
	return v.reduceLanes(VADDPS, r[0])
}

// greatest returns the maximum of accumulators and their lanes.
func (v isa) greatest(r []reg.VecVirtual) reg.VecVirtual {
	for _, x := range r[1:] {
		VMAXPS(x, r[0], r[0])
	}
	return v.reduceLanes(VMAXPS, r[0])
}

func giveBack(r reg.VecVirtual, result int) { Store(r.AsX(), ReturnIndex(result)) }

// reductions emits dot and sum.
func (v isa) reductions() {
	v.function("dot", "(a, b []float32) float32", "is dotGeneric.")
	a, b := pointer("a"), pointer("b")
	sums := v.accumulators(0)
	v.unrolled("a", chains, func(s step) { VFMADD231PS(s.load(a), s.load(b), sums[s.ahead]) })
	giveBack(v.total(sums), 0)
	ret()

	v.function("sum", "(x []float32) float32", "is sumGeneric.")
	x := pointer("x")
	sums = v.accumulators(0)
	v.unrolled("x", chains, func(s step) { VADDPS(s.load(x), sums[s.ahead], sums[s.ahead]) })
	giveBack(v.total(sums), 0)
	ret()
}
