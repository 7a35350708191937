package promptcam

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/promptcam/promptcam/data"
	"github.com/promptcam/promptcam/tensor"
	"github.com/promptcam/promptcam/tensor/tensortest"
	"github.com/promptcam/promptcam/vit"
)

// referred gives m a Reference from the golden images, each class's first being image c.
func referred(t *testing.T, m *Model, g *golden) {
	t.Helper()
	images := more(g)
	labels := make([]int, images.Dim(0))
	for i := range labels {
		labels[i] = i % m.Config.Classes
	}
	r, err := m.Refer(t.Context(), batches{data.Images, images, labels})
	require.NoError(t, err)
	m.Reference = r
}

// more returns the golden images and as many grey ones.
func more(g *golden) *tensor.Tensor {
	return joined(0, g.images.Value, tensor.New(g.images.Value.Shape()...).Fill(0.5))
}

// joined returns a and b one after the other along a dimension.
func joined(dim int, a, b *tensor.Tensor) *tensor.Tensor {
	shape := slices.Clone(a.Shape())
	shape[dim] += b.Dim(dim)
	both := tensor.New(shape...)
	tensor.CopyTo(both.Slice(dim, 0, a.Dim(dim)), a)
	tensor.CopyTo(both.Slice(dim, a.Dim(dim), shape[dim]), b)
	return both
}

var questions = map[string]Question{
	"between":      Between(1, 3),
	"even":         {For: []int{1}, Against: []int{3}, Versus: Even},
	"against all":  {For: []int{2}},
	"groups":       {For: []int{0, 2}, Against: []int{1, 3}},
	"even, groups": {For: []int{0}, Against: []int{3, 1, 2}, Versus: Even},
}

// All evidence sums to the difference between the margin and its baseline, in every mode, and the ends are those
// of whole rows.
func TestEvidenceIsComplete(t *testing.T) {
	forEachConfig(t, func(t *testing.T, m *Model, g *golden) {
		referred(t, m, g)
		for i := range g.labels {
			e := m.explain(g.images.Value.Slice(0, i, i+1).Contig())
			for name, q := range questions {
				v := e.Evidence(q)
				patches, rest := v.Sum()
				assert.InDelta(t, v.Margin-v.Baseline, patches+rest, 1e-5*(1+math.Abs(v.Margin)), name)
				assert.Less(t, v.Error(), 1e-4, name)
				if m.Config.PatchesOnly {
					assert.Zero(t, rest)
				}
				var sum float64
				for _, x := range v.Map().Values {
					sum += float64(x)
				}
				assert.InDelta(t, patches, sum, 1e-5)
				assert.Len(t, v.Heads, e.Heads()*(len(q.For)+len(q.Against)))
				assert.True(t, slices.IsSortedFunc(v.Heads, func(a, b HeadEvidence) int { return int(math.Copysign(1, b.Sum-a.Sum)) }))

				var margin, baseline float64
				for _, w := range e.weighted(q) {
					margin += w.weight * float64(e.Scores[w.class])
					baseline += w.weight * float64(e.scoresOf(w.class, tensor.FromSlice(slices.Clone(e.baseline(w, q)), 1, 1, e.values.Dim(1)))[0])
				}
				assert.InDelta(t, margin, v.Margin, 1e-5, name)
				assert.InDelta(t, baseline, v.Baseline, 1e-5, name)
			}
			every := slices.Repeat([]bool{true}, e.Heads())
			v := e.Evidence(Question{For: []int{1}, Against: []int{3}, Versus: Even})
			assert.InDelta(t, scoreBlurred(e, 1, BlurPatches, every)-scoreBlurred(e, 3, BlurPatches, every), v.Baseline, 1e-5)
		}
	})
}

