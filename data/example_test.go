package data_test

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/png"
	"log"
	"os"
	"path/filepath"

	"github.com/promptcam/promptcam/data"
)

// draw makes a folder of two classes, ten pictures each.
func draw() (dir string, err error) {
	dir, err = os.MkdirTemp("", "shades")
	if err != nil {
		return "", err
	}
	for class, shade := range map[string]uint8{"dark": 40, "light": 200} {
		if err := os.Mkdir(filepath.Join(dir, class), 0o755); err != nil {
			return "", err
		}
		for i := range 10 {
			m := image.NewGray(image.Rect(0, 0, 60, 40))
			for j := range m.Pix {
				m.Pix[j] = shade + uint8(i)
			}
			var b bytes.Buffer
			if err := png.Encode(&b, m); err != nil {
				return "", err
			}
			if err := os.WriteFile(filepath.Join(dir, class, fmt.Sprintf("%d.png", i)), b.Bytes(), 0o644); err != nil {
				return "", err
			}
		}
	}
	return dir, nil
}

func Example() {
	dir, err := draw()
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)

	set, err := data.Open(dir, data.Options{TestShare: 0.2, Seed: 1})
	if err != nil {
		log.Fatal(err)
	}
	train, held := data.Split(set.Train, 0.25, 1)
	fmt.Println(set.Classes, len(train), len(held), len(set.Test))

	half := [3]float32{0.5, 0.5, 0.5}
	loader, err := data.NewLoader(set.FS, train, data.LoaderConfig{
		Transform: data.TrainTransform([2]int{28, 28}, half, half),
		Batch:     5,
		Shuffle:   true,
		Seed:      1,
	})
	if err != nil {
		log.Fatal(err)
	}
	for batch, err := range loader.Epoch(context.Background(), data.Plan{}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(batch.Values.Shape(), len(batch.Labels))
	}
	// Output:
	// [dark light] 12 4 4
	// [5 3 28 28] 5
	// [5 3 28 28] 5
	// [2 3 28 28] 2
}
