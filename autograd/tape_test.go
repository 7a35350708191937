package autograd_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
	"weak"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/promptcam/promptcam/autograd"
	"github.com/promptcam/promptcam/tensor"
	"github.com/promptcam/promptcam/tensor/tensortest"
)

func param(data ...float32) *autograd.Param {
	return &autograd.Param{Value: tensor.FromSlice(data, len(data))}
}

func TestGradientsAddUp(t *testing.T) {
	a, b := param(2, 3), param(5, 7)
	tp := &autograd.Tape{}
	assert.Same(t, tp.Param(a), tp.Param(a))

	// a·b + a·b + a, with a's Var used by three operations.
	ab := autograd.Mul(tp.Param(a), tp.Param(b))
	loss := total(autograd.Add(autograd.Add(ab, ab), tp.Param(a)))
	grads := tp.Backward(loss)
	assert.Equal(t, []float32{11, 15}, grads[a].Data())
	assert.Equal(t, []float32{4, 6}, grads[b].Data())

	tp.Backward(loss)
	assert.Equal(t, []float32{22, 30}, grads[a].Data(), "a second Backward adds")
	tp.Reset()
	assert.Empty(t, grads)
}

func TestBackwardReachesOnlyWhatTheLossDependsOn(t *testing.T) {
	a, b := param(2, 3), param(5, 7)
	tp := &autograd.Tape{}
	autograd.Mul(tp.Param(a), tp.Param(b))
	grads := tp.Backward(total(autograd.GELU(tp.Param(b))))
	assert.Contains(t, grads, b)
	assert.NotContains(t, grads, a)
}

func TestBackwardOfAParam(t *testing.T) {
	a := param(2)
	tp := &autograd.Tape{}
	assert.Equal(t, []float32{1}, tp.Backward(tp.Param(a))[a].Data())
}

func TestMisuse(t *testing.T) {
	a := param(2, 3)
	tp, other := &autograd.Tape{}, &autograd.Tape{}
	x := tp.Param(a)
	assert.Equal(t, "[2] [2 3]", fmt.Sprint(x))
	assert.PanicsWithValue(t, "autograd: Backward of a loss of shape [2]; want one number that depends on a Param", func() { tp.Backward(x) })
	assert.Panics(t, func() { tp.Backward(total(tp.Const(a.Value))) }, "no gradient wanted")
	assert.PanicsWithValue(t, "autograd: Backward of a loss on another tape", func() { other.Backward(total(x)) })
	assert.PanicsWithValue(t, "autograd: operands on different tapes", func() { autograd.Add(x, other.Param(a)) })
	assert.PanicsWithValue(t, "autograd: operands on different tapes", func() {
		autograd.Attend(autograd.Reshape(x, 1, 2), 1, autograd.KV{K: autograd.Reshape(x, 1, 2), V: autograd.Reshape(other.Param(a), 1, 2)})
	})

	assert.PanicsWithValue(t, "autograd: the scale of a Residual has no gradient: use Mul and Add", func() {
		autograd.LinearAdd(autograd.Residual{Scale: x}, tp.Const(tensor.New(3, 3)), tp.Const(tensor.New(2, 3)), nil)
	})

	assert.PanicsWithValue(t, "autograd: Const of a nil tensor", func() { tp.Const(nil) })
	assert.PanicsWithValue(t, "autograd: Concat of nothing", func() { autograd.Concat() })
	assert.PanicsWithValue(t, "tensor: activation 7 does not exist", func() {
		autograd.MLP(autograd.Residual{}, tp.Const(tensor.New(3, 3)), tp.Const(tensor.New(2, 3)), nil, tp.Const(tensor.New(3, 2)), nil, 7)
	})
	assert.PanicsWithValue(t, "autograd: Param without a Value", func() { tp.Param(&autograd.Param{}) })

	replaced := &autograd.Param{Value: tensor.New(2)}
	other.Param(replaced)
	replaced.Value = tensor.New(2)
	assert.PanicsWithValue(t, "autograd: Param whose Value was replaced after the tape had used it: call Reset in between", func() { other.Param(replaced) })
	other.Reset()
	assert.Same(t, replaced.Value, other.Param(replaced).Value())

	y := autograd.GELU(x)
	tp.Reset()
	assert.PanicsWithValue(t, "autograd: Var used after Keep or Reset freed it", func() { y.Value() })
	assert.PanicsWithValue(t, "autograd: Var used after Keep or Reset freed it", func() { autograd.GELU(x) })

	for name, do := range map[string]func(){
		"Split":   func() { autograd.Split(tp.Const(a.Value), 3) },
		"Concat":  func() { autograd.Concat(tp.Const(tensor.New(1, 2, 3)), tp.Const(tensor.New(2, 3))) },
		"images":  func() { autograd.Concat(tp.Const(tensor.New(2, 2, 3)), tp.Const(tensor.New(3, 2, 3))) },
		"Patches": func() { autograd.Patches(tp.Const(tensor.New(1, 3, 4, 5)), 2) },
		"LinearAdd": func() {
			autograd.LinearAdd(autograd.Residual{X: tp.Const(tensor.New(4, 2))}, tp.Const(tensor.New(3, 3)), tp.Const(tensor.New(2, 3)), nil)
		},
		"Linear of a number": func() {
			autograd.Linear(tp.Const(tensor.New()), tp.Const(tensor.New(1, 1)), nil)
		},
		"Gather along gaps": func() { autograd.Gather(tp.Const(tensor.New(1, 3, 4).Transpose()), []int{0}) },
		"Reshape":           func() { autograd.Reshape(tp.Const(tensor.New(4, 8).Transpose()), 31) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() { assert.IsType(t, &tensor.ShapeError{}, recover()) }()
			do()
		})
	}
}