// Each value is attention times the integral of the gradient along what the patch's value differs by from the
// baseline. The integral is taken here by differences of the score at a thousand points.
func TestEvidenceIsAnIntegratedGradient(t *testing.T) {
	g := openGolden(t, "dino")
	m, err := New(g.model().Backbone, Config{Mode: Last, Classes: 4, Rank: 2}, rand.New(rand.NewPCG(1, 2)))
	require.NoError(t, err)
	move(m)
	referred(t, m, g)
	e := m.explain(g.images.Value.Slice(0, 0, 1).Contig())
	const class, other = 2, 0
	v := e.Evidence(Between(class, other))
	from, to, d := m.Reference.reading(class, other), e.reading(class), e.values.Dim(1)
	width := d / e.Heads()
	for _, h := range v.Heads {
		if h.Class != class {
			continue
		}
		patch, _ := h.Map.Peak()
		key := e.values.Dim(0) - m.patches() + patch
		const points, step = 200, 0.05
		rows := tensor.New(1, 2*points, d)
		for p := range points {
			for side, sign := range []float32{1, -1} {
				row := rows.Data()[(2*p+side)*d:][:d]
				for i := range row {
					row[i] = from[i] + (float32(p)+0.5)/points*(to[i]-from[i])
				}
				for i := h.Head * width; i < (h.Head+1)*width; i++ {
					row[i] += sign * step * (e.values.Data()[key*d+i] - from[i])
				}
			}
		}
		scores := e.scoresOf(class, rows)
		var slope float64
		for p := range points {
			slope += float64(scores[2*p]-scores[2*p+1]) / (2 * step * points)
		}
		want := float64(e.attn.At(h.Head, class, key)) * slope
		assert.InDelta(t, want, h.Map.Values[patch], 1e-2*math.Abs(want)+1e-5, "head %d", h.Head)
	}
}

// What decides for one class and against another decides the other way round if the question is turned, as far
// as the baseline is the same.
func TestEvidenceTurns(t *testing.T) {
	g := openGolden(t, "dino")
	e := g.model().explain(g.images.Value.Slice(0, 0, 1).Contig())
	one := e.Evidence(Question{For: []int{1}, Against: []int{2}, Versus: Even})
	two := e.Evidence(Question{For: []int{2}, Against: []int{1}, Versus: Even})
	for i, v := range one.Map().Values {
		assert.InDelta(t, -v, two.Map().Values[i], 1e-6)
	}
	assert.Equal(t, one.Map(), e.Evidence(Between(1, 2)).Map(), "without a reference there is one baseline")
}

func TestFirstQuestion(t *testing.T) {
	g := openGolden(t, "dino")
	m := g.model()
	e := m.explain(g.images.Value.Slice(0, 0, 1).Contig())
	best := e.Top(3)
	assert.Equal(t, Between(best[0], best[1]), e.Question(), "the runner-up, where nothing is known")
	assert.Equal(t, best[0], e.LookAlike(best[2]))
	referred(t, m, g)
	assert.Equal(t, Between(best[0], m.Reference.LookAlikes[best[0]][0].Class), e.Question())
}

