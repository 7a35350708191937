package features_test

import (
	"context"
	"fmt"
	"image"
	"image/png"
	"log"
	"math/rand/v2"
	"os"
	"path/filepath"

	"github.com/promptcam/promptcam/data"
	"github.com/promptcam/promptcam/vit"
	"github.com/promptcam/promptcam/vit/features"
)

// Two photographs and their mirror images pass through the frozen layers once;
// the second time they are there.
func Example() {
	root, err := os.MkdirTemp("", "birds")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(root)
	items := []data.Item{{Path: "tern.png", Class: 0}, {Path: "wren.png", Class: 1}}
	for i, it := range items {
		f, err := os.Create(filepath.Join(root, it.Path))
		if err != nil {
			log.Fatal(err)
		}
		if err := png.Encode(f, image.NewGray(image.Rect(0, 0, 20+i, 20))); err != nil {
			log.Fatal(err)
		}
		if err := f.Close(); err != nil {
			log.Fatal(err)
		}
	}
	half := [3]float32{0.5, 0.5, 0.5}
	b, err := vit.New(vit.Config{
		ImageSize: [2]int{16, 16}, PatchSize: 8, Dim: 12, Depth: 3, Heads: 2, Hidden: 24, Eps: 1e-6, Mean: half, Std: half,
	}, rand.New(rand.NewPCG(1, 1)))
	if err != nil {
		log.Fatal(err)
	}

	s := features.Source{Backbone: b.SHA256, Arch: b.Config, Layer: 2, Plain: data.EvalTransform([2]int{16, 16}, half, half)}
	c, err := features.Open(filepath.Join(root, "cache.safetensors"), s, features.Records(2, items))
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	for range 2 {
		bad, err := c.Fill(context.Background(), data.Dir(root), b, features.FillConfig{})
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%d bad, %d made, %d reused\n", len(bad), c.Stats().Made, c.Stats().Reused)
	}
	l, err := c.Loader(items, features.LoaderConfig{Views: 2, Batch: 2, Shuffle: true, Seed: 1})
	if err != nil {
		log.Fatal(err)
	}
	for batch, err := range l.Epoch(context.Background(), data.Plan{}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(batch.Values.Shape())
	}
	// Output:
	// 0 bad, 4 made, 0 reused
	// 0 bad, 0 made, 4 reused
	// [2 5 12]
}
