package pretrain_test

import (
	"bytes"
	"context"
	"fmt"

	"github.com/promptcam/promptcam/data/birds"
	"github.com/promptcam/promptcam/tensor/checkpoint"
	"github.com/promptcam/promptcam/vit"
	"github.com/promptcam/promptcam/vit/pretrain"
)

// A tiny network learns from drawn birds, by MoCo v3, and is loaded again. OpenFolder in place of the Flock
// trains on photographs.
func Example() {
	c := pretrain.DefaultConfig()
	c.Image, c.Dim, c.Depth = 32, 24, 2
	c.Locals, c.Contrast = 0, 0.2
	c.Hidden, c.Bottleneck, c.Outputs = 16, 8, 32
	c.Epochs, c.Batch, c.Piece = 2, 8, 8
	images := &birds.Flock{Birds: 16, Pictures: 2, Size: 42, Batch: c.Batch, Piece: c.Piece, Rise: 1, Seed: 1}

	run, err := pretrain.New(c, images)
	if err != nil {
		fmt.Println(err)
		return
	}
	var state, weights bytes.Buffer
	for epoch, err := range run.Train(context.Background()) {
		if err != nil {
			fmt.Println(err)
			return
		}
		state.Reset()
		if err := run.WriteState(&state); err != nil { // for Resume
			fmt.Println(err)
			return
		}
		fmt.Println("epoch", epoch.Number, "saw", epoch.Images, "birds")
	}
	if err := pretrain.Export(&weights, run.Teacher, checkpoint.F16); err != nil {
		fmt.Println(err)
		return
	}

	f, err := checkpoint.Decode(bytes.NewReader(weights.Bytes()), int64(weights.Len()), "backbone.safetensors")
	if err != nil {
		fmt.Println(err)
		return
	}
	found, err := vit.Detect(f)
	fmt.Println(found.Name, err)
	// Output:
	// epoch 1 saw 16 birds
	// epoch 2 saw 16 birds
	// pretrained-24x2-patch8 <nil>
}
