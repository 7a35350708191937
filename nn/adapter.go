package nn

import "github.com/promptcam/promptcam/autograd"

// Adapter adds Scale·(x·Aᵀ)·Bᵀ to what a Linear makes of x, that is, a product of rank r to its weight: LoRA
// (Hu et al., arXiv 2106.09685). The weight itself may be frozen, and be other Linears' too. The names are
// those of Hugging Face's PEFT.
type Adapter struct {
	A     *autograd.Param `state:"lora_A"` // [r, in]
	B     *autograd.Param `state:"lora_B"` // [out, r]
	Scale float32
}

// NewAdapter returns an Adapter of rank r for l, of zeros. As long as B is zero it changes nothing; for it to
// learn, an initialiser gives A its values.
func NewAdapter(l *Linear, r int, scale float32) *Adapter {
	return &Adapter{NewParam(r, l.Weight.Value.Dim(1)), NewParam(l.Weight.Value.Dim(0), r), scale}
}
