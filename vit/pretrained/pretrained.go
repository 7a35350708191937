// Package pretrained holds backbones that come with the library.
package pretrained

import (
	"bytes"
	_ "embed"

	"github.com/promptcam/promptcam/tensor/checkpoint"
	"github.com/promptcam/promptcam/vit"
)

// 2.8 MB, so that a fresh machine runs the main job without a download.
//
//go:embed birds.safetensors
var birds []byte

// BirdsFile returns the weights of Birds, in float16 under DINO's names. vit.Detect finds their architecture.
func BirdsFile() *checkpoint.File {
	f, err := checkpoint.Decode(bytes.NewReader(birds), int64(len(birds)), "birds.safetensors")
	if err != nil {
		panic(err) // the file is part of the program
	}
	return f
}

// Birds returns a small ViT that examples/pretrain pre-trained without labels on drawn birds (package
// data/birds) with random traits: it learned which pictures show the same bird. It has seen no photograph.
// examples/pretrain -h says how to make it.
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
