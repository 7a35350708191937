package promptcam

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/promptcam/promptcam/autograd"
	"github.com/promptcam/promptcam/tensor"
)

// Counterfactual is a smallest change of an image that changes its prediction: the fewest patches that, were they
// to show something else, would make it another class.
type Counterfactual struct {
	Question
	Patches       []int     // row-major from 0, the strongest evidence first
	From          []int     // the patch of the donor that takes the place of each; nil without a donor
	Before, After []float32 // scores [C], of the image as it is and with Patches changed

	// Flips reports whether the class with the highest score of all is no longer one of For. If it still is, no
	// such change was found; of the largest sets of patches that were tried, Patches comes closest.
	Flips bool
}

// Winner returns the class with the highest score after the change.
func (c *Counterfactual) Winner() int { return top(c.After, 1)[0] }

// Counterfactual searches for the fewest patches that flip the prediction from q's classes For if the prompts of
// For and Against read their baselines there, as in ScoresReplaced: by Usual, what these prompts read in images of
// Against. Any class may win then. If the prediction is not of For, no patch is needed. The result's Versus is that of
// Evidence.
//
// Candidates are the patches with positive Evidence, the strongest first. Of the first twelve, all sets of one,
// then two, then three patches are tried; the set that flips the prediction most clearly is returned. If none does,
// the first four candidates are taken together, then five, and so on until the prediction flips; then those that
// are not needed are left out again, the weakest first. So no smaller set of the twelve strongest does what one of
// up to four does, and none can be left out of a larger one. No set of more than most patches is tried.
//
// It takes no forward pass of the backbone but, where three patches are not enough, some 300 rows for each class of
// q through the end of the last block. It panics as Evidence does, and if most is below 1.
func (e *Explanation) Counterfactual(q Question, most int) *Counterfactual {
	return fewest(e.counterfactual(q, most), e.Evidence(q).Map().Strongest(e.model.patches()), most, func(sets [][]int) [][]float32 {
		return e.replaced(q, sets)
	})
}

// CounterfactualFrom is Counterfactual with patches of another image, the donor, in place of baselines, as in
// ScoresTransplanted: a photograph of a class in Against. What speaks for For is exchanged for what speaks for
// Against there: the patch of the image with the strongest evidence gets the donor's with the strongest for
// Against and against For, the second the second, and so on, as long as both have such patches.
//
// For speed, the search takes only the classes of q and the three others with the highest scores for possible
// winners, so it may miss a flip to another class. It takes up to some ten times as long as Counterfactual, as all
// these prompts attend anew. It panics as Counterfactual does, without a class in Against, and for a donor of another
// model.
func (e *Explanation) CounterfactualFrom(donor *Explanation, q Question, most int) *Counterfactual {
	if len(q.Against) == 0 {
		panic("promptcam: CounterfactualFrom: against no class")
	}
	to := e.Evidence(q).Map().Strongest(e.model.patches())
	from := donor.Evidence(Question{For: q.Against, Against: q.For, Versus: q.Versus}).Map().Strongest(e.model.patches())
	source := map[int]int{}
	for i, j := range to[:min(len(to), len(from))] {
		source[j] = from[i]
	}
	sources := func(set []int) []int {
		from := make([]int, len(set))
		for i, j := range set {
			from[i] = source[j]
		}
		return from
	}
	contenders := slices.Concat(q.For, q.Against)
	for _, c := range e.Top(len(contenders) + otherWinners) {
		if len(contenders) < len(q.For)+len(q.Against)+otherWinners && !slices.Contains(contenders, c) {
			contenders = append(contenders, c)
		}
	}
	t := e.transplants(donor)
	found := fewest(e.counterfactual(q, most), to[:len(source)], most, func(sets [][]int) [][]float32 {
		from := make([][]int, len(sets))
		for i, set := range sets {
			from[i] = sources(set)
		}
		return t.scores(contenders, sets, from)
	})
	if found.From = sources(found.Patches); len(found.From) > 0 {
		found.After = t.scores(nil, [][]int{found.Patches}, [][]int{found.From})[0]
		found.Flips = !slices.Contains(q.For, found.Winner())
	}
	return found
}

// ScoresReplaced returns the scores [C] of all classes if the prompts of q's classes read their baselines at these
// patches: in the last block attention stays as it is, and each head finds the baseline there instead of the
// patch's value. For one patch this is LeaveOneOut by ByBaseline. Scores of classes that q does not name stay. It
// takes a row for each class of q through the end of the last block. It panics as Evidence does, and for patches
// that do not exist or occur twice.
func (e *Explanation) ScoresReplaced(q Question, patches []int) []float32 {
	e.model.checkPatches("ScoresReplaced", patches)
	return e.replaced(q, [][]int{patches})[0]
}

