package vit_test

import (
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/promptcam/promptcam/nn"
	"github.com/promptcam/promptcam/tensor"
	"github.com/promptcam/promptcam/vit"
)

// A preset knows how the pixels must be normalised for its weights.
func ExamplePreset() {
	c, err := vit.Preset("dinov2-vits14-reg")
	if err != nil {
		fmt.Println(err)
		return
	}
	h, w := c.Grid()
	fmt.Println(c.Depth, "blocks of width", c.Dim)
	fmt.Println(h*w, "patches after", c.Prefix(), "other tokens")
	fmt.Println("mean", c.Mean)
	// Output:
	// 12 blocks of width 384
	// 256 patches after 5 other tokens
	// mean [0.485 0.456 0.406]
}

// Position embeddings are resized to any multiple of the patch size. Every
// message names what was asked for and what is possible.
func ExampleLoad() {
	c, _ := vit.Preset("dino-vits16")
	c.ImageSize = [2]int{240, 330}
	_, err := vit.Load("dino_deitsmall16_pretrain.pth", c)
	fmt.Println(err)
	// Output:
	// vit: config "dino-vits16": image width is 330, want a multiple of the patch size 16
}

// What a training program keeps beside the backbone is left aside; another architecture is an error, whatever
// Config is asked for.
func ExampleLoadFrom() {
	c, _ := vit.Preset("augreg-vitti16")
	c.ImageSize, c.Labels, c.Depth = [2]int{32, 32}, 0, 1
	trained, _ := vit.New(c, rand.New(rand.NewPCG(1, 2)))
	file := nn.Tensors(nn.State(trained))

	file["criterion.weight"] = tensor.New(3)
	_, err := vit.LoadFrom(file, c)
	fmt.Println(err, vit.Aside(file))

	file["dist_token"] = tensor.New(1, 1, c.Dim)
	_, err = vit.LoadFrom(file, c)
	fmt.Println(err, errors.Is(err, vit.ErrUnsupported))
	// Output:
	// <nil> [criterion.weight]
	// vit: load: unsupported architecture: a DeiT with distillation token (dist_token) true
}
