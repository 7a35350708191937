package vit

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/promptcam/promptcam/autograd"
	"github.com/promptcam/promptcam/nn"
	"github.com/promptcam/promptcam/tensor"
)

// Model is a vision transformer (Dosovitskiy et al., arXiv 2010.11929). Its methods do not change it: any
// number of goroutines may use it, each with its own tape. The parameters of a loaded model are frozen, so that
// packages built on it need not write to it; to train them, set their Frozen to false.
type Model struct {
	Config Config
	SHA256 string // of the backbone's weights, in hex; independent of file format, names and image size

	ClassToken *autograd.Param `state:"cls_token"` // [1, 1, D]
	Registers  *autograd.Param `state:"reg_token"` // [1, registers, D]; nil means none
	Position   *autograd.Param `state:"pos_embed"` // [1, 1+M, D], or [1, M, D] with NoClassPos
	Patch      *PatchEmbed     `state:"patch_embed.proj"`
	PreNorm    *nn.LayerNorm   `state:"norm_pre"` // nil means none
	Blocks     []*Block        `state:"blocks"`
	Norm       *nn.LayerNorm   `state:"norm"`
	Head       *nn.Linear      `state:"head"` // [labels, D]; nil means none
}

// newModel returns a model of a valid config with zero parameters, all frozen.
func newModel(c Config) *Model {
	m := &Model{
		Config:     c,
		ClassToken: nn.NewParam(1, 1, c.Dim),
		Position:   nn.NewParam(1, c.posRows(), c.Dim),
		Patch:      newPatchEmbed(c),
		Norm:       nn.NewLayerNorm(c.Dim, c.Eps),
	}
	if c.Registers > 0 {
		m.Registers = nn.NewParam(1, c.Registers, c.Dim)
	}
	if c.PreNorm {
		m.PreNorm = nn.NewLayerNorm(c.Dim, c.Eps)
	}
	for range c.Depth {
		m.Blocks = append(m.Blocks, newBlock(c))
	}
	if c.Labels > 0 {
		m.Head = nn.NewLinear(c.Dim, c.Labels)
	}
	nn.Freeze(m)
	return m
}

// Embed turns images [B, 3, H, W], normalised with Config's Mean and Std, into tokens [B, prefix+M, D]: the
// class token, the registers and the patches in row-major order. It panics for any
// other shape, and unless H and W are Config's ImageSize.
func (m *Model) Embed(images *autograd.Var) *autograd.Var {
	if h, w := m.Config.ImageSize[0], m.Config.ImageSize[1]; len(images.Shape()) != 4 || images.Dim(1) != 3 || images.Dim(2) != h || images.Dim(3) != w {
		panic(&tensor.ShapeError{Op: "Embed", Shapes: [][]int{images.Shape()}, Reason: fmt.Sprintf("want images [B, 3, %d, %d]", h, w)})
	}
	return m.EmbedAs(images, nil)
}

// EmbedAs is Embed for images of any size, whose position embeddings are resampled by the weights that
// ResampleWeights returns for Config's grid of patches and theirs; nil leaves them as they are.
func (m *Model) EmbedAs(images *autograd.Var, weights *tensor.Tensor) *autograd.Var {
	tp := images.Tape()
	f := tp.Frame()
	class, position := tp.Param(m.ClassToken), tp.Param(m.Position)
	if !m.Config.NoClassPos {
		class = autograd.Add(class, autograd.Slice(position, 1, 0, 1)) // [1, 1, D]
		position = autograd.Slice(position, 1, 1, position.Dim(1))     // [1, M, D]
	}
	if weights != nil {
		position = autograd.Combine(weights, position)
	}
	patches := autograd.Add(m.Patch.Forward(images), position) // [B, M, D]
	rows := []*autograd.Var{class, patches}
	if m.Registers != nil {
		rows = []*autograd.Var{class, tp.Param(m.Registers), patches}
	}
	x := autograd.Concat(rows...) // [B, prefix+M, D]
	if m.PreNorm != nil {
		x = m.PreNorm.Forward(x)
	}
	return f.Keep(x)
}

// Tokens turns images [B, 3, H, W] into the input tokens [B, prefix+M, D] of block n, counted from 0, or, for
// n = Depth, the output of the last block. It panics for any other n.
func (m *Model) Tokens(images *autograd.Var, n int) *autograd.Var {
	if n < 0 || n > len(m.Blocks) {
		panic(fmt.Sprintf("vit: Tokens: block %d of %d", n, len(m.Blocks)))
	}
	f := images.Tape().Frame()
	h, w := m.Config.Grid()
	return f.Keep(m.Run(m.Embed(images), h, w, 0, n))
}

// Features turns images [B, 3, H, W] into the tokens [B, prefix+M, D] after the last block and the final
// norm.
func (m *Model) Features(images *autograd.Var) *autograd.Var {
	f := images.Tape().Frame()
	return f.Keep(m.Norm.Forward(m.Tokens(images, len(m.Blocks))))
}

