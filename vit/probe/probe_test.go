package probe

import (
	"context"
	"math"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/promptcam/promptcam/tensor"
	"github.com/promptcam/promptcam/tensor/tensortest"
)

// clouds returns n rows of each class, [classes*n, d], around centres that are `apart`
// times as far from each other as the rows of a class. Features differ in mean and
// scale, and the last is constant.
func clouds(seed uint64, classes, n, d int, apart float64) (x *tensor.Tensor, labels []int) {
	centres := rand.New(rand.NewPCG(1, 1))
	centre := make([]float64, classes*d)
	for i := range centre {
		centre[i] = apart * centres.NormFloat64()
	}
	rng := rand.New(rand.NewPCG(seed, 2))
	x = tensor.New(classes*n, d)
	for i := range classes * n {
		label := i % classes
		labels = append(labels, label)
		for j := range d - 1 {
			x.Set(float32(float64(j+1)*(centre[label*d+j]+rng.NormFloat64())+3), i, j)
		}
		x.Set(0.1, i, d-1)
	}
	return x, labels
}

func fit(t *testing.T, x *tensor.Tensor, labels []int, classes int, penalty float64) *Linear {
	t.Helper()
	l, err := FitLinear(context.Background(), x, labels, classes, penalty)
	require.NoError(t, err)
	return l
}

func TestSeparableClassesAreToldApart(t *testing.T) {
	x, labels := clouds(1, 7, 20, 12, 3)
	other, otherLabels := clouds(2, 7, 20, 12, 3)
	means, err := FitMeans(x, labels, 7)
	require.NoError(t, err)
	for name, scores := range map[string]*tensor.Tensor{
		"linear":  fit(t, x, labels, 7, DefaultPenalty).Scores(other),
		"weak":    fit(t, x, labels, 7, 1e-12).Scores(other),
		"nearest": means.Scores(other),
	} {
		assert.Equal(t, []int{140, 7}, scores.Shape(), name)
		top1, top5 := Accuracy(scores, otherLabels)
		assert.Equal(t, 1.0, top1, name)
		assert.Equal(t, 1.0, top5, name)
	}
}

// reference is the objective, loop by loop in float64.
func reference(x *tensor.Tensor, labels []int, classes int, penalty float64, theta []float64) (f float64) {
	d := x.Dim(1)
	for i, label := range labels {
		scores := make([]float64, classes)
		var z float64
		for c := range scores {
			scores[c] = theta[classes*d+c]
			for j := range d {
				scores[c] += theta[c*d+j] * float64(x.At(i, j))
			}
			z += math.Exp(scores[c])
		}
		f += (math.Log(z) - scores[label]) / float64(len(labels))
	}
	for _, w := range theta[:classes*d] {
		f += penalty / 2 * w * w
	}
	return f
}

func TestObjectiveAndItsGradient(t *testing.T) {
	const classes = 5
	x, labels := clouds(1, classes, 6, 4, 1)
	x = standard(x).standardise(x)
	o := newObjective(x, labels, classes, 0.3)
	rng := rand.New(rand.NewPCG(4, 5))
	theta, grad := make([]float64, o.theta.Len()), make([]float64, o.theta.Len())
	for i := range theta {
		theta[i] = float64(float32(rng.NormFloat64()))
	}
	assert.InDelta(t, reference(x, labels, classes, o.penalty, theta), o.at(theta, grad), 1e-6)
	for i, v := range theta {
		const h = 1e-5
		theta[i] = v + h
		up := reference(x, labels, classes, o.penalty, theta)
		theta[i] = v - h
		down := reference(x, labels, classes, o.penalty, theta)
		theta[i] = v
		assert.InDelta(t, (up-down)/(2*h), grad[i], 1e-6, "parameter %d", i)
	}
}

// At the least value the gradient is zero.
func TestTheFitIsTheMinimum(t *testing.T) {
	x, labels := clouds(1, 5, 20, 8, 0.3)
	l := fit(t, x, labels, 5, 0.01)
	o := newObjective(l.standardise(x), labels, 5, 0.01)
	var theta []float64
	for _, v := range append(append([]float32{}, l.Weight.Contig().Data()...), l.Bias.Data()...) {
		theta = append(theta, float64(v))
	}
	grad := make([]float64, len(theta))
	o.at(theta, grad)
	assert.Less(t, math.Sqrt(dot(grad, grad)), 2e-3)
	assert.Less(t, o.at(theta, grad), 0.8*math.Log(5), "the value at zero is log(5)")
}

// A banana-shaped valley (Rosenbrock 1960) needs curvature; its floor is at (1, 1).
func TestLBFGSFollowsAValley(t *testing.T) {
	x := []float64{-1.2, 1}
	n := 0
	err := lbfgs{store: 5, iterations: 200, tolerance: 0}.minimise(context.Background(), x, func(x, grad []float64) float64 {
		n++
		a, b := 1-x[0], x[1]-x[0]*x[0]
		grad[0], grad[1] = -2*a-400*x[0]*b, 200*b
		return a*a + 100*b*b
	})
	require.NoError(t, err)
	assert.InDeltaSlice(t, []float64{1, 1}, x, 1e-5)
	assert.Less(t, n, 100)
}

func TestPermutedClassesHavePermutedScores(t *testing.T) {
	const classes = 6
	x, labels := clouds(1, classes, 10, 8, 1)
	perm := []int{3, 0, 5, 1, 4, 2}
	moved := make([]int, len(labels))
	for i, label := range labels {
		moved[i] = perm[label]
	}
	permuted := func(scores *tensor.Tensor) *tensor.Tensor {
		y := tensor.New(scores.Shape()...)
		for i := range scores.Dim(0) {
			for c, to := range perm {
				y.Set(scores.At(i, c), i, to)
			}
		}
		return y
	}
	tensortest.Close(t, permuted(fit(t, x, labels, classes, 0.1).Scores(x)), fit(t, x, moved, classes, 0.1).Scores(x), 1e-2)
	a, err := FitMeans(x, labels, classes)
	require.NoError(t, err)
	b, err := FitMeans(x, moved, classes)
	require.NoError(t, err)
	tensortest.Close(t, permuted(a.Scores(x)), b.Scores(x), 1e-6)
}