func TestFrame(t *testing.T) {
	tp := &autograd.Tape{}
	x := tp.Const(tensor.New(4, 6).Fill(1))

	f := tp.Frame()
	y := autograd.GELU(x)
	inner := tp.Frame()
	parts := autograd.Split(y, 2)
	assert.Same(t, parts[1], f.Keep(parts[1]))
	assert.Zero(t, autograd.Idle(tp), "a part is still in use")
	assert.Panics(t, func() { autograd.GELU(y) })
	assert.Panics(t, func() { autograd.GELU(parts[0]) })
	assert.Equal(t, []int{4, 3}, autograd.Add(parts[1], parts[1]).Shape())
	inner.Keep(parts[1])
	assert.Equal(t, 12, autograd.Idle(tp), "the sum")
	inner.Keep(x)
	assert.Equal(t, 12+24, autograd.Idle(tp), "y too, by its last view")
	inner.Keep(x) // once is enough, twice no harm
	assert.Equal(t, 12+24, autograd.Idle(tp))
	autograd.GELU(x)
	assert.Equal(t, 12, autograd.Idle(tp), "memory is used again")

	w := &autograd.Param{Value: tensor.New(6, 6).Fill(1)}
	hidden := func() *autograd.Var {
		f := tp.Frame()
		return f.Keep(autograd.Linear(autograd.GELU(x), tp.Param(w), nil))
	}
	hidden()
	assert.Equal(t, 12, autograd.Idle(tp), "the gradient of w needs what it multiplies")
	w.Frozen = true
	tp.Reset()
	idle := autograd.Idle(tp)
	x = tp.Const(tensor.New(4, 6))
	hidden()
	assert.Equal(t, idle-24, autograd.Idle(tp), "nobody needs it")
}

// A frame frees its own results alone.
func TestFrameFreesNothingElse(t *testing.T) {
	tp := &autograd.Tape{}
	w, a, b := &autograd.Param{Value: tensor.New(4, 6).Fill(1)}, &autograd.Param{Value: tensor.New(2, 6)}, &autograd.Param{Value: tensor.New(4, 2)}
	x := tp.Const(tensor.New(3, 6).Fill(1))
	before := autograd.GELU(x)
	f := tp.Frame()
	changed := autograd.LowRank(tp.Param(w), tp.Param(a), tp.Param(b), 1)
	constant := tp.Const(tensor.New(6))
	y := f.Keep(autograd.Linear(before, changed, nil))
	var again *autograd.Var
	for range 3 { // as blocks do
		inner := tp.Frame()
		again = f.Keep(inner.Keep(autograd.Add(y, y)), y)
		y = f.Keep(autograd.GELU(again))
	}
	assert.Panics(t, func() { again.Value() })
	for _, v := range []*autograd.Var{x, before, tp.Param(w), tp.Param(a), tp.Param(b), constant, y} {
		assert.NotPanics(t, func() { v.Value() })
	}
	assert.Same(t, changed, autograd.LowRank(tp.Param(w), tp.Param(a), tp.Param(b), 1))
	assert.Equal(t, []float32{6, 6, 6, 6}, autograd.Linear(x, changed, nil).Value().Data()[:4])
	assert.Zero(t, testing.AllocsPerRun(10, func() { tp.Frame().Keep(y, x) }))
}

