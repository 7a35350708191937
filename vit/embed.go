package vit

import (
	"github.com/promptcam/promptcam/autograd"
	"github.com/promptcam/promptcam/nn"
)

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