// replaced returns ScoresReplaced for each of several sets of patches.
func (e *Explanation) replaced(q Question, sets [][]int) [][]float32 {
	all := make([][]float32, len(sets))
	for i := range all {
		all[i] = slices.Clone(e.Scores)
	}
	d, heads, first := e.values.Dim(1), e.Heads(), e.values.Dim(0)-e.model.patches()
	for _, w := range e.weighted(q) {
		read, instead := e.reading(w.class), e.baseline(w, q)
		rows := tensor.New(1, len(sets), d)
		for i, set := range sets {
			row := rows.Data()[i*d:][:d]
			copy(row, read)
			for _, j := range set {
				value := e.values.Data()[(first+j)*d:][:d]
				for h := range heads {
					a := e.attn.Select(0, h).Select(0, w.class).Data()[first+j]
					for k := h * d / heads; k < (h+1)*d/heads; k++ {
						row[k] += a * (instead[k] - value[k])
					}
				}
			}
		}
		for i, s := range e.scoresOf(w.class, rows) {
			if len(sets[i]) > 0 { // else the very score, without rounding
				all[i][w.class] = s
			}
		}
	}
	return all
}

// ScoresTransplanted returns the scores [C] of all classes if the tokens of patches to, as they enter the last
// block, were those of the donor's patches from, one by one. Keys change with values, so attention is computed
// anew. Other tokens stay, with what they took from these patches in earlier blocks; so do class prompts. It runs
// the blocks from Model.Layer on again or, with class-agnostic prompts, the whole backbone, for both images, and
// the last block for all prompts. It panics for a donor of another model, if the lists differ in length, for
// patches that do not exist, and for those in to that occur twice.
func (e *Explanation) ScoresTransplanted(donor *Explanation, to, from []int) []float32 {
	e.model.checkPatches("ScoresTransplanted", to)
	for _, j := range from {
		e.model.checkPatches("ScoresTransplanted", []int{j})
	}
	if len(to) != len(from) {
		panic(fmt.Sprintf("promptcam: ScoresTransplanted: %d patches in the place of %d", len(from), len(to)))
	}
	return e.transplants(donor).scores(nil, [][]int{to}, [][]int{from})[0]
}

// transplants are an image and a donor at the last block.
type transplants struct {
	*Explanation
	queries *tensor.Tensor // [C, D], of the class prompts
	see     []tensor.KV    // what lastLayer.kv has, [rows, D]; the last end with the patches
	donor   tensor.KV      // likewise the last of the donor's
}

func (e *Explanation) transplants(donor *Explanation) *transplants {
	m := e.model
	if donor.model != m {
		panic("promptcam: ScoresTransplanted: the donor is another model's explanation")
	}
	tape := m.tape(context.Background())
	defer m.done(tape)
	of := func(kv autograd.KV) tensor.KV {
		return tensor.KV{K: ofImage(kv.K.Value(), 0).Clone(), V: ofImage(kv.V.Value(), 0).Clone()}
	}
	own, other := m.enter(e.entering(tape)), m.enter(donor.entering(tape))
	t := &transplants{Explanation: e, queries: ofImage(own.q.Value(), 0).Clone(), donor: of(other.kv[len(other.kv)-1])}
	for _, kv := range own.kv {
		t.see = append(t.see, of(kv))
	}
	return t
}

// transplantBatch is how many images are scored at once.
const transplantBatch = 16