// NoGrad and Frozen may change between two uses of a Param on one tape.
func TestParamsAfterNoGrad(t *testing.T) {
	a, b := param(2, 3), param(5, 7)
	tp := &autograd.Tape{}
	product := func() *autograd.Var { return total(autograd.Mul(tp.Param(a), tp.Param(b))) }
	tp.NoGrad, b.Frozen = true, true
	product()
	assert.Zero(t, autograd.Recorded(tp))
	tp.NoGrad = false
	once := product()
	b.Frozen = false
	b.Changed()
	grads := tp.Backward(autograd.Add(once, product()))
	assert.Equal(t, []float32{10, 14}, grads[a].Data())
	assert.Equal(t, []float32{2, 3}, grads[b].Data())
	recorded := autograd.Recorded(tp)
	tp.NoGrad = true
	autograd.Add(once, product())
	assert.Equal(t, recorded, autograd.Recorded(tp), "NoGrad records nothing of what has a gradient either")
}

// What LowRank remembers without gradients does not take them from those who want them later, whether its
// operands are Params or computed.
func TestLowRankAfterNoGrad(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	w, a, b := &autograd.Param{Value: tensortest.Random(rng, 4, 6), Frozen: true}, &autograd.Param{Value: tensortest.Random(rng, 2, 6)}, &autograd.Param{Value: tensortest.Random(rng, 4, 2)}
	for name, operand := range map[string]func(*autograd.Var) *autograd.Var{
		"Params":   func(v *autograd.Var) *autograd.Var { return v },
		"computed": func(v *autograd.Var) *autograd.Var { return autograd.GELU(v) },
	} {
		t.Run(name, func(t *testing.T) {
			tp := &autograd.Tape{}
			vw, va, vb := operand(tp.Param(w)), operand(tp.Param(a)), operand(tp.Param(b))
			tp.NoGrad = true
			without := autograd.LowRank(vw, va, vb, 1)
			assert.Same(t, without, autograd.LowRank(vw, va, vb, 1))
			tp.NoGrad = false
			with := autograd.LowRank(vw, va, vb, 1)
			assert.Same(t, with, autograd.LowRank(vw, va, vb, 1))
			assert.Equal(t, without.Value().Data(), with.Value().Data())
			tp.NoGrad = true
			autograd.LowRank(vw, va, vb, 1)
			tp.NoGrad = false
			grads := tp.Backward(total(autograd.Reshape(autograd.Add(autograd.LowRank(vw, va, vb, 1), with), 24)))
			assert.Len(t, grads, 2)
		})
	}
}

// A weight may be unfrozen in mid-tape, and freezing it again.
func TestParamsFrozenInBetween(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	w, v := &autograd.Param{Value: tensortest.Random(rng, 4, 6), Frozen: true}, &autograd.Param{Value: tensortest.Random(rng, 4, 4)}
	tp := &autograd.Tape{}
	x := tp.Const(tensortest.Random(rng, 3, 6))
	loss := func() *autograd.Var {
		h := autograd.MLP(autograd.Residual{}, x, tp.Param(w), nil, tp.Param(v), nil, tensor.GELU)
		return total(autograd.Reshape(autograd.Add(h, autograd.Linear(x, autograd.Slice(tp.Param(w), 0, 0, 4), nil)), 12))
	}
	first := loss()
	w.Frozen = false
	w.Changed()
	second := loss()
	w.Frozen = true
	third := loss()
	grads := tp.Backward(autograd.Add(autograd.Add(first, second), third))
	assert.Len(t, grads, 2)
	both := [2][]float32{grads[w].Clone().Data(), grads[v].Scale(1. / 3).Data()}
	w.Frozen = false
	images := x.Value()
	tp.Reset()
	x = tp.Const(images)
	grads = tp.Backward(loss())
	tensortest.Close(t, grads[w], tensor.FromSlice(both[0], 4, 6), 1e-5)
	tensortest.Close(t, grads[v], tensor.FromSlice(both[1], 4, 4), 1e-5)
}

