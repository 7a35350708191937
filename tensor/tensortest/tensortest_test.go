package tensortest

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/promptcam/promptcam/tensor"
)

// recorder is a test that only notes what is said to it.
type recorder struct {
	testing.TB
	errors []string
}

func (r *recorder) Helper() {}

func (r *recorder) Errorf(format string, args ...any) {
	r.errors = append(r.errors, fmt.Sprintf(format, args...))
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.Errorf(format, args...)
	panic(r)
}

func TestClose(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	cases := []struct {
		name      string
		want, got any
		tol       float64
		message   string // "" if close
	}{
		{"equal", []float64{1, 2}, []float32{1, 2}, 0, ""},
		{"within", []float64{0, 1000}, []float64{1e-3, 1001}, 1e-3, ""},
		{"empty", []float64{}, tensor.New(0, 3), 0, ""},
		{"scalar", []float64{2}, tensor.New().Fill(2), 0, ""},
		{"not numbers", []float64{nan, inf, -inf}, []float64{nan, inf, -inf}, 0, ""},
		{"view", tensor.FromSlice([]float32{1, 3, 2, 4}, 2, 2), tensor.FromSlice([]float32{1, 2, 3, 4}, 2, 2).Transpose(), 0, ""},
		{"worst", Ramp(2, 3), tensor.FromSlice([]float32{-1, -0.7, -0.5, -0.25, 0.5, 0.25}, 2, 3), 1e-2,
			"tensortest: 2 of 6 elements differ by more than 0.01*max(1, |want|), the worst at [1 1]: got 0.5, want 0 (off by 0.5)"},
		{"slice", []float64{1, 2}, []float64{1, nan}, 1,
			"tensortest: 1 of 2 elements differ by more than 1*max(1, |want|), the worst at [1]: got NaN, want 2 (off by NaN)"},
		{"infinities", []float64{inf}, []float64{-inf}, 1,
			"tensortest: 1 of 1 elements differ by more than 1*max(1, |want|), the worst at [0]: got -Inf, want +Inf (off by +Inf)"},
		{"shape", tensor.New(2, 3), tensor.New(3, 2), 0, "tensortest: got shape [3 2], want [2 3]"},
		{"length", []float64{1}, tensor.New(1, 2), 0, "tensortest: got shape [1 2], want [1]"},
		{"type", []int{1}, tensor.New(), 0, "tensortest: Close takes tensors and slices of floats, not []int"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r := &recorder{}
			var closeEnough bool
			run(r, func() { closeEnough = Close(r, c.want, c.got, c.tol) })
			assert.Equal(t, c.message == "", closeEnough)
			if c.message == "" {
				assert.Empty(t, r.errors)
			} else {
				assert.Equal(t, []string{c.message}, r.errors)
			}
		})
	}
}

// run calls f until it ends or r does.
func run(r *recorder, f func()) {
	defer func() {
		if v := recover(); v != nil && v != r {
			panic(v)
		}
	}()
	f()
}

func TestRamp(t *testing.T) {
	x := Ramp(2, 5)
	assert.Equal(t, []int{2, 5}, x.Shape())
	assert.Equal(t, []float32{-1, -0.75, -0.5, -0.25, 0, 0.25, 0.5, 0.75, 1, -1}, x.Data())
}

func TestRandom(t *testing.T) {
	x := Random(rand.New(rand.NewPCG(1, 2)), 100, 100)
	assert.Equal(t, x.Data(), Random(rand.New(rand.NewPCG(1, 2)), 100, 100).Data(), "the same seed")
	assert.InDelta(t, 0, float64(x.Sum().At())/float64(x.Len()), 0.05)
	assert.InDelta(t, 1, float64(x.Mul(x).Sum().At())/float64(x.Len()), 0.05)
}
