package promptcam

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/promptcam/promptcam/autograd"
	"github.com/promptcam/promptcam/tensor"
	"github.com/promptcam/promptcam/vit/heat"
)

// Question asks what in an image decides for some classes and against others, such as for the predicted class
// and against its look-alike. [Between] asks about two.
type Question struct {
	For     []int // the classes, at least one; their weights are the softmax of their scores among each other
	Against []int // likewise, of no class in For; none: any class, so that For's own prompts alone count
	Versus  Baseline
}

// Between asks what decides for class c and against class o.
func Between(c, o int) Question { return Question{For: []int{c}, Against: []int{o}} }

// LookAlike returns the class that c is most easily taken for: its nearest look-alike by the model's Reference or,
// without one, that with the highest score of the others in this image.
func (e *Explanation) LookAlike(c int) int {
	if ref := e.model.Reference; ref != nil {
		return ref.LookAlikes[c][0].Class
	}
	best := e.Top(2)
	if best[0] == c {
		return best[1]
	}
	return best[0]
}

// Question is the one to answer first: what decides for the predicted class, and against its look-alike.
func (e *Explanation) Question() Question {
	c := e.Predicted()
	return Between(c, e.LookAlike(c))
}

// Baseline is what the readings of a prompt are compared with.
type Baseline int

const (
	// Usual compares a prompt of For with what it usually reads in images of the class against which the evidence
	// is, and one of Against with what it usually reads in images of its own class: Model.Reference. It shows what
	// tells this image from those. The Reference knows the readings of a class's prompt in images of its look-alikes
	// alone: of several classes in Against those that are look-alikes count, and where one of For has none there, it
	// is Overall. Without a Reference it is Even.
	Usual Baseline = iota
	// Even compares with the mean of this image's patches, which BlurPatches makes a head read. It shows what
	// the scores rest on, which the look-alike may share.
	Even
	// Overall is Usual, but compares a prompt of For with what it usually reads in images of any class. Without a
	// Reference it is Even.
	Overall
)

// String returns the Baseline's name: "usual", "even" or "overall".
func (b Baseline) String() string { return [...]string{"usual", "even", "overall"}[b] }

// Evidence says, signed, how much each patch decides for a Question's classes For (positive) and Against
// (negative), by each head of their prompts. A prompt of For counts by what it finds, one of Against by what it
// fails to find.
//
// The last block adds what a prompt's heads read, y, to the prompt, and the rest of the network, a function of y
// alone, makes its score s(y). From its baseline r on a straight line to y, the score gains s(y) - s(r), and the
// gain is the sum over heads h and keys j of
//
//	a[h,j] · <g[h], v[h,j] - r[h]>
//
// where a is the attention, v are the values and g is the mean gradient of s on the line: integrated gradients
// (Sundararajan et al., arXiv 1703.01365) of what the prompt reads. Evidence is that of each prompt of For less
// that of each of Against, by their weights.
type Evidence struct {
	Question // the one that is answered: its Versus is the Baseline that there is for it

	// Margin is the weighted sum of the scores of For less that of Against, and Baseline what it would be if
	// each prompt read its baseline. All evidence, of patches and of other keys, sums to their difference.
	Margin, Baseline float64

	Heads []HeadEvidence // of all prompts, the strongest for For first
}

// HeadEvidence is the part of an Evidence that is due to one head of one class's prompt.
type HeadEvidence struct {
	Class, Head int
	Map         heat.Map // over the patches, signed
	Sum         float64  // of the Map
	Rest        float64  // the evidence of prompts, class token and registers, 0 with PatchesOnly
}

// Evidence answers q. It takes no forward pass of the backbone, but ten rows for each class through the end of
// the last block, forward and backward: together 1 to 2 % of a forward pass for two classes. It panics without a
// class in For, and for one that does not exist or occurs twice.
func (e *Explanation) Evidence(q Question) *Evidence {
	rows := e.weighted(q)
	q.Versus = e.versus(q)
	all := &Evidence{Question: q}
	for _, w := range rows {
		l := e.line(w.class, e.baseline(w, q))
		all.Baseline += w.weight * l.ends[0]
		all.Margin += w.weight * l.ends[1]
		for h := range e.Heads() {
			all.Heads = append(all.Heads, e.headEvidence(w, h, l))
		}
	}
	slices.SortStableFunc(all.Heads, func(a, b HeadEvidence) int { return cmp.Compare(b.Sum, a.Sum) })
	return all
}

