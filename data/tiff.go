package data

import (
	"errors"
	"image"
	"image/color"

	"github.com/promptcam/promptcam/data/internal/jpeg"
	"github.com/promptcam/promptcam/data/internal/tiff"
)

func openTIFF(s *source) (*tiff.File, error) {
	f, err := tiff.Open(s.data)
	if errors.Is(err, tiff.ErrRaw) {
		err = faultf(ErrUnsupported, "it is a camera RAW photograph, which cannot be read: %s", convert)
	}
	return f, err
}

func tiffSize(s *source) (image.Point, error) {
	f, err := openTIFF(s)
	if err != nil {
		return image.Point{}, err
	}
	return image.Pt(f.Width, f.Height), nil
}

// decodeTIFF decodes the first picture of a TIFF file.
func decodeTIFF(s *source) (image.Image, error) {
	f, err := openTIFF(s)
	if err != nil {
		return nil, err
	}
	p, err := f.Decode(s.ctx, s.pix, s.within)
	if err != nil {
		return nil, err
	}
	bounds := image.Rect(0, 0, f.Width, f.Height)
	switch p.Kind {
	case tiff.RGB:
		return &RGB{Pix: p.Pix, W: f.Width, H: f.Height}, nil
	case tiff.RGBA:
		return &image.RGBA{Pix: p.Pix, Stride: 4 * f.Width, Rect: bounds}, nil
	case tiff.CMYK:
		return &image.CMYK{Pix: p.Pix, Stride: 4 * f.Width, Rect: bounds}, nil
	case tiff.Palette:
		palette := make(color.Palette, len(p.Palette))
		for i, c := range p.Palette {
			palette[i] = color.RGBA{c[0], c[1], c[2], 255}
		}
		return &image.Paletted{Pix: p.Pix, Stride: f.Width, Rect: bounds, Palette: palette}, nil
	}
	return &image.Gray{Pix: p.Pix, Stride: f.Width, Rect: bounds}, nil
}

// within is the tiff.JPEG that decodes streams inside s.
func (s *source) within(stream []byte, w, least, most int) ([]uint8, error) {
	size, err := jpeg.Size(stream)
	if err != nil {
		return nil, err
	}
	if size.X != w || size.Y < least || size.Y > most {
		return nil, faultf(ErrDamaged, "damaged TIFF: a JPEG stream of %dx%d pixels, want %dx%d", size.X, size.Y, w, least)
	}
	m, err := decodeJPEG(&source{ctx: s.ctx, data: stream})
	if err != nil {
		return nil, err
	}
	return toRGB(m, nil).Pix, nil
}
