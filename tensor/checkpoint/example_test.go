package checkpoint_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"time"

	"github.com/promptcam/promptcam/tensor"
	"github.com/promptcam/promptcam/tensor/checkpoint"
)

func ExampleOpen() {
	f, err := checkpoint.Open("testdata/views.pt")
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	for _, name := range f.Names() {
		info, _ := f.Info(name)
		fmt.Println(name, info.DType, info.Shape)
	}
	w, err := f.Tensor("columns")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(w.Data())
	// Output:
	// base F32 [4 6]
	// columns F32 [4 2]
	// empty F32 [0 6]
	// expanded F32 [5]
	// parameter F32 [6]
	// permuted F32 [4 2 3]
	// rows F32 [2 6]
	// scalar F32 []
	// steps F32 [2 2]
	// transposed F32 [6 4]
	// [-1.5 -0.75 3 3.75 7.5 8.25 12 12.75]
}

// A program that opens what others send bounds memory and time.
func ExampleOpenContext() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel() // ends the use of f, too
	f, err := checkpoint.OpenContext(ctx, "testdata/full.pt", checkpoint.Limits{Tensors: 1 << 30})
	switch {
	case errors.Is(err, checkpoint.ErrFormat):
		log.Fatal("no weights: ", err)
	case errors.Is(err, checkpoint.ErrTooLarge):
		log.Fatal("more than is allowed here: ", err)
	case err != nil:
		log.Fatal(err) // the disk's
	}
	defer f.Close()
	fmt.Println("took", f.Key(), "and left", f.Others())
	// Output: took teacher and left [dino_loss student]
}

func ExampleSave() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "head.safetensors")
	weights := map[string]*tensor.Tensor{"head.weight": tensor.FromSlice([]float32{1, 2, 3}, 1, 3)}
	if err := checkpoint.Save(path, weights, map[string]string{"classes": "2"}); err != nil {
		log.Fatal(err)
	}
	f, err := checkpoint.Open(path)
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	fmt.Println(f.Names(), f.Metadata())
	// Output: [head.weight] map[classes:2]
}