// Map is the evidence of each patch, the sum over all heads.
func (v *Evidence) Map() heat.Map {
	first := v.Heads[0].Map
	sum := heat.Map{W: first.W, H: first.H, Values: make([]float32, len(first.Values))}
	for _, h := range v.Heads {
		add(sum.Values, h.Map.Values, 1)
	}
	return sum
}

// Sum is all evidence: of the patches, and the rest.
func (v *Evidence) Sum() (patches, rest float64) {
	for _, h := range v.Heads {
		patches, rest = patches+h.Sum, rest+h.Rest
	}
	return patches, rest
}

// Error is by how much the evidence misses its sum, Margin - Baseline, relative to the sum of the absolute
// values of all evidence: rounding, and the few points at which the gradient is taken. It is below 1e-4.
func (v *Evidence) Error() float64 {
	var sum, size float64
	for _, h := range v.Heads {
		for _, x := range h.Map.Values {
			sum, size = sum+float64(x), size+math.Abs(float64(x))
		}
		sum, size = sum+h.Rest, size+math.Abs(h.Rest)
	}
	if size == 0 {
		return 0
	}
	return math.Abs(sum-(v.Margin-v.Baseline)) / size
}

// row is a class's prompt in a Question.
type row struct {
	class   int
	weight  float64 // negative for one of Against
	against bool
}

// weighted returns the prompts that q asks about.
func (e *Explanation) weighted(q Question) (rows []row) {
	if len(q.For) == 0 {
		panic("promptcam: Evidence: for no class")
	}
	seen := map[int]bool{}
	for side, classes := range [2][]int{q.For, q.Against} {
		scores := make([]float32, len(classes))
		for i, c := range classes {
			if c < 0 || c >= len(e.Scores) || seen[c] {
				panic(fmt.Sprintf("promptcam: Evidence: class %d for %v against %v: want classes from 0 to %d, each once", c, q.For, q.Against, len(e.Scores)-1))
			}
			seen[c], scores[i] = true, e.Scores[c]
		}
		if len(classes) == 0 {
			continue
		}
		for i, p := range softmax(scores) {
			rows = append(rows, row{classes[i], [2]float64{1, -1}[side] * p, side == 1})
		}
	}
	slices.SortStableFunc(rows, func(a, b row) int { return cmp.Compare(b.weight, a.weight) })
	return rows
}

// versus returns the Baseline that there is for q.
func (e *Explanation) versus(q Question) Baseline {
	ref := e.model.Reference
	known := func(c int) bool {
		return slices.ContainsFunc(q.Against, func(o int) bool { return ref.rank(c, o) >= 0 })
	}
	switch {
	case ref == nil:
		return Even
	case q.Versus == Usual && slices.ContainsFunc(q.For, func(c int) bool { return !known(c) }):
		return Overall
	}
	return q.Versus
}

// baseline returns the reading [D] that a prompt's is compared with.
func (e *Explanation) baseline(w row, q Question) []float32 {
	ref, versus := e.model.Reference, e.versus(q)
	switch {
	case versus == Even:
		return e.headOutputs(w.class, BlurPatches).blurred
	case w.against: // what it finds where its class is
		return ref.reading(w.class, w.class)
	case versus == Overall:
		return ref.reading(w.class, -1)
	}
	mean := make([]float32, e.values.Dim(1))
	n := 0
	for _, o := range q.Against {
		if ref.rank(w.class, o) >= 0 {
			add(mean, ref.reading(w.class, o), 1)
			n++
		}
	}
	for i := range mean {
		mean[i] /= float32(n)
	}
	return mean
}

// reading returns what class c's prompt reads in the image: the outputs of its heads, [D].
func (e *Explanation) reading(c int) []float32 { return e.headOutputs(c, BlurPatches).sharp }

