package main

import (
	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/reg"
)

// chains is the number of sums a reduction keeps side by side: an addition takes about four cycles, and each
// waits for the one before it in its sum.
const chains = 4

// accumulators returns n registers that all hold x.
func (v isa) accumulators(n int, x float64) []reg.VecVirtual {
	r := make([]reg.VecVirtual, n)
	for i := range r {
		if x == 0 {
			r[i] = v.zero()
		} else {
			r[i] = v.constant(x)
		}
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

// reductions emits dot and sum.
func (v isa) reductions() {
	v.loop("dot", chains, func(s step) { VFMADD231PS(s.load("a"), s.load("b"), s.sum(0)) })
	v.loop("sum", chains, func(s step) { VADDPS(s.load("x"), s.sum(0), s.sum(0)) })
}
