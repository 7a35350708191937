package promptcam

import (
	"context"
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

// Model is a Prompt-CAM (Chowdhury et al., CVPR 2025, arXiv 2501.09333): a frozen vision transformer, learned
// prompts, and one score vector for all classes.
type Model struct {
	Config    Config
	Backbone  *vit.Model     // frozen, not saved with the model; has Config.DropPath
	Classes   []string       // names, in the order of the prompts; New numbers them from "1"
	Transform data.Transform // from a photograph to the model's input; New sets data.EvalTransform

	Agnostic []*autograd.Param `state:"agnostic"` // [P, D] for each layer before the class prompts'
	Class    *autograd.Param   `state:"class"`    // [C, D]
	Head     *nn.Linear        `state:"head"`     // [1, D]
	Adapters *Adapters         `state:"lora"`     // nil without Config.Rank

	Reference *Reference // what the prompts usually read, for Evidence; nil if it is not known: see Refer
	Conformal *Conformal // of prediction sets; nil if they are not calibrated: see Calibrate

	last  *vit.Block // the backbone's last block, with any adapters
	first int        // the block at which class prompts enter
	tapes sync.Pool
}

// Forward returns the scores [B, C] of images [B, 3, H, W], and attn [B, H, C, M]: the share of its attention
// that each head of each class prompt gives to each patch in the last layer. attn is valid until the tape's
// Reset. In training with PatchDropout, M counts the patches that are left. Once the tape's Context is done,
// Forward and Scores skip the blocks that are left: check the tape's Err before using the result.
func (m *Model) Forward(images *autograd.Var) (scores *autograd.Var, attn *tensor.Tensor) {
	f := images.Tape().Frame()
	z := m.prompts(images.Tape(), m.Class)   // class prompts [C, D]
	x := m.tokens(images, nil)               // tokens [B, prefix+M, D], where class prompts enter
	x, z = m.joint(x, z)                     // the blocks from there to the last but one: none in modes Deep and Last
	scores, attn = m.enter(x, z).explained() // class prompts attend to each other and to the tokens: [B, C], [B, H, C, columns]
	patches, columns := x.Dim(1)-m.Backbone.Config.Prefix(), attn.Dim(3)
	return f.Keep(scores), attn.Slice(3, columns-patches, columns)
}

// prompts returns p with prompt dropout, the same for all images.
func (m *Model) prompts(tape *autograd.Tape, p *autograd.Param) *autograd.Var {
	return autograd.Dropout(tape.Param(p), m.Config.PromptDropout)
}

// tokens returns the tokens [B, prefix+M, D] that enter block m.first. With kept, rows as autograd.Gather takes
// them, only these tokens of each image enter the first block, and [B, kept, D] are left.
func (m *Model) tokens(images *autograd.Var, kept []int) *autograd.Var {
	f := images.Tape().Frame()
	x := m.Backbone.Embed(images) // [B, prefix+M, D]
	if kept != nil {
		x = f.Keep(autograd.Gather(x, kept)) // [B, kept, D]
	}
	// Agnostic prompts are in all of these blocks or in none.
	h, w := m.Backbone.Config.Grid()
	x = f.Keep(m.Backbone.Run(x, h, w, 0, m.first-len(m.Agnostic)))
	for i, agnostic := range m.Agnostic {
		if x.Tape().Err() != nil {
			break
		}
		// Tokens attend to tokens and prompts; the prompts' outputs are not needed.
		x = f.Keep(m.Backbone.Blocks[i].Forward(x, m.prompts(x.Tape(), agnostic)))
	}
	return x
}

// joint runs the blocks from m.first to the last but one, in which tokens x and class prompts z attend to
// themselves and to each other. DropPath drops the branches of x and z independently; in one sequence it
// would drop both or none. With patch dropout, class prompts attend only to the tokens that are left, and
// joint returns these.
func (m *Model) joint(x, z *autograd.Var) (x1, z1 *autograd.Var) {
	f := x.Tape().Frame()
	kept := m.patchDropout(x)
	for _, block := range m.Backbone.Blocks[m.first : len(m.Backbone.Blocks)-1] {
		if x.Tape().Err() != nil {
			break
		}
		qx, kx := block.Project(x)
		qz, kz := block.Project(z)
		left := kx
		if kept != nil {
			left = autograd.KV{K: autograd.Gather(kx.K, kept), V: autograd.Gather(kx.V, kept)} // [B, prefix+kept, D]
		}
		x = block.Update(x, qx, kx, kz)   // [B, prefix+M, D]
		z = block.Update(z, qz, kz, left) // [B, C, D]
		f.Keep(x, z)
	}
	if kept != nil {
		x = f.Keep(autograd.Gather(x, kept), z) // [B, prefix+kept, D]
	}
	return x, z
}

// lastLayer is what the last block works on. Class prompts attend to themselves, the class token, registers and
// patches, in this order; with PatchesOnly to patches alone. No row attends to the tokens' own, so they need
// only keys and values.
type lastLayer struct {
	*Model
	z, q *autograd.Var // class prompts [C, D], or [B, C, D] after joint blocks, and their queries
	kv   []autograd.KV
}

// enter projects the tokens and class prompts that enter the last block.
func (m *Model) enter(x, z *autograd.Var) lastLayer {
	tokens := m.last.Keys(x)
	if m.Config.PatchesOnly {
		prefix, n := m.Backbone.Config.Prefix(), x.Dim(1)
		patches := autograd.KV{K: autograd.Slice(tokens.K, 1, prefix, n), V: autograd.Slice(tokens.V, 1, prefix, n)}
		return lastLayer{m, z, m.last.Query(z), []autograd.KV{patches}}
	}
	q, prompts := m.last.Project(z)
	return lastLayer{m, z, q, []autograd.KV{prompts, tokens}}
}

// scores returns the scores [B, C].
func (l lastLayer) scores() *autograd.Var { return l.score(l.last.Update(l.z, l.q, l.kv...)) }

// explained returns the same scores and the attention weights [B, H, C, columns], one column per row of kv.
func (l lastLayer) explained() (scores *autograd.Var, attn *tensor.Tensor) {
	z, attn := l.last.Attention(l.z, l.q, l.kv...)
	return l.score(z), attn
}

// score returns w·LN(z) for each row of z [B, C, D]: [B, C].
func (m *Model) score(z *autograd.Var) *autograd.Var {
	return autograd.Reshape(m.Head.Forward(m.Backbone.Norm.Forward(z)), z.Dim(0), -1)
}

// Scores returns the same scores [B, C] without computing the attention maps.
func (m *Model) Scores(images *autograd.Var) *autograd.Var {
	f := images.Tape().Frame()
	z := m.prompts(images.Tape(), m.Class)
	return f.Keep(m.scores(m.tokens(images, nil), z))
}

// ScoresOf is Scores for the tokens [B, prefix+M, D] that enter block Layer, as vit.Model.Tokens returns
// them. The blocks before it then have no DropPath. It panics if Layer is not ok, or for tokens of another shape.
func (m *Model) ScoresOf(tokens *autograd.Var) *autograd.Var {
	if _, ok := m.Layer(); !ok {
		panic("promptcam: ScoresOf: tokens depend on class-agnostic prompts")
	}
	if rows, dim := m.Backbone.Config.Prefix()+m.patches(), m.Backbone.Config.Dim; len(tokens.Shape()) != 3 || tokens.Dim(1) != rows || tokens.Dim(2) != dim {
		panic(&tensor.ShapeError{Op: "ScoresOf", Shapes: [][]int{tokens.Shape()}, Reason: fmt.Sprintf("want tokens [B, %d, %d]", rows, dim)})
	}
	return m.scores(tokens, m.prompts(tokens.Tape(), m.Class))
}

// Layer returns the block, from 0, at which class prompts enter. The tokens that enter it depend on nothing
// learned and can be cached for ScoresOf, unless there are class-agnostic prompts: then ok is false.
func (m *Model) Layer() (n int, ok bool) { return m.first, len(m.Agnostic) == 0 }

// scores returns the scores [B, C] of class prompts z [C, D] that enter beside tokens x [B, prefix+M, D].
func (m *Model) scores(x, z *autograd.Var) *autograd.Var {
	scores, _ := m.scoresAndBlurred(x, z, nil)
	return scores
}

// scoresAndBlurred returns the same scores and, unless there are no classes, their lastLayer.blurred ones.
func (m *Model) scoresAndBlurred(x, z *autograd.Var, classes []int) (scores, blurred *autograd.Var) {
	f := x.Tape().Frame()
	last := m.enter(m.joint(x, z))
	scores = last.scores()
	if len(classes) > 0 {
		blurred = last.blurred(classes)
	}
	return f.Keep(scores, blurred), blurred
}

// tokensOf returns the tokens of a batch of images or tokens that m accepts.
func (m *Model) tokensOf(tape *autograd.Tape, b *data.Batch) *autograd.Var {
	x := tape.Const(b.Values)
	if b.Kind == data.Tokens {
		return x
	}
	return m.tokens(x, nil)
}

// patchDropout draws, in training, which of the tokens x [B, prefix+M, D] class prompts attend to: the prefix
// and equally many patches of each image, in order. nil stands for all.
func (m *Model) patchDropout(x *autograd.Var) []int {
	rng := x.Tape().Rand
	if m.Config.PatchDropout == 0 || rng == nil {
		return nil
	}
	images, rows, prefix := x.Dim(0), x.Dim(1), m.Backbone.Config.Prefix()
	patches := m.Config.keptPatches(rows - prefix)
	kept := make([]int, 0, images*(prefix+patches))
	for range images {
		left := patches
		for row := range rows {
			// With this probability for each patch, all subsets are equally likely.
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

// New returns an untrained Prompt-CAM on backbone b. Several models may share b, also while in use: New and
// Load write to none of its parameters, except that New freezes those of a backbone that vit.New made, once,
// which nobody else may be using then. New panics if rng is nil. Prompts are initialised as the authors do it,
// uniformly in ±sqrt(6 / (3P² + D)) for patches of P pixels. On 100 classes of CUB (ViT-Ti/16, mode Deep, 30
// agnostic prompts) this gives 15 % accuracy on held-out training images after one epoch; a range ten times as
// wide gives 3 %.
func New(b *vit.Model, c Config, rng *rand.Rand) (*Model, error) {
	m, err := newModel(b, c)
	if err != nil {
		return nil, err
	}
	p, d := float64(b.Config.PatchSize), float64(b.Config.Dim)
	limit := math.Sqrt(6 / (3*p*p + d))
	for _, a := range m.Agnostic {
		nn.Uniform(rng, a, limit)
	}
	nn.Uniform(rng, m.Class, limit)
	nn.KaimingUniform(rng, m.Head.Weight, m.Head.Bias)
	if m.Adapters != nil {
		m.Adapters.initialize(rng)
	}
	return m, nil
}

// newModel is New with zero parameters.
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

// withDropPath returns a copy of b with the same parameters. DropPath rises linearly from 0 in the first
// block to last.
func withDropPath(b *vit.Model, last float32) *vit.Model {
	copied := *b
	copied.Blocks = slices.Clone(b.Blocks)
	for i, block := range b.Blocks {
		if rate := last * float32(i) / float32(max(1, len(b.Blocks)-1)); block.DropPath != rate {
			dropping := *block
			dropping.DropPath = rate
			copied.Blocks[i] = &dropping
		}
	}
	return &copied
}

// parameters returns a model with zero parameters on a frozen backbone that has c's DropPath already.
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

// patches is M, the number of patches.
func (m *Model) patches() int {
	h, w := m.Backbone.Config.Grid()
	return h * w
}

// tape returns a tape that records nothing. done gives it back, so that its memory is reused.
func (m *Model) tape(ctx context.Context) *autograd.Tape {
	t, ok := m.tapes.Get().(*autograd.Tape)
	if !ok {
		t = &autograd.Tape{NoGrad: true}
	}
	t.Context = ctx
	return t
}

func (m *Model) done(t *autograd.Tape) {
	t.Reset()
	t.Context = nil
	m.tapes.Put(t)
}
