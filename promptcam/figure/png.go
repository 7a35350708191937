package figure

import (
	"fmt"
	"image"
	"image/png"
	"io"

	"github.com/promptcam/promptcam/tensor/checkpoint"
)

// WritePNG writes a picture to path as PNG, under a temporary name first: after an error, path
// holds what it held before. To write to an io.Writer, use png.Encode.
func WritePNG(path string, m image.Image) error {
	if err := checkpoint.WriteFile(path, func(w io.Writer) error { return png.Encode(w, m) }); err != nil {
		return fmt.Errorf("figure: write picture %w", err)
	}
	return nil
}
