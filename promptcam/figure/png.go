package figure

import (
	"fmt"
	"image"
	"image/png"
	"io"

	"github.com/promptcam/promptcam/tensor/checkpoint"
)

// WritePNG writes a picture to path as PNG, whole or not at all.
func WritePNG(path string, m image.Image) error {
	if err := checkpoint.WriteFile(path, func(w io.Writer) error { return png.Encode(w, m) }); err != nil {
		return fmt.Errorf("figure: write picture %w", err)
	}
	return nil
}
