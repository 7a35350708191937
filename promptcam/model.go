package promptcam

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"

	"github.com/promptcam/promptcam/autograd"
	"github.com/promptcam/promptcam/data"
	"github.com/promptcam/promptcam/nn"
	"github.com/promptcam/promptcam/tensor"
	"github.com/promptcam/promptcam/vit"
)

// Model is a Prompt-CAM (Chowdhury et al., CVPR 2025, arXiv 2501.09333): a
// frozen vision transformer, prompts, and one score vector that all classes
// share. Since it is shared, a class can only win by where its prompt looks.
type Model struct {
	Config    Config
	Backbone  *vit.Model     // frozen, not part of the state; has Config.DropPath
	Classes   []string       // names, in the order of the prompts; New numbers them from "1"
	Transform data.Transform // of photographs to classify and explain; New sets data.EvalTransform

	Agnostic []*autograd.Param `state:"agnostic"` // [P, D] for each layer before the class prompts'
	Class    *autograd.Param   `state:"class"`    // [C, D]
	Head     *nn.Linear        `state:"head"`     // [1, D]
	Adapters *Adapters         `state:"lora"`     // nil without Config.Rank

	last  *vit.Block // the backbone's last block, with the adapters if any
	first int        // layer at which class prompts enter
	tapes sync.Pool
}

// New returns an untrained Prompt-CAM on backbone b, which it freezes. Other models may share b, also while they
// are in use. Prompts start as the authors' do: evenly from
// ±sqrt(6 / (3P² + D)), P the patch size. With a ViT-Ti/16, mode Deep and 30
// agnostic prompts, that is right for 15 % of held-out training images of 100 CUB
// classes after one epoch; a start ten times as large, for 3 %.
func New(b *vit.Model, c Config, rng *rand.Rand) (*Model, error) {
	m, err := newModel(b, c)
	if err != nil {
		return nil, err
	}
	p, d := float64(b.Config.PatchSize), float64(b.Config.Dim)
	limit := math.Sqrt(6 / (3*p*p + d))
	for _, a := range m.Agnostic {
		nn.Uniform(rng, a.Value, limit)
	}
	nn.Uniform(rng, m.Class.Value, limit)
	nn.KaimingUniform(rng, m.Head.Weight.Value, m.Head.Bias.Value)
	if m.Adapters != nil {
		m.Adapters.initialize(rng)
	}
	return m, nil
}

// newModel is New with parameters of zero.
func newModel(b *vit.Model, c Config) (*Model, error) {
	if err := c.Validate(b.Config.Depth); err != nil {
		return nil, err
	}
	if d := b.Config.Dim; c.Rank > d {
		return nil, fmt.Errorf("promptcam: adapters of rank %d, want at most the backbone's width, %d", c.Rank, d)
	}
	if c.Rank > 0 && c.RankScale == 0 {
		c.RankScale = newScale
	}
	first, _ := c.Mode.first(b.Config.Depth)
	if w := b.Config.Window; w > 0 && (first < b.Config.Depth-1 || c.Agnostic > 0) {
		return nil, fmt.Errorf("promptcam: mode %s with %d class-agnostic prompts: the backbone's blocks see windows of %dx%[3]d patches, and prompts can enter the last alone: want mode last", c.Mode, c.Agnostic, w)
	}
	nn.Freeze(b)
	return parameters(withDropPath(b, c.DropPath), c, first), nil
}

// withDropPath returns a copy of b that shares its parameters, whose blocks' DropPath rises evenly
// from 0 to that of the last.
func withDropPath(b *vit.Model, last float32) *vit.Model {
	own := *b
	own.Blocks = slices.Clone(b.Blocks)
	for i, block := range b.Blocks {
		if rate := nn.DropPath(last * float32(i) / float32(max(1, len(b.Blocks)-1))); block.DropPath != rate {
			dropping := *block
			dropping.DropPath = rate
			own.Blocks[i] = &dropping
		}
	}
	return &own
}

