package promptcam

import (
	"context"
	"fmt"
	"slices"

	"github.com/promptcam/promptcam/autograd"
	"github.com/promptcam/promptcam/nn"
	"github.com/promptcam/promptcam/tensor"
	"github.com/promptcam/promptcam/vit"
)

// Blur says how a blurred head spreads its attention.
type Blur int

const (
	// BlurPatches spreads it evenly over the patches, as in the paper.
	BlurPatches Blur = iota
	// BlurAll spreads it evenly over all keys, prompts and class token too, as the authors' code does by
	// setting the logits to zero.
	BlurAll
)

// Survives reports whether class is predicted, and is so even with every head of its prompt blurred, each of its maps
// replaced by a uniform one. No map explains such a prediction: the prompt's own vector, which is added to what
// the heads read, is enough for it. It takes no forward pass and panics if class or blur does not exist.
func (e *Explanation) Survives(class int, blur Blur) bool {
	every := slices.Repeat([]bool{true}, e.Heads())
	score := e.blurred(class, e.headOutputs(class, blur), [][]bool{every})[0]
	return e.wins(class, e.Scores[class]) && e.wins(class, score)
}

// wins reports whether class would be predicted with this score; as in Predicted, the first of equals is.
func (e *Explanation) wins(class int, score float32) bool {
	for c, s := range e.Scores {
		if s > score && c != class || s == score && c < class {
			return false
		}
	}
	return true
}

// blurred returns the score of a class for each choice of heads to blur, H truth values each. The other classes'
// scores stay as they are.
func (e *Explanation) blurred(class int, heads headOutputs, choices [][]bool) []float32 {
	d := len(heads.sharp)
	width := d / e.Heads()
	rows := tensor.New(1, len(choices), d)
	for i, choice := range choices {
		row := rows.Data()[i*d:][:d]
		copy(row, heads.sharp)
		for h, b := range choice {
			if b {
				copy(row[h*width:][:width], heads.blurred[h*width:])
			}
		}
	}
	return e.scoresOf(class, rows)
}

// headOutputs is the attention output [D] of a class prompt, all heads side by side: as they are, and all
// blurred.
type headOutputs struct{ sharp, blurred []float32 }

func (e *Explanation) headOutputs(class int, blur Blur) headOutputs {
	e.mustHave(class, blur)
	n, columns, d := e.attn.Dim(0), e.attn.Dim(2), e.values.Dim(1)
	from := 0
	if blur == BlurPatches {
		from = columns - e.model.patches()
	}
	even := tensor.New(1, columns)
	even.Slice(1, from, columns).Fill(1 / float32(columns-from))
	heads := headOutputs{blurred: even.MatMul(e.values).Data()}
	for h := range n {
		attn := e.attn.Select(0, h).Slice(0, class, class+1) // [1, columns]
		heads.sharp = append(heads.sharp, attn.MatMul(e.values.Slice(1, h*d/n, (h+1)*d/n)).Data()...)
	}
	return heads
}

// mustHave panics unless class and blur exist.
func (e *Explanation) mustHave(class int, blur Blur) {
	if class < 0 || class >= len(e.Scores) {
		panic(fmt.Sprintf("promptcam: class %d, want 0 to %d", class, len(e.Scores)-1))
	}
	if blur != BlurPatches && blur != BlurAll {
		panic(fmt.Sprintf("promptcam: blur %d is unknown", blur))
	}
}

// choice reports whether subset i of the heads has a head blurred.
type choice func(i, head int) bool

// atOnce is how many subsets are scored at a time: of a ViT-B their hidden layer takes 6 MB.
const atOnce = 512

