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

// Every message names what was asked for and what there is.
func ExampleLoad() {
	c, _ := vit.Preset("dino-vits16")
	c.ImageSize = [2]int{240, 320} // position embeddings are resized
	_, err := vit.Load("no such file.pth", c)
	fmt.Println(err)
	// Output:
	// vit: load: checkpoint: open no such file.pth: no such file or directory
}