func TestDropoutPanics(t *testing.T) {
	for _, tp := range []*autograd.Tape{{}, {Rand: rand.New(rand.NewPCG(1, 2))}} {
		x := tp.Const(tensor.New(2, 3).Fill(1))
		for _, p := range []float32{-0.1, 1.1, 2, float32(math.NaN()), float32(math.Inf(1))} {
			assert.PanicsWithValue(t, fmt.Sprintf("autograd: Dropout with probability %v, want 0 to 1", p), func() { autograd.Dropout(x, p) })
			assert.PanicsWithValue(t, fmt.Sprintf("autograd: DropPath with probability %v, want 0 to 1", p), func() { autograd.DropPath(x, p) })
		}
		assert.Same(t, x, autograd.Dropout(x, 0))
	}
	x := (&autograd.Tape{Rand: rand.New(rand.NewPCG(1, 2))}).Const(tensor.New(2, 3).Fill(1))
	assert.Equal(t, make([]float32, 6), autograd.Dropout(x, 1).Value().Data())
	assert.Equal(t, make([]float32, 6), autograd.DropPath(x, 1).Value().Data())
}

func TestNumbersThatWouldGiveNaNPanic(t *testing.T) {
	tp := &autograd.Tape{}
	x, w := tp.Const(tensor.New(2, 3)), tp.Const(tensor.New(3))
	assert.PanicsWithValue(t, "autograd: LayerNorm with eps -1, want at least 0", func() { autograd.LayerNorm(x, w, w, -1) })
	assert.PanicsWithValue(t, "autograd: Standardize with eps NaN, want at least 0", func() { autograd.Standardize(x, float32(math.NaN())) })
	for _, temperature := range []float32{0, -1, float32(math.NaN()), float32(math.Inf(1))} {
		assert.PanicsWithValue(t, fmt.Sprintf("autograd: Distill at temperature %v, want a positive number", temperature), func() {
			autograd.Distill(tp.Const(tensor.New(2, 3)), tensor.New(2, 3), temperature)
		})
		assert.PanicsWithValue(t, fmt.Sprintf("autograd: CrossViews at temperature %v, want a positive number", temperature), func() {
			autograd.CrossViews(tp.Const(tensor.New(2, 2, 3)), tensor.New(2, 2, 3), temperature)
		})
	}
}

func TestAttentionWeights(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	q, k1, k2 := tensortest.Random(rng, 2, 3, 4), tensortest.Random(rng, 2, 2, 4), tensortest.Random(rng, 3, 4)
	tp := &autograd.Tape{}
	_, weights := autograd.Attention(tp.Const(q), 2,
		autograd.KV{K: tp.Const(k1), V: tp.Const(k1)}, autograd.KV{K: tp.Const(k2), V: tp.Const(k2)})
	assert.Equal(t, []int{2, 2, 3, 5}, weights.Shape())
	tensortest.Close(t, refWeights(2, 2, arrayOf(q), arrayOf(k1), arrayOf(k2)).data, weights, 1e-6)
}

func TestDropoutKeepsTheMean(t *testing.T) {
	x := tensor.New(100, 1000).Fill(1)
	tp := &autograd.Tape{}
	v := tp.Const(x)
	assert.Same(t, v, autograd.Dropout(v, 0.5), "evaluation")
	assert.Same(t, v, autograd.DropPath(v, 0.5), "evaluation")
	tp.Rand = rand.New(rand.NewPCG(1, 1))
	assert.Same(t, v, autograd.Dropout(v, 0))
	y := autograd.Dropout(v, 0.2).Value()
	assert.InDelta(t, 1, y.Sum().At()/float32(y.Len()), 0.01)
	dropped := 0
	for _, e := range y.Data() {
		if e == 0 {
			dropped++
		} else {
			require.InDelta(t, 1.25, e, 1e-6)
		}
	}
	assert.InDelta(t, 0.2, float64(dropped)/float64(y.Len()), 0.01)
	assert.Zero(t, autograd.Dropout(v, 1).Value().Sum().At(), "all are dropped")
}

// network is two transformer blocks that also look at learned rows, and
// a classifier of the mean row.
type network struct {
	params  []*autograd.Param
	prompts [2]*autograd.Param
	block   [2]struct{ n1w, n1b, qkv, qkvb, proj, n2w, n2b, fc1, b1, fc2, b2 *autograd.Param }
	head    *autograd.Param
}

const (
	netRows, netDim, netHeads, netClasses, netPrompts = 24, 48, 3, 5, 7
)