// subsetScores is blurred, to about 1e-6, for n subsets of the heads; for large n in half the time.
//
// Up to the activation of the MLP, a row is linear in which heads are blurred, but for its standard deviation. Let parts
// [1+H, D] hold what leaves the attention branch with no head blurred and, below it, what blurring each head adds. Let
// c [1+H] be 1, then 1 for each blurred head and 0 for the others. With the norm's weight and bias,
//
//	x            = c·parts
//	fc1(norm(x)) = c/deviation(x)·(weight∘(parts - their means))·w₁ᵀ + fc1(bias)
//
// so the projection and fc1 are applied to about H rows instead of n.
func (e *Explanation) subsetScores(class int, blur Blur, n int, blurred choice) []float64 {
	m, block, norm, heads := e.model, e.model.last, e.model.last.Norm2, e.Heads()
	tape := m.tape(context.Background())
	defer m.done(tape)
	parts := e.parts(tape, class, blur) // [1+H, D]
	mlp := nn.MLP{FC1: folded(tape, norm, block.MLP.FC1, parts), FC2: block.MLP.FC2, Act: block.MLP.Act}
	most := min(atOnce, n)
	choices, normed, stats := tensor.New(most, 1+heads), tensor.New(most, parts.Dim(1)), tensor.New(most, 2)
	scores := make([]float64, 0, n)
	for len(scores) < n {
		f, from := tape.Frame(), len(scores)
		rows := min(atOnce, n-from)
		c, normed, stats := choices.Slice(0, 0, rows), normed.Slice(0, 0, rows), stats.Slice(0, 0, rows)
		for i := range rows {
			row := c.Data()[i*(1+heads):][:1+heads]
			clear(row)
			row[0] = 1
			for h := range heads {
				if blurred(from+i, h) {
					row[1+h] = 1
				}
			}
		}
		x := autograd.Combine(c, tape.Const(parts)) // [rows, D]
		tensor.LayerNormTo(normed, stats, x.Value(), norm.Weight.Value, norm.Bias.Value, norm.Eps)
		tensor.MulTo(c, c, stats.Slice(1, 1, 2))                         // the second is 1/deviation
		z := mlp.ForwardAdd(residual(tape, x, block.LS2), tape.Const(c)) // [rows, D]
		for _, score := range f.Keep(m.score(autograd.Reshape(z, 1, rows, -1))).Value().Data() {
			scores = append(scores, float64(score))
		}
	}
	return scores
}

// parts returns the rows [1+H, D] that subsetScores adds up.
func (e *Explanation) parts(tape *autograd.Tape, class int, blur Blur) *tensor.Tensor {
	heads, n := e.headOutputs(class, blur), e.Heads()
	d := len(heads.sharp)
	changes := tensor.New(n, d)
	for i, sharp := range heads.sharp {
		h := i * n / d
		changes.Data()[h*d+i] = heads.blurred[i] - sharp
	}
	proj, scale := e.model.last.Attn.Proj, e.model.last.LS1
	z, sharp := tape.Const(e.z.Slice(0, class, class+1)), tape.Const(tensor.FromSlice(heads.sharp, 1, d))
	parts := tensor.New(1+n, d)
	tensor.CopyTo(parts.Slice(0, 0, 1), proj.ForwardAdd(residual(tape, z, scale), sharp).Value())
	tensor.CopyTo(parts.Slice(0, 1, 1+n), withoutBias(proj).ForwardAdd(residual(tape, nil, scale), tape.Const(changes)).Value())
	return parts
}

// folded returns the layer that gives fc1(norm(x)) for c/deviation(x) [..., 1+H].
func folded(tape *autograd.Tape, norm *nn.LayerNorm, fc1 *nn.Linear, parts *tensor.Tensor) *nn.Linear {
	d := parts.Dim(1)
	centred := parts.Clone()
	for row := range slices.Chunk(centred.Data(), d) {
		var mean float64
		for _, v := range row {
			mean += float64(v) / float64(d)
		}
		for j, v := range row {
			row[j] = norm.Weight.Value.Data()[j] * float32(float64(v)-mean)
		}
	}
	weight := withoutBias(fc1).Forward(tape.Const(centred)).Value()        // [1+H, hidden]
	bias := fc1.Forward(tape.Const(norm.Bias.Value.Reshape(1, d))).Value() // [1, hidden]
	return &nn.Linear{
		Weight: &autograd.Param{Value: weight.Transpose().Clone(), Frozen: true},
		Bias:   &autograd.Param{Value: bias.Reshape(-1).Clone(), Frozen: true},
	}
}

func withoutBias(l *nn.Linear) *nn.Linear { return &nn.Linear{Weight: l.Weight, Adapter: l.Adapter} }

// residual returns what a branch with this scale, which may be nil, is added to.
func residual(tape *autograd.Tape, x *autograd.Var, scale *vit.LayerScale) autograd.Residual {
	if scale == nil {
		return autograd.Residual{X: x}
	}
	return autograd.Residual{X: x, Scale: tape.Param(scale.Gamma)}
}
