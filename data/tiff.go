package data

import (
	"errors"
	"image"
	"image/color"

	"github.com/promptcam/promptcam/data/internal/tiff"
)

func openTIFF(s *source) (*tiff.File, error) {
	f, err := tiff.Open(s.data)
	if errors.Is(err, tiff.ErrRaw) {
		err = faultf(ErrUnsupported, "it is a camera RAW photograph, which cannot be read: %s", convert)
	}
	return f, err
}

func tiffConfig(s *source) (image.Config, error) {
	f, err := openTIFF(s)
	if err != nil {
		return image.Config{}, err
	}
	return image.Config{Width: f.Width, Height: f.Height}, nil
}

// decodeTIFF decodes the first picture of a TIFF file.
func decodeTIFF(s *source, c image.Config) (image.Image, error) {
	f, err := openTIFF(s)
	if err != nil {
		return nil, err
	}
	p, err := f.Decode(s.ctx, s.pix, func(stream []byte, w, least, most int) ([]uint8, error) {
		m, err := decodeWithin(s, stream, w, least, most)
		if err != nil {
			return nil, err
		}
		return m.Pix, nil
	})
	if err != nil {
		return nil, err
	}
	bounds := image.Rect(0, 0, c.Width, c.Height)
	switch p.Kind {
	case tiff.RGB:
		return &RGB{Pix: p.Pix, W: c.Width, H: c.Height}, nil
	case tiff.RGBA:
		return &image.RGBA{Pix: p.Pix, Stride: 4 * c.Width, Rect: bounds}, nil
	case tiff.CMYK:
		return &image.CMYK{Pix: p.Pix, Stride: 4 * c.Width, Rect: bounds}, nil
	case tiff.Palette:
		palette := make(color.Palette, len(p.Palette))
		for i, c := range p.Palette {
			palette[i] = color.RGBA{c[0], c[1], c[2], 255}
		}
		return &image.Paletted{Pix: p.Pix, Stride: c.Width, Rect: bounds, Palette: palette}, nil
	}
	return &image.Gray{Pix: p.Pix, Stride: c.Width, Rect: bounds}, nil
}

// decodeWithin decodes a JPEG stream inside another file, which is to be of such a size.
func decodeWithin(s *source, stream []byte, w, least, most int) (*RGB, error) {
	inner := &source{ctx: s.ctx, data: stream}
	c, err := jpegConfig(inner)
	if err != nil {
		return nil, err
	}
	if c.Width != w || c.Height < least || c.Height > most {
		return nil, faultf(ErrDamaged, "damaged TIFF: a JPEG stream of %dx%d pixels, want %dx%d", c.Width, c.Height, w, least)
	}
	m, err := decodeJPEG(inner, c)
	if err != nil {
		return nil, err
	}
	return toRGB(m, nil), nil
}