func TestConstantFeaturesHaveNoSay(t *testing.T) {
	x, labels := clouds(1, 4, 10, 6, 1)
	l := fit(t, x, labels, 4, DefaultPenalty)
	assert.Zero(t, l.Scale.At(5))
	other := x.Clone()
	for i := range other.Dim(0) {
		other.Set(1e6, i, 5)
	}
	assert.Equal(t, l.Scores(x).Data(), l.Scores(other).Data())
}

func TestMeansAreCosines(t *testing.T) {
	x := tensor.FromSlice([]float32{3, 1, 1, 3, -1, 1, 1, -1}, 4, 2) // mean (1, 1)
	m, err := FitMeans(x, []int{0, 2, 3, 0}, 5)
	require.NoError(t, err)
	// Means less the mean: class 0 (1, -1), class 2 (0, 2), class 3 (-2, 0).
	half := math.Sqrt(0.5)
	tensortest.Close(t, []float64{half, -2, 0, -1, -2, 0, -2, 0, 0, -2},
		m.Scores(tensor.FromSlice([]float32{9, 1, 1, 1}, 2, 2)), 1e-6)
}

// Though all its cosines are negative, no missing class wins; nor does it of a Linear.
func TestClassesWithoutRowsNeverWin(t *testing.T) {
	x, labels := clouds(1, 4, 10, 6, 1)
	const classes = 6 // 4 and 5 have no rows
	m, err := FitMeans(x, labels, classes)
	require.NoError(t, err)
	l := fit(t, x, labels, classes, DefaultPenalty)
	for _, scores := range []*tensor.Tensor{m.Scores(x), l.Scores(x), m.Scores(x.Sub(x).Sub(x))} {
		for _, best := range scores.ArgMax() {
			assert.Less(t, best, 4)
		}
		for _, v := range scores.Data() {
			assert.False(t, math.IsNaN(float64(v)) || math.IsInf(float64(v), 0))
		}
	}
}

func TestSameBitsAtAnyGOMAXPROCS(t *testing.T) {
	x, labels := clouds(1, 10, 60, 40, 0.5)
	other, _ := clouds(2, 10, 10, 40, 0.5)
	at := func(procs int) (linear, means []float32) {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
		m, err := FitMeans(x, labels, 10)
		require.NoError(t, err)
		return fit(t, x, labels, 10, DefaultPenalty).Scores(other).Data(), m.Scores(other).Data()
	}
	linear, means := at(1)
	for _, procs := range []int{2, 5} {
		l, m := at(procs)
		assert.Equal(t, linear, l)
		assert.Equal(t, means, m)
	}
}

func TestWhatCannotBeFitted(t *testing.T) {
	x := tensor.FromSlice([]float32{1, 2, 3, 4, 5, 7}, 3, 2)
	nan := tensor.FromSlice([]float32{1, 2, 3, float32(math.NaN()), 5, 7}, 3, 2)
	inf := tensor.FromSlice([]float32{1, 2, 3, 4, float32(math.Inf(-1)), 7}, 3, 2)
	labels := []int{0, 1, 0}
	for _, v := range []struct {
		x      *tensor.Tensor
		labels []int
		want   string
	}{
		{x, []int{0, 2, 1}, "probe: training row 1 has class 2, want 0 to 1"},
		{x, []int{0, 1, -1}, "probe: training row 2 has class -1, want 0 to 1"},
		{x, []int{1, 1, 1}, "probe: all 3 training rows are of class 1, want at least 2 classes"},
		{tensor.New(0, 2), nil, "probe: no training rows"},
		{nan, labels, "probe: feature 1 of training row 1 is NaN, want a finite number"},
		{inf, labels, "probe: feature 0 of training row 2 is -Inf, want a finite number"},
	} {
		_, err := FitLinear(context.Background(), v.x, v.labels, 2, DefaultPenalty)
		assert.EqualError(t, err, v.want)
		_, err = FitMeans(v.x, v.labels, 2)
		assert.EqualError(t, err, v.want)
	}
	for want, penalty := range map[string]float64{
		"probe: penalty 0, want a positive number":    0,
		"probe: penalty -1, want a positive number":   -1,
		"probe: penalty NaN, want a positive number":  math.NaN(),
		"probe: penalty +Inf, want a positive number": math.Inf(1),
	} {
		_, err := FitLinear(context.Background(), x, labels, 2, penalty)
		assert.EqualError(t, err, want)
	}
	assert.PanicsWithError(t, "tensor: probe: shape [3 2]: want [2, D] for 2 labels", func() { FitMeans(x, []int{0, 1}, 2) })

	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := FitLinear(ctx, x, labels, 2, DefaultPenalty)
	assert.ErrorIs(t, err, context.Canceled)
}

func TestAccuracyCountsEqualScoresInOrder(t *testing.T) {
	scores := tensor.FromSlice([]float32{
		0, 0, 0, 0, 0, 0,
		1, 2, 3, 4, 5, 6,
	}, 2, 6)
	top1, top5 := Accuracy(scores, []int{0, 1})
	assert.Equal(t, []float64{0.5, 1}, []float64{top1, top5})
	top1, top5 = Accuracy(scores, []int{5, 0})
	assert.Equal(t, []float64{0, 0}, []float64{top1, top5})
}