// parameters returns the model with parameters of zero on a backbone that is frozen and has c's DropPath.
func parameters(b *vit.Model, c Config, first int) *Model {
	d := b.Config.Dim
	m := &Model{
		Config: c, Backbone: b, Class: nn.NewParam(c.Classes, d), Head: nn.NewLinear(d, 1),
		last: b.Blocks[len(b.Blocks)-1], first: first,
		Transform: data.EvalTransform(b.Config.ImageSize, b.Config.Mean, b.Config.Std),
	}
	for i := range c.Classes {
		m.Classes = append(m.Classes, strconv.Itoa(i+1))
	}
	if c.Agnostic > 0 {
		for range first {
			m.Agnostic = append(m.Agnostic, nn.NewParam(c.Agnostic, d))
		}
	}
	if c.Rank > 0 {
		m.last, m.Adapters = adapt(m.last, c)
	}
	return m
}

// Layer returns the block, counted from 0, at which class prompts enter. The tokens that
// enter it do not depend on any learned parameter, so they can be computed once for
// ScoresOf. ok is false if class-agnostic prompts change them on the way.
func (m *Model) Layer() (n int, ok bool) { return m.first, len(m.Agnostic) == 0 }

// Forward returns the scores [B, C] of images [B, 3, H, W] and how much, in the last
// layer, each head of each class's prompt looks at each patch:
// [B, H, C, M], which ends with the tape's Reset. In a training step with PatchDropout
// M counts the patches that the image's prompts see.
func (m *Model) Forward(images *autograd.Var) (scores *autograd.Var, attn *tensor.Tensor) {
	f := images.Tape().Frame()
	x, z := m.enter(images)                  // tokens [B, prefix+M, D] and class prompts [B, C, D] enter the last layer
	q, see := m.see(x, z)                    // prompts look at prompts and tokens, nobody looks at prompts
	z, attn = m.last.Attention(z, q, see...) // [B, C, D], [B, H, C, columns]
	patches, cols := x.Dim(1)-m.Backbone.Config.Prefix(), attn.Dim(3)
	return f.Keep(m.score(z)), attn.Slice(3, cols-patches, cols) // [B, C], patches only [B, H, C, M]
}

// Scores is like Forward but does not return, or materialise, the attention weights.
func (m *Model) Scores(images *autograd.Var) *autograd.Var {
	f := images.Tape().Frame()
	return f.Keep(m.finish(m.enter(images)))
}

// ScoresOf is Scores given the tokens [B, prefix+M, D] that enter the block that Layer
// returns, such as vit.Model.Tokens computes them: blocks before it then drop no paths. It
// panics if Layer is not ok.
func (m *Model) ScoresOf(tokens *autograd.Var) *autograd.Var {
	if _, ok := m.Layer(); !ok {
		panic("promptcam: ScoresOf: tokens depend on class-agnostic prompts")
	}
	f := tokens.Tape().Frame()
	return f.Keep(m.finish(m.carry(f, tokens, m.prompts(tokens, m.Class))))
}

// enter runs all layers but the last. It returns the tokens x [B, prefix+M, D], or those
// that class prompts see, and the class prompts z, [C, D] or [B, C, D], that
// enter the last.
func (m *Model) enter(images *autograd.Var) (x, z *autograd.Var) {
	f := images.Tape().Frame()
	z = m.prompts(images, m.Class) // [C, D]
	return m.carry(f, m.tokens(images), z)
}

// tokens returns the tokens [B, prefix+M, D] that enter the block at which class prompts do.
func (m *Model) tokens(images *autograd.Var) *autograd.Var {
	f := images.Tape().Frame()
	// Agnostic prompts are in all of these layers or in none.
	x := m.Backbone.Tokens(images, m.first-len(m.Agnostic)) // [B, prefix+M, D]
	for i, agnostic := range m.Agnostic {
		x = f.Keep(m.Backbone.Blocks[i].Forward(x, m.prompts(x, agnostic))) // tokens look at tokens and prompts
	}
	return x
}

