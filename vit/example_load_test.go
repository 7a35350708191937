package vit_test

import (
	"fmt"

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
