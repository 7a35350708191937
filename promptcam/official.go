package promptcam

import (
	"fmt"

	"github.com/promptcam/promptcam/nn"
	"github.com/promptcam/promptcam/tensor/checkpoint"
	"github.com/promptcam/promptcam/vit"
)

const officialPrompts = "vpt.prompt_embeddings" // [N, C, D]

// IsOfficial reports whether f is a checkpoint of the authors' code, with prompts under
// vpt.prompt_embeddings.
func IsOfficial(f *checkpoint.File) bool {
	_, ok := f.Info(officialPrompts)
	return ok
}

// LoadOfficial reads a checkpoint of the authors' code, which holds backbone, prompts and head. c is the
// backbone's architecture. Classes are numbered from "1", since the file does not name them. Mean and Std
// become 0.5, whatever the backbone was trained with: the authors' code normalises so for every backbone, and
// their prompts need it.
func LoadOfficial(f *checkpoint.File, c vit.Config) (*Model, error) {
	m, err := loadOfficial(f, c)
	if err != nil {
		return nil, fmt.Errorf("promptcam: load %s: %w", f.Path(), err)
	}
	return m, nil
}

func loadOfficial(f *checkpoint.File, c vit.Config) (*Model, error) {
	if !IsOfficial(f) {
		return nil, fmt.Errorf("%w of the authors' code: no tensor %s", ErrFormat, officialPrompts)
	}
	half := [3]float32{0.5, 0.5, 0.5}
	c.Mean, c.Std, c.Labels = half, half, 0
	b, err := vit.LoadFrom(vit.Without(f, "vpt.", "head."), c)
	if err != nil {
		return nil, err
	}
	prompts, err := f.Tensor(officialPrompts)
	if err != nil {
		return nil, err
	}
	if prompts.Rank() != 3 || prompts.Dim(0) != c.Depth || prompts.Dim(2) != c.Dim {
		return nil, fmt.Errorf("%s is %v, want [%d, C, %d]", officialPrompts, prompts.Shape(), c.Depth, c.Dim)
	}
	classes := prompts.Dim(1)
	agnostic := classes // in every block but the last, so there are none if there is one block
	if c.Depth == 1 {
		agnostic = 0
	}
	m, err := newModel(b, Config{Mode: Deep, Classes: classes, Agnostic: agnostic})
	if err != nil {
		return nil, err
	}
	state := nn.Tensors{"class": prompts.Select(0, c.Depth-1)}
	for i := range m.Agnostic {
		state[fmt.Sprintf("agnostic.%d", i)] = prompts.Select(0, i)
	}
	for _, name := range []string{"head.weight", "head.bias"} {
		if state[name], err = f.Tensor(name); err != nil {
			return nil, err
		}
	}
	return m, nn.Load(m, state)
}