// carry runs the layers through which class prompts z are carried, but not the last. It
// frees whatever else f holds.
func (m *Model) carry(f autograd.Frame, x, z *autograd.Var) (x1, z1 *autograd.Var) {
	kept := m.keep(x)
	for _, block := range m.Backbone.Blocks[m.first : len(m.Backbone.Blocks)-1] {
		x, z = together(block, x, z, kept) // tokens and class prompts look at each other
		f.Keep(x, z)
	}
	if kept != nil {
		x = f.Keep(autograd.Gather(x, kept), z) // [B, prefix+kept, D]
	}
	return x, z
}

// finish runs the last layer for the scores [B, C] alone.
func (m *Model) finish(x, z *autograd.Var) *autograd.Var {
	f := x.Tape().Frame()
	q, see := m.see(x, z)
	return f.Keep(m.score(m.last.Update(z, q, see...)))
}

// see returns the class prompts' queries in the last layer, and what they look
// at: prompts (unless PatchesOnly), class token, registers, patches. That layer needs no other rows.
func (m *Model) see(x, z *autograd.Var) (q *autograd.Var, kv []autograd.KV) {
	tokens := m.last.Keys(x)
	if m.Config.PatchesOnly {
		prefix, n := m.Backbone.Config.Prefix(), x.Dim(1)
		return m.last.Query(z), []autograd.KV{{K: autograd.Slice(tokens.K, 1, prefix, n), V: autograd.Slice(tokens.V, 1, prefix, n)}}
	}
	q, own := m.last.Project(z)
	return q, []autograd.KV{own, tokens}
}

// score returns w·LN(z) for each row of z [B, C, D]: [B, C].
func (m *Model) score(z *autograd.Var) *autograd.Var {
	return autograd.Reshape(m.Head.Forward(m.Backbone.Norm.Forward(z)), z.Dim(0), -1)
}

// prompts returns p for use beside x: the same for every image.
func (m *Model) prompts(x *autograd.Var, p *autograd.Param) *autograd.Var {
	return nn.Dropout(m.Config.PromptDropout).Forward(x.Tape().Param(p))
}

// keep draws for each image which of the tokens x [B, prefix+M, D] class prompts see in
// a training step: as many of each image, in their order. It returns nil for all.
func (m *Model) keep(x *autograd.Var) []int {
	rng := x.Tape().Rand
	if m.Config.PatchDropout == 0 || rng == nil {
		return nil
	}
	images, rows, prefix := x.Dim(0), x.Dim(1), m.Backbone.Config.Prefix()
	patches := m.Config.seen(rows - prefix)
	kept := make([]int, 0, images*(prefix+patches))
	for range images {
		left := patches
		for row := range rows {
			// Each patch with the probability that leaves all choices of the rest equally likely.
			switch {
			case row < prefix:
				kept = append(kept, row)
			case rng.IntN(rows-row) < left:
				kept = append(kept, row)
				left--
			}
		}
	}
	return kept
}

// together updates two sets of rows that attend to themselves and to each other, z
// only to those rows of x that are kept, or to all if kept is nil.
// Each is projected once. Under DropPath an image may lose the branch of one
// set and keep the other's; in one sequence it would lose both or none.
func together(b *vit.Block, x, z *autograd.Var, kept []int) (x1, z1 *autograd.Var) {
	f := x.Tape().Frame()
	qx, kx := b.Project(x)
	qz, kz := b.Project(z)
	seen := kx
	if kept != nil {
		seen = autograd.KV{K: autograd.Gather(kx.K, kept), V: autograd.Gather(kx.V, kept)} // [B, prefix+kept, D]
	}
	x1 = b.Update(x, qx, kx, kz)   // [B, prefix+M, D]
	z1 = b.Update(z, qz, kz, seen) // [B, C, D]
	f.Keep(x1, z1)
	return x1, z1
}

// patches is M, the number of patches.
func (m *Model) patches() int {
	h, w := m.Backbone.Config.Grid()
	return h * w
}

// tape returns a tape that records nothing. Its user ends it with done, so that its
// memory serves the next.
func (m *Model) tape() *autograd.Tape {
	if t, ok := m.tapes.Get().(*autograd.Tape); ok {
		return t
	}
	return &autograd.Tape{NoGrad: true}
}

func (m *Model) done(t *autograd.Tape) {
	t.Reset()
	m.tapes.Put(t)
}