// legendre are the points and weights of Gauss-Legendre quadrature on [0, 1] with eight points (Abramowitz and
// Stegun, Handbook of Mathematical Functions, table 25.4, whose interval is [-1, 1]).
var legendre = func() (nodes [8][2]float64) {
	for i, n := range [4][2]float64{
		{0.183434642495650, 0.362683783378362}, {0.525532409916329, 0.313706645877887},
		{0.796666477413627, 0.222381034453374}, {0.960289856497536, 0.101228536290376},
	} {
		nodes[2*i] = [2]float64{(1 - n[0]) / 2, n[1] / 2}
		nodes[2*i+1] = [2]float64{(1 + n[0]) / 2, n[1] / 2}
	}
	return nodes
}()

// line is the straight line between a baseline reading of class c's prompt and its reading of the image, both [D].
type line struct {
	from, to []float32
	ends     [2]float64 // the scores there
	gradient []float64  // [D], the mean of the score's
}

// missed is how far line.gradient may miss the difference of the scores, relative to the sum of its absolute
// terms.
const missed = 1e-5

// line integrates the gradient from a baseline reading of class c's prompt to its reading of the image. Where
// eight points do not do, the line is halved, up to 32 parts.
func (e *Explanation) line(c int, from []float32) *line {
	l := &line{from: from, to: e.reading(c)}
	for parts := 1; ; parts *= 2 {
		e.integrate(c, l, parts)
		var sum, size float64
		for i, g := range l.gradient {
			term := g * float64(l.to[i]-l.from[i])
			sum, size = sum+term, size+math.Abs(term)
		}
		if math.Abs(sum-(l.ends[1]-l.ends[0])) <= missed*size || parts == 32 {
			return l
		}
	}
}

// integrate takes the gradient at eight points in each of so many parts of the line.
func (e *Explanation) integrate(c int, l *line, parts int) {
	d, n := len(l.from), parts*len(legendre)
	points := tensor.New(1, n+2, d) // those inside, then the ends
	weights := tensor.New(1, n+2)
	for p := range parts {
		for i, node := range legendre {
			k := p*len(legendre) + i
			at := float32((float64(p) + node[0]) / float64(parts))
			for j, from := range l.from {
				points.Data()[k*d+j] = from + at*(l.to[j]-from)
			}
			weights.Data()[k] = float32(node[1]) / float32(parts)
		}
	}
	copy(points.Data()[n*d:], l.from)
	copy(points.Data()[(n+1)*d:], l.to)

	tape := e.model.tape(context.Background())
	tape.NoGrad = false
	defer func() {
		tape.NoGrad = true
		e.model.done(tape)
	}()
	read := &autograd.Param{Value: points}
	z := tape.Const(e.z.Slice(0, c, c+1))                               // [1, D]
	scores := e.model.score(e.model.last.Complete(z, tape.Param(read))) // [1, n+2]
	l.ends = [2]float64{float64(scores.Value().Data()[n]), float64(scores.Value().Data()[n+1])}
	mean := autograd.Reshape(autograd.Linear(scores, tape.Const(weights), nil))
	grads := tape.Backward(mean)[read].Data() // [1, n+2, D], weighted
	l.gradient = make([]float64, d)
	for i, g := range grads[:n*d] {
		l.gradient[i%d] += float64(g)
	}
}

// headEvidence returns the evidence of head h of a prompt.
func (e *Explanation) headEvidence(w row, h int, l *line) HeadEvidence {
	d := e.values.Dim(1)
	from, to := h*d/e.Heads(), (h+1)*d/e.Heads()
	attn := e.attn.Select(0, h).Select(0, w.class).Data() // [columns]
	values := e.values.Data()
	all := make([]float32, len(attn))
	for j, a := range attn {
		var dot float64
		for i := from; i < to; i++ {
			dot += l.gradient[i] * float64(values[j*d+i]-l.from[i])
		}
		all[j] = float32(w.weight * float64(a) * dot)
	}
	v := HeadEvidence{Class: w.class, Head: h, Map: e.model.heat(all)}
	for j, x := range all {
		if j < len(all)-len(v.Map.Values) {
			v.Rest += float64(x)
		} else {
			v.Sum += float64(x)
		}
	}
	return v
}