// Of a class's prompt only the readings in images of its look-alikes are known. Evidence says what it is compared with.
func TestEvidenceSaysItsBaseline(t *testing.T) {
	const classes = 8
	rng := rand.New(rand.NewPCG(1, 2))
	c := vit.Config{Name: "tiny", ImageSize: [2]int{12, 12}, PatchSize: 4, Dim: 8, Depth: 2, Heads: 2, Hidden: 12, Eps: 1e-6, Std: [3]float32{1, 1, 1}}
	b, err := vit.New(c, rng)
	require.NoError(t, err)
	m, err := New(b, Config{Mode: Last, Classes: classes}, rng)
	require.NoError(t, err)
	images := tensortest.Random(rng, classes, 3, 12, 12)
	l := batches{data.Images, images, make([]int, classes)}
	explained := make([]*Explanation, classes)
	for i := range classes {
		l.labels[i], explained[i] = i, m.explain(images.Slice(0, i, i+1).Contig())
	}
	e := explained[0]
	assert.Equal(t, Even, e.Evidence(Question{For: []int{0}, Against: []int{1}, Versus: Overall}).Versus, "without a reference")
	m.Reference, err = m.Refer(t.Context(), l)
	require.NoError(t, err)

	alike := func(c int) (are, others []int) {
		for o := range classes {
			switch {
			case m.Reference.rank(c, o) >= 0:
				are = append(are, o)
			case o != c:
				others = append(others, o)
			}
		}
		return are, others
	}
	// usual is what c's prompt reads in the images of some classes.
	usual := func(c int, of ...int) (mean []float32) {
		mean = make([]float32, b.Config.Dim)
		for _, o := range of {
			add(mean, explained[o].reading(c), 1/float32(len(of)))
		}
		return mean
	}
	every := []int{0, 1, 2, 3, 4, 5, 6, 7}
	for c := range classes {
		are, others := alike(c)
		require.Len(t, others, classes-1-lookAlikes)
		for _, test := range []struct {
			against []int
			versus  Baseline
			want    Baseline
			from    []int // the classes whose images the baseline is the mean reading of
		}{
			{are[:1], Usual, Usual, are[:1]}, {others[:1], Usual, Overall, every}, {nil, Usual, Overall, every}, {are[:1], Overall, Overall, every},
			{[]int{others[0], are[1], are[0]}, Usual, Usual, are[:2]}, {others[:1], Even, Even, nil},
		} {
			q := Question{For: []int{c}, Against: test.against, Versus: test.versus}
			v := e.Evidence(q)
			assert.Equal(t, test.want, v.Versus, "%v", q)
			assert.Equal(t, v, e.Evidence(v.Question), "the question that is answered has this answer")
			for _, w := range e.weighted(q) {
				got := e.baseline(w, q)
				switch {
				case test.want == Even:
					assert.Equal(t, e.headOutputs(w.class, BlurPatches).blurred, got)
				case w.against:
					assert.InDeltaSlice(t, usual(w.class, w.class), got, 2e-3, "half precision")
				default:
					assert.InDeltaSlice(t, usual(c, test.from...), got, 2e-3, "%v", q)
				}
			}
		}
	}

	mixed := 0
	for c := range classes { // of two classes in For, one of which has no look-alike in Against
		are, _ := alike(c)
		for o := range c {
			if _, others := alike(o); slices.Contains(others, are[0]) {
				mixed++
				assert.Equal(t, Overall, e.Evidence(Question{For: []int{c, o}, Against: are[:1]}).Versus)
			}
		}
	}
	assert.Positive(t, mixed)
}

// A prompt of Against is one whatever its weight, and the classes are checked in order.
func TestEvidenceOfUnlikelyClasses(t *testing.T) {
	g := openGolden(t, "dino")
	m := g.model()
	referred(t, m, g)
	e := m.explain(g.images.Value.Slice(0, 0, 1).Contig())
	e.Scores[3] = -1e30
	rows := e.weighted(Question{For: []int{0}, Against: []int{1, 3}})
	require.Len(t, rows, 3)
	i := slices.IndexFunc(rows, func(w row) bool { return w.class == 3 })
	assert.Zero(t, rows[i].weight)
	assert.Equal(t, m.Reference.reading(3, 3), e.baseline(rows[i], Question{For: []int{0}, Against: []int{1, 3}}))
	for range 9 {
		assert.PanicsWithValue(t, "promptcam: Evidence: class 77 for [77] against [88]: want classes from 0 to 4, each once", func() { e.Evidence(Between(77, 88)) })
	}
}

func TestEvidenceRefusesClasses(t *testing.T) {
	g := openGolden(t, "dino")
	e := g.model().explain(g.images.Value.Slice(0, 0, 1).Contig())
	for _, q := range []Question{{}, Between(1, 1), Between(-1, 0), Between(0, 99), {For: []int{1, 1}}} {
		assert.Panics(t, func() { e.Evidence(q) })
		assert.Panics(t, func() { e.LeaveOneOut(q, ByOthers) })
	}
	assert.Panics(t, func() { e.LeaveOneOut(Between(0, 1), Substitute(9)) })
}