// Class applies the last block and the final norm to the class token alone. tokens [B, prefix+M, D] are the
// block's input, Tokens for n = Depth-1. class [B, 1, D] has the bits of the first row of Features. attn [B,
// H, prefix+M] are its attention weights per head, which sum to 1 over the last dimension; they end with the
// tape's Reset.
func (m *Model) Class(tokens *autograd.Var) (class *autograd.Var, attn *tensor.Tensor) {
	f := tokens.Tape().Frame()
	last := m.Blocks[len(m.Blocks)-1]
	class = autograd.Concat(autograd.Slice(tokens, 1, 0, 1))                  // [B, 1, D], contiguous
	class, attn = last.Attention(class, last.Query(class), last.Keys(tokens)) // [B, 1, D], [B, H, 1, prefix+M]
	return f.Keep(m.Norm.Forward(class)), attn.Reshape(attn.Dim(0), last.Heads, attn.Dim(3))
}

// Classify returns the pre-trained classifier's scores [B, labels] for the class tokens of images [B, 3, H,
// W]. It panics if the model has no classifier.
func (m *Model) Classify(images *autograd.Var) *autograd.Var {
	if m.Head == nil {
		panic(fmt.Sprintf("vit: Classify: model %q was loaded without a classifier (Config.Labels is 0)", m.Config.Name))
	}
	f := images.Tape().Frame()
	class := autograd.Concat(autograd.Slice(m.Features(images), 1, 0, 1)) // [B, 1, D], contiguous
	return f.Keep(autograd.Reshape(m.Head.Forward(class), images.Dim(0), m.Config.Labels))
}

// PatchEmbed turns squares of P by P pixels into tokens: a convolution whose stride is its size, computed as
// a matrix product.
type PatchEmbed struct {
	Weight *autograd.Param `state:"weight"` // [D, 3, P, P]
	Bias   *autograd.Param `state:"bias"`   // [D]; nil means none
}

func newPatchEmbed(c Config) *PatchEmbed {
	e := &PatchEmbed{Weight: nn.NewParam(c.Dim, 3, c.PatchSize, c.PatchSize)}
	if !c.PreNorm {
		e.Bias = nn.NewParam(c.Dim)
	}
	return e
}

// Forward turns images [B, 3, H, W] into tokens [B, M, D].
func (e *PatchEmbed) Forward(images *autograd.Var) *autograd.Var {
	tp := images.Tape()
	f := tp.Frame()
	pixels := autograd.Patches(images, e.Weight.Value.Dim(-1)) // [B, M, 3·P·P]
	weight := autograd.Reshape(tp.Param(e.Weight), e.Weight.Value.Dim(0), -1)
	var bias *autograd.Var
	if e.Bias != nil {
		bias = tp.Param(e.Bias)
	}
	return f.Keep(autograd.Linear(pixels, weight, bias)) // [B, M, D]
}

// New returns an untrained model of architecture c; no parameter is frozen. The weights of the blocks'
// Linears are normal with deviation sqrt(2/(in+out)) (Glorot and Bengio, AISTATS 2010). All else starts as in
// timm: position embeddings and classifier normal with deviation 0.02, class token and registers 1e-6, biases
// zero, the patch embedding by nn.KaimingUniform, and layer scale 1e-5. timm also uses 0.02 for the Linears:
// half to nine tenths of Glorot's deviation at width 768, but a quarter to four tenths at width 160, where
// 200 steps of examples/pretrain then reach an accuracy of 36 % on drawn birds, rather than 45 %. SHA256 is
// that of the initial weights, and does not follow training. An invalid config is an error.
func New(c Config, rng *rand.Rand) (*Model, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	normal := func(p *autograd.Param, deviation float64) { nn.Normal(rng, p, deviation) }
	m := newModel(c)
	for _, p := range nn.Params(m) {
		p.Frozen = false
	}
	normal(m.ClassToken, 1e-6)
	if m.Registers != nil {
		normal(m.Registers, 1e-6)
	}
	normal(m.Position, 0.02)
	nn.KaimingUniform(rng, m.Patch.Weight, m.Patch.Bias)
	for _, b := range m.Blocks {
		for _, l := range []*nn.Linear{b.Attn.QKV, b.Attn.Proj, b.MLP.FC1, b.MLP.FC2} {
			normal(l.Weight, math.Sqrt(2/float64(l.Weight.Value.Dim(0)+l.Weight.Value.Dim(1))))
		}
		if c.LayerScale {
			b.LS1.Gamma.Value.Fill(1e-5)
			b.LS2.Gamma.Value.Fill(1e-5)
		}
	}
	if m.Head != nil {
		normal(m.Head.Weight, 0.02)
	}
	m.SHA256 = identity(nn.State(m))
	return m, nil
}