func newNetwork() *network {
	rng := rand.New(rand.NewPCG(11, 12))
	n := &network{}
	add := func(shape ...int) *autograd.Param {
		p := &autograd.Param{Value: tensortest.Random(rng, shape...).Scale(0.1)}
		n.params = append(n.params, p)
		return p
	}
	for i := range n.block {
		b := &n.block[i]
		n.prompts[i] = add(netPrompts, netDim)
		b.n1w, b.n1b, b.n2w, b.n2b = add(netDim), add(netDim), add(netDim), add(netDim)
		b.qkv, b.qkvb, b.proj = add(3*netDim, netDim), add(3*netDim), add(netDim, netDim)
		b.fc1, b.b1, b.fc2, b.b2 = add(4*netDim, netDim), add(4*netDim), add(netDim, 4*netDim), add(netDim)
	}
	n.head = add(netClasses, netRows*netDim)
	return n
}

func (n *network) loss(x *autograd.Var, labels []int) *autograd.Var {
	tp := x.Tape()
	for i, b := range n.block {
		kv := func(x *autograd.Var) (q *autograd.Var, kv autograd.KV) {
			f := tp.Frame()
			h := autograd.LayerNorm(x, tp.Param(b.n1w), tp.Param(b.n1b), 1e-6)
			parts := autograd.Split(autograd.Linear(h, tp.Param(b.qkv), tp.Param(b.qkvb)), 3)
			f.Keep(parts[0], parts[1:]...)
			return parts[0], autograd.KV{K: parts[1], V: parts[2]}
		}
		f := tp.Frame()
		q, own := kv(x)
		_, prompts := kv(autograd.Dropout(tp.Param(n.prompts[i]), 0.1))
		y := f.Keep(autograd.Attend(q, netHeads, own, prompts))
		x = autograd.Add(x, autograd.DropPath(autograd.Linear(y, tp.Param(b.proj), nil), 0.1))
		h := autograd.LayerNorm(x, tp.Param(b.n2w), tp.Param(b.n2b), 1e-6)
		h = autograd.GELU(autograd.Linear(h, tp.Param(b.fc1), tp.Param(b.b1)))
		x = autograd.Add(x, autograd.DropPath(autograd.Linear(h, tp.Param(b.fc2), tp.Param(b.b2)), 0.1))
	}
	rows := autograd.Reshape(x, x.Dim(0), -1) // [B, R·D]
	return autograd.CrossEntropy(autograd.Linear(rows, tp.Param(n.head), nil), labels)
}

// step does what a training step does, but for the update, and returns the loss.
func (n *network) step(tp *autograd.Tape, images *tensor.Tensor, use func(autograd.Grads)) float32 {
	tp.Rand = rand.New(rand.NewPCG(1, 2))
	labels := make([]int, images.Dim(0))
	for i := range labels {
		labels[i] = i % netClasses
	}
	loss := n.loss(tp.Const(images), labels)
	use(tp.Backward(loss))
	value := loss.Value().At()
	tp.Reset()
	return value
}

// allocated returns the bytes and the number of allocations of f.
func allocated(f func()) (bytes, count uint64) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc, after.Mallocs - before.Mallocs
}

func TestStepsAfterTheFirstAllocateNearlyNothing(t *testing.T) {
	if autograd.Poison {
		t.Skip("a poisoned tape forgets its Vars")
	}
	n, tp := newNetwork(), &autograd.Tape{}
	images := tensortest.Random(rand.New(rand.NewPCG(1, 1)), 16, netRows, netDim)
	step := func() { n.step(tp, images, func(autograd.Grads) {}) }
	first, count1 := allocated(step)
	later, count := first, count1
	for range 5 { // more may meet at the scratch memory than before: the best step counts
		runtime.GC() // what is used again outlives it
		bytes, c := allocated(step)
		later, count = min(later, bytes), min(count, c)
	}
	t.Logf("first step: %d bytes in %d allocations; later: %d in %d", first, count1, later, count)
	assert.Less(t, float64(later), 0.02*float64(first))
	assert.Less(t, count, uint64(100))
}

func TestMemoryStaysBounded(t *testing.T) {
	n, tp := newNetwork(), &autograd.Tape{}
	images := tensortest.Random(rand.New(rand.NewPCG(1, 1)), 16, netRows, netDim)
	steps := func(batches ...int) (idle int) {
		for _, b := range batches {
			n.step(tp, images.Slice(0, 0, b), func(autograd.Grads) {})
			idle = autograd.Idle(tp)
		}
		return idle
	}
	two := steps(16, 7)
	assert.Equal(t, two, steps(16, 7, 7, 16, 16, 7), "batch sizes in turn do not add up")
	one := steps(slices.Repeat([]int{16}, 16)...)
	assert.Less(t, one, two, "what only batches of 7 need is given up")
	steps(1, 2, 3, 4, 5, 6, 8, 9, 10, 11, 12, 13, 14)
	assert.Equal(t, one, steps(slices.Repeat([]int{16}, 16)...))
}

