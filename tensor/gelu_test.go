package tensor_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"gonum.org/v1/gonum/stat/distuv"

	"github.com/promptcam/promptcam/tensor"
	"github.com/promptcam/promptcam/tensor/tensortest"
)

var activations = []struct {
	name string
	tensor.Activation
	want func(x float64) float64
}{
	{"Identity", tensor.Identity, func(x float64) float64 { return x }},
	{"GELU", tensor.GELU, func(x float64) float64 { return x * distuv.UnitNormal.CDF(x) }},
	{"QuickGELU", tensor.QuickGELU, func(x float64) float64 { return x / (1 + math.Exp(-1.702*x)) }},
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
			f.To(y, x)
			tensortest.Close(t, want, y.Data(), 1e-6)
			dx := tensor.New(3, 801)
			f.BackwardTo(dx, x, dy)
			tensortest.Close(t, grad, dx.Data(), 2e-6)
			f.BackwardTo(dy, x, dy)
			tensortest.Close(t, dx, dy, 0)

			big := tensortest.Random(newRand(), 300, 301)
			sameBits(t, func() *tensor.Tensor { y := tensor.New(300, 301); f.To(y, big); return y })

			limits := tensor.FromSlice([]float32{nan, inf, 1e30, -1e30, 0}, 5)
			f.To(limits, limits)
			low := float32(0)
			if f.Activation == tensor.Identity {
				low = -1e30
			}
			tensortest.Close(t, []float32{nan, inf, 1e30, low, 0}, limits, 0)

			requirePanic(t, "tensor: Activation.To: shapes [2] and [3]: must be the same", func() { f.To(tensor.New(2), tensor.New(3)) })
			requirePanic(t, "tensor: Activation.BackwardTo: shapes [2] and [3]: must be the same", func() {
				f.BackwardTo(tensor.New(2), tensor.New(2), tensor.New(3))
			})
		})
	}
}

func TestUnknownActivationsPanic(t *testing.T) {
	x, w := tensor.New(2, 2), tensor.New(2, 2)
	for _, act := range []tensor.Activation{-1, 3, 99} {
		for _, do := range []func(){
			func() { act.To(tensor.New(2, 2), x) },
			func() { act.BackwardTo(tensor.New(2, 2), x, x) },
			func() { tensor.LinearTo(tensor.New(2, 2), x, w, nil, tensor.After{Act: act}) },
			func() { tensor.LinearBackwardActTo(tensor.New(2, 2), x, w, nil, x, act) },
		} {
			assert.PanicsWithValue(t, fmt.Sprintf("tensor: activation %d does not exist", act), do)
		}
	}
}
