package main

import (
	"math"

	. "github.com/mmcloughlin/avo/build"
)

// softmax emits Exp and the parts of Softmax and SoftmaxGrad.
func (v isa) softmax() {
	v.function("exp", "(dst, x []float32)", "is expGeneric.")
	dst, x := pointer("dst"), pointer("x")
	v.each("dst", func(s step) {
		r := s.load(x)
		v.exp(r)
		s.store(r, dst)
	})
	ret()

	v.function("scaledMax", "(x []float32, scale float32) float32", "is scaledMaxGeneric.")
	x = pointer("x")
	scale := v.broadcast("scale")
	most := v.accumulators(math.Inf(-1))
	v.unrolled("x", chains, func(s step) {
		r := s.load(x)
		VMULPS(scale, r, r)
		s.elseLowest(r)
		VMAXPS(most[s.ahead], r, most[s.ahead])
	})
	giveBack(v.greatest(most), 0)
	ret()

	v.function("expSum", "(dst, x []float32, scale, shift float32) float32", "is expSumGeneric.")
	dst, x = pointer("dst"), pointer("x")
	scale = v.broadcast("scale")
	shift := v.broadcast("shift")
	sum := v.zero()
	v.each("dst", func(s step) {
		r := s.load(x)
		VMULPS(scale, r, r)
		VSUBPS(shift, r, r)
		v.exp(r)
		s.store(r, dst)
		s.elseZero(r)
		VADDPS(r, sum, sum)
	})
	giveBack(v.reduceLanes(VADDPS, sum), 0)
	ret()

	v.function("softmaxGrad", "(dst, y, dy []float32, scale, dot float32)", "is softmaxGradGeneric.")
	dst, y, dy := pointer("dst"), pointer("y"), pointer("dy")
	scale, dot := v.broadcast("scale"), v.broadcast("dot")
	v.each("dst", func(s step) {
		r := s.load(y)
		VMULPS(scale, r, r)
		d := s.load(dy)
		VSUBPS(dot, d, d)
		VMULPS(d, r, r)
		s.store(r, dst)
	})
	ret()
}
