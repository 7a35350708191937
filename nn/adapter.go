package nn

import "github.com/promptcam/promptcam/autograd"

// Adapter is a LoRA adapter of rank r (Hu et al., arXiv 2106.09685): it adds Scale·(x·Aᵀ)·Bᵀ to the output of
// a Linear, whose weight may be frozen and shared with other Linears. Names are those of Hugging Face's PEFT.
type Adapter struct {
	A     *autograd.Param `state:"lora_A"` // [r, in]
	B     *autograd.Param `state:"lora_B"` // [out, r]
	Scale float32
}

// NewAdapter returns an Adapter of rank r for l, all zeros. While B is zero it has no effect; A must be
// initialised for it to learn.
func NewAdapter(l *Linear, r int, scale float32) *Adapter {
	return &Adapter{NewParam(r, l.Weight.Value.Dim(1)), NewParam(l.Weight.Value.Dim(0), r), scale}
}