// What a tape gives up must not hang on to it by a header or an adjoint of an earlier, longer step.
func TestMemoryGivenUpIsCollected(t *testing.T) {
	const large = 100 // more numbers than anything in the small step has
	n, tp := newNetwork(), &autograd.Tape{Rand: rand.New(rand.NewPCG(1, 2))}
	images, labels := tensortest.Random(rand.New(rand.NewPCG(1, 1)), 4, netRows, netDim), make([]int, 4)
	given := []weak.Pointer[float32]{weak.Make(&images.Data()[0])}
	givenLabels := weak.Make(&labels[0])
	tp.Backward(n.loss(tp.Const(images), labels))
	tp.Reset()
	given = append(given, autograd.IdleSlices(tp, large)...)
	require.Greater(t, len(given), 50)
	for range 16 {
		tp.Backward(total(tp.Param(param(1, 2, 3))))
		tp.Reset()
	}
	require.Empty(t, autograd.IdleSlices(tp, large))
	runtime.GC()
	held := 0
	for _, p := range given {
		if p.Value() != nil {
			held++
		}
	}
	assert.Zero(t, held, "of %d slices", len(given))
	assert.Nil(t, givenLabels.Value())
	runtime.KeepAlive(tp)
}

func TestSameBits(t *testing.T) {
	n := newNetwork()
	images := tensortest.Random(rand.New(rand.NewPCG(1, 1)), 16, netRows, netDim)
	run := func(tp *autograd.Tape, procs int) (bits []uint32) {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
		loss := n.step(tp, images, func(grads autograd.Grads) {
			for _, p := range n.params {
				require.NotNil(t, grads[p])
				for _, g := range grads[p].Data() {
					bits = append(bits, math.Float32bits(g))
				}
			}
		})
		require.False(t, math.IsNaN(float64(loss)))
		return append(bits, math.Float32bits(loss))
	}
	tp := &autograd.Tape{}
	want := run(tp, 1)
	for i, procs := range []int{1, 2, 3} {
		assert.True(t, slices.Equal(want, run(&autograd.Tape{}, procs)), "fresh tape, GOMAXPROCS %d", procs)
		assert.True(t, slices.Equal(want, run(tp, procs)), "tape used %d times, GOMAXPROCS %d", i+1, procs)
	}
}

// TestResetEndsNoNewVar holds on to Vars and tensors of a finished step: what comes after must not change with them.
func TestResetEndsNoNewVar(t *testing.T) {
	tp := &autograd.Tape{}
	x := tp.Const(tensor.New(2, 3).Fill(1))
	y := autograd.Add(x, x)
	old, memory := y.Value(), y.Value().Data()
	tp.Reset()
	assert.Empty(t, old.Data())
	if autograd.Poison {
		assert.True(t, math.IsNaN(float64(memory[0])), "memory taken back holds NaN")
	}
	z := autograd.Mul(tp.Const(tensor.New(4).Fill(3)), tp.Const(tensor.New(4).Fill(2)))
	w := autograd.Add(tp.Const(tensor.New(2, 3).Fill(1)), tp.Const(tensor.New(3).Fill(4)))
	assert.Equal(t, []float32{6, 6, 6, 6}, z.Value().Data())
	assert.Equal(t, []int{4}, z.Shape())
	assert.Equal(t, []float32{5, 5, 5, 5, 5, 5}, w.Value().Data())
	if autograd.Poison {
		assert.Panics(t, func() { y.Value() }, "still")
		assert.Panics(t, func() { autograd.Add(y, w) })
	}
}

func TestTapesShareParams(t *testing.T) {
	n := newNetwork()
	for _, b := range n.block { // the first use of what is frozen is the same for all tapes
		b.qkv.Frozen, b.fc1.Frozen = true, true
	}
	images := tensortest.Random(rand.New(rand.NewPCG(1, 1)), 4, netRows, netDim)
	losses := make(chan float32)
	for range 4 {
		go func() { losses <- n.step(&autograd.Tape{}, images, func(autograd.Grads) {}) }()
	}
	first := <-losses
	for range 3 {
		assert.Equal(t, first, <-losses)
	}
}