// scores returns the scores [C] of some classes, nil for all, for each of several transplants: of the donor's
// patches from[i] in the place of to[i]. Those of other classes are -∞.
func (t *transplants) scores(classes []int, to, from [][]int) (all [][]float32) {
	m := t.model
	if classes == nil {
		for c := range t.Scores {
			classes = append(classes, c)
		}
	}
	z, queries := rowsOf(t.z, classes), rowsOf(t.queries, classes) // [classes, D]
	tape := m.tape(context.Background())
	defer m.done(tape)
	for len(to) > 0 {
		n := min(transplantBatch, len(to))
		mixed := func(own, donor *tensor.Tensor) *autograd.Var {
			rows, d := own.Dim(0), own.Dim(1)
			mixed := own.Reshape(1, rows, d).Expand(n, rows, d).Clone() // [n, rows, D]
			for i := range n {
				for k, j := range to[i] {
					first := rows - m.patches()
					copy(mixed.Select(0, i).Select(0, first+j).Data(), donor.Select(0, first+from[i][k]).Data())
				}
			}
			return tape.Const(mixed)
		}
		var see []autograd.KV
		last := len(t.see) - 1
		for _, kv := range t.see[:last] {
			see = append(see, autograd.KV{K: tape.Const(kv.K), V: tape.Const(kv.V)})
		}
		see = append(see, autograd.KV{K: mixed(t.see[last].K, t.donor.K), V: mixed(t.see[last].V, t.donor.V)})
		scores := m.score(m.last.Update(tape.Const(z), tape.Const(queries), see...)).Value() // [n, classes]
		for i := range n {
			of := slices.Repeat([]float32{float32(math.Inf(-1))}, len(t.Scores))
			for k, c := range classes {
				of[c] = scores.At(i, k)
			}
			all = append(all, of)
		}
		to, from = to[n:], from[n:]
		tape.Reset()
	}
	return all
}

// rowsOf returns some rows of x [R, D].
func rowsOf(x *tensor.Tensor, rows []int) *tensor.Tensor {
	some := tensor.New(len(rows), x.Dim(1))
	for i, r := range rows {
		copy(some.Select(0, i).Data(), x.Select(0, r).Data())
	}
	return some
}

const (
	smallSet        = 3  // patches in the largest sets that are all tried
	searchedPatches = 12 // patches of which these are: 298 sets
	otherWinners    = 3  // other classes that CounterfactualFrom thinks may win
)

// counterfactual returns the change of no patches.
func (e *Explanation) counterfactual(q Question, most int) *Counterfactual {
	if most < 1 {
		panic(fmt.Sprintf("promptcam: Counterfactual: of at most %d patches, want at least 1", most))
	}
	q.Versus = e.versus(q)
	return &Counterfactual{Question: q, Before: slices.Clone(e.Scores), After: slices.Clone(e.Scores), Flips: !slices.Contains(q.For, e.Predicted())}
}

// fewest searches for a smallest set of at most so many of the patches, the strongest first, with which the scores
// flip the prediction. It begins with found, the change of none.
func fewest(found *Counterfactual, patches []int, most int, scores func(sets [][]int) [][]float32) *Counterfactual {
	// try returns the set, of several, that flips the prediction most clearly or, if none does, comes closest.
	try := func(sets ...[]int) *Counterfactual {
		best, least := *found, math.Inf(1)
		for i, after := range scores(sets) {
			if l := lead(after, found.For); i == 0 || l < least {
				least, best.Patches, best.After = l, sets[i], after
			}
		}
		best.Flips = !slices.Contains(found.For, best.Winner())
		return &best
	}
	few := patches[:min(searchedPatches, len(patches))]
	for n := 1; n <= min(smallSet, most, len(few)) && !found.Flips; n++ {
		found = try(subsets(few, n)...)
	}
	for n := smallSet + 1; n <= min(most, len(patches)) && !found.Flips; n++ {
		found = try(patches[:n])
	}
	if !found.Flips {
		return found
	}
	for i := len(found.Patches) - 1; i >= 0 && len(found.Patches) > smallSet; i-- {
		if without := try(slices.Delete(slices.Clone(found.Patches), i, i+1)); without.Flips {
			found, i = without, len(without.Patches) // from the weakest again
		}
	}
	return found
}

// lead is by how much the highest score of some classes is above that of the others.
func lead(scores []float32, classes []int) float64 {
	in, out := math.Inf(-1), math.Inf(-1)
	for c, s := range scores {
		if slices.Contains(classes, c) {
			in = max(in, float64(s))
		} else {
			out = max(out, float64(s))
		}
	}
	return in - out
}

// subsets returns the sets of n of the items, each in their order.
func subsets(items []int, n int) (sets [][]int) {
	if n == 0 {
		return [][]int{nil}
	}
	for i, item := range items {
		for _, rest := range subsets(items[i+1:], n-1) {
			sets = append(sets, append([]int{item}, rest...))
		}
	}
	return sets
}

// checkPatches panics unless m has the patches and each occurs once.
func (m *Model) checkPatches(method string, patches []int) {
	seen := map[int]bool{}
	for _, j := range patches {
		if j < 0 || j >= m.patches() || seen[j] {
			panic(fmt.Sprintf("promptcam: %s: patches %v: want each once, from 0 to %d", method, patches, m.patches()-1))
		}
		seen[j] = true
	}
}
