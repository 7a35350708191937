// Package pretrained holds backbones that come with the library: no file is needed to
// begin with.
package pretrained

import (
	"bytes"
	_ "embed"

	"github.com/promptcam/promptcam/tensor/checkpoint"
	"github.com/promptcam/promptcam/vit"
)

//go:embed birds.safetensors
var birds []byte

// BirdsFile returns the weights of Birds, in float16 under DINO's names, with their
// architecture, which vit.Detect finds.
func BirdsFile() *checkpoint.File {
	f, err := checkpoint.Decode(bytes.NewReader(birds), int64(len(birds)), "birds.safetensors")
	if err != nil {
		panic(err) // the file is part of the program
	}
	return f
}

// Birds returns a small ViT that examples/pretrain taught to see drawn birds (package
// data/birds), without a label: their traits were combined at random, and all it was asked
// for was which pictures show the same bird. Of photographs it knows nothing. examples/pretrain -h
// tells how they were made.
func Birds() *vit.Model {
	f := BirdsFile()
	c, err := vit.Detect(f)
	if err != nil {
		panic(err)
	}
	m, err := vit.LoadFrom(f, c)
	if err != nil {
		panic(err)
	}
	return m
}
