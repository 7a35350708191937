package tensor_test

import (
	"math"
	"testing"

	"gonum.org/v1/gonum/stat/distuv"

	"github.com/promptcam/promptcam/tensor"
	"github.com/promptcam/promptcam/tensor/tensortest"
)

var activations = []struct {
	name     string
	to       func(dst, x *tensor.Tensor)
	backward func(dx, x, dy *tensor.Tensor)
	want     func(x float64) float64
}{
	{"GELU", tensor.GELUTo, tensor.GELUBackwardTo, func(x float64) float64 { return x * distuv.UnitNormal.CDF(x) }},
	{"QuickGELU", tensor.QuickGELUTo, tensor.QuickGELUBackwardTo, func(x float64) float64 { return x / (1 + math.Exp(-1.702*x)) }},
}

func TestGELU(t *testing.T) {
	for _, f := range activations {
		t.Run(f.name, func(t *testing.T) {
			x, dy := tensor.New(3, 801), tensortest.Ramp(3, 801)
			var want, grad []float64
			for i := range x.Data() {
				x.Data()[i] = float32(i-1200) / 60 // from -20 to 20
				v, g := float64(x.Data()[i]), float64(dy.Data()[i])
				want = append(want, f.want(v))
				grad = append(grad, g*(f.want(v+1e-5)-f.want(v-1e-5))/2e-5)
			}
			y := tensor.New(3, 801)
			f.to(y, x)
			tensortest.Close(t, want, y.Data(), 1e-6)
			dx := tensor.New(3, 801)
			f.backward(dx, x, dy)
			tensortest.Close(t, grad, dx.Data(), 2e-6)
			f.backward(dy, x, dy)
			tensortest.Close(t, dx, dy, 0)

			big := tensortest.Random(newRand(), 300, 301)
			sameBits(t, func() *tensor.Tensor { y := tensor.New(300, 301); f.to(y, big); return y })

			limits := tensor.FromSlice([]float32{nan, inf, 1e30, -1e30, 0}, 5)
			f.to(limits, limits)
			tensortest.Close(t, []float32{nan, inf, 1e30, 0, 0}, limits, 0)

			requirePanic(t, "tensor: "+f.name+"To: shapes [2] and [3]: must be the same", func() { f.to(tensor.New(2), tensor.New(3)) })
			requirePanic(t, "tensor: "+f.name+"BackwardTo: shapes [2] and [3]: must be the same", func() {
				f.backward(tensor.New(2), tensor.New(2), tensor.New(3))
			})
		})
	}
}
