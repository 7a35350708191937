package data_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/png"
	"log"
	"os"
	"path/filepath"

	"github.com/promptcam/promptcam/data"
)

// A service tells by an upload's error whose fault it is.
func ExampleLimits() {
	limits := data.Limits{Pixels: 50_000_000, Bytes: 20 << 20}
	var photo bytes.Buffer
	if err := png.Encode(&photo, image.NewGray(image.Rect(0, 0, 60, 40))); err != nil {
		log.Fatal(err)
	}
	for _, upload := range [][]byte{photo.Bytes(), photo.Bytes()[:50], []byte("%PDF-1.7"), []byte("hello")} {
		m, err := limits.Decode(context.Background(), upload, "upload")
		switch {
		case err == nil:
			fmt.Println(m.W, "x", m.H)
		case errors.Is(err, data.ErrTooLarge):
			fmt.Println(413, err)
		case errors.Is(err, data.ErrUnsupported), errors.Is(err, data.ErrNotImage):
			fmt.Println(415, err)
		case errors.Is(err, data.ErrDamaged):
			fmt.Println(422, err)
		}
	}
	// Output:
	// 60 x 40
	// 422 data: upload: truncated PNG: unexpected EOF
	// 415 data: upload: it is a PDF document, which cannot be read: save it as JPEG
	// 415 data: upload: not an image: starts with "hello", want JPEG, PNG, GIF, BMP, TIFF or WebP
}

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
