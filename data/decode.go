package data

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"image/png"
	"io"
	"io/fs"
	"slices"

	"golang.org/x/image/bmp"
	"golang.org/x/image/tiff"
	"golang.org/x/image/webp"

	"github.com/promptcam/promptcam/data/internal/jpeg"
)

// MaxPixels is the largest image that is decoded, about 13,377 x 13,377: beyond it Pillow, too, refuses an
// image as a decompression bomb.
const MaxPixels = 178_956_970

// maxSide is the longest side that is decoded. Only JPEG, at 65,535, and WebP have limits of their own; the
// weights that resize a line take memory in proportion to its length.
const maxSide = 1 << 20

// maxFile is the longest file that is read into memory: MaxPixels of 16-bit RGB fit.
const maxFile = 6*MaxPixels + 1<<20

// A header may promise pixelsPerByte pixels per byte of the file and freePixels more. Except for WebP on flat
// colour, Deflate is the densest compression of these formats and yields no more one-bit samples; no
// photograph comes near.
const (
	pixelsPerByte = 8192
	freePixels    = 1 << 20
)

// A format is one kind of image file, recognised by its first bytes.
type format struct {
	name, magic string
	config      func(*source) (image.Config, error)
	decode      func(*source, image.Config) (image.Image, error)
	exif        func([]byte) []byte // finds the TIFF structure with the orientation; nil: it begins the file
}

var formats = []format{
	{"JPEG", "\xff\xd8", jpegConfig, decodeJPEG, jpegExif},
	{"PNG", "\x89PNG\r\n\x1a\n", sizeBy(png.DecodeConfig), with(png.Decode), pngExif},
	{"GIF", "GIF87a", sizeBy(gif.DecodeConfig), decodeGIF, nil},
	{"GIF", "GIF89a", sizeBy(gif.DecodeConfig), decodeGIF, nil},
	{"BMP", "BM", sizeBy(bmp.DecodeConfig), with(bmp.Decode), nil},
	{"TIFF", "II*\x00", sizeBy(tiff.DecodeConfig), with(tiff.Decode), nil},
	{"TIFF", "MM\x00*", sizeBy(tiff.DecodeConfig), with(tiff.Decode), nil},
	{"WebP", "RIFF????WEBP", sizeBy(webp.DecodeConfig), decodeWebP, webpExif},
}

// matches reports whether a file begins with magic, where ? is any byte.
func (f *format) matches(data []byte) bool {
	for i, c := range []byte(f.magic) {
		if i >= len(data) || c != '?' && c != data[i] {
			return false
		}
	}
	return true
}

func sizeBy(config func(io.Reader) (image.Config, error)) func(*source) (image.Config, error) {
	return func(s *source) (image.Config, error) { return config(s.open()) }
}

func with(decode func(io.Reader) (image.Image, error)) func(*source, image.Config) (image.Image, error) {
	return func(s *source, _ image.Config) (image.Image, error) { return decode(s.open()) }
}

// A source is a file's contents. It notes whether a decoder read past the end, because not every decoder's
// error says so.
type source struct {
	ctx  context.Context
	data []byte
	r    bytes.Reader // of data
	over bool
	pix  []uint8 // memory for the image
	jpeg *jpeg.Decoder
}

// open returns s at its start.
func (s *source) open() io.Reader {
	s.r.Reset(s.data)
	return s
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	s.over = s.over || err != nil
	return n, err
}

// ReadAt spares package tiff a copy of the file.
func (s *source) ReadAt(p []byte, off int64) (int, error) {
	n, err := s.r.ReadAt(p, off)
	s.over = s.over || err != nil
	return n, err
}

// ReadImage reads the image file at path, as ReadImageFS does.
func ReadImage(path string) (*RGB, error) { return ReadImageFS(nil, path) }

// ReadImageFS reads an image file: JPEG, PNG, GIF (its first picture), BMP, TIFF or WebP, recognised by its
// content, not its name, and turned upright by its Exif orientation. It refuses, with an error that names the
// file, what is not an image, is damaged or promises more than MaxPixels.
func ReadImageFS(fsys fs.FS, name string) (*RGB, error) { return new(decoder).read(fsys, name) }

// DecodeImage is ReadImageFS for a file's contents; errors call them name.
func DecodeImage(data []byte, name string) (*RGB, error) { return new(decoder).decode(data, name) }

// ReadSize returns the width and height of the image that ReadImageFS reads, from the file's header.
func ReadSize(fsys fs.FS, name string) (image.Point, error) {
	data, err := ReadFile(fsys, name, nil)
	if err != nil {
		return image.Point{}, err
	}
	f, c, err := header(&source{ctx: context.Background(), data: data})
	if err != nil {
		return image.Point{}, fmt.Errorf("data: %s: %w", PathOf(fsys, name), err)
	}
	if orientation(f, data) >= 5 { // upright turns it by a quarter
		return image.Pt(c.Height, c.Width), nil
	}
	return image.Pt(c.Width, c.Height), nil
}

// ReadFile returns the contents of an image file, for DecodeImage, in the memory of buf if that is enough. It
// refuses, with an error that names the file, what is not a regular file or too long for an image of
// MaxPixels.
func ReadFile(fsys fs.FS, name string, buf []byte) ([]byte, error) {
	fsys = orDir(fsys)
	fail := func(err error) error { return fmt.Errorf("data: %s: %w", PathOf(fsys, name), cause(err)) }
	info, err := fs.Stat(fsys, name) // before Open, which waits for a pipe's other end
	if err != nil {
		return nil, fail(err)
	}
	switch n := info.Size(); {
	case info.IsDir():
		return nil, fail(errors.New("not a file, but a folder"))
	case !info.Mode().IsRegular():
		return nil, fail(errors.New("not a file, but a device, pipe or socket"))
	case n > maxFile:
		return nil, fail(fmt.Errorf("%d bytes, more than any image of %d pixels needs", n, MaxPixels))
	}
	f, err := fsys.Open(name)
	if err != nil {
		return nil, fail(err)
	}
	defer f.Close()
	buf = slices.Grow(buf[:0], int(info.Size()))[:info.Size()]
	if _, err := io.ReadFull(f, buf); err != nil {
		return nil, fail(err)
	}
	return buf, nil
}

// A decoder reads images, each into the memory of the one before.
type decoder struct {
	file []byte
	pix  []uint8
	jpeg jpeg.Decoder
}

// read is ReadImageFS; the image is valid until the next one is read.
func (d *decoder) read(fsys fs.FS, name string) (*RGB, error) {
	file, err := ReadFile(fsys, name, d.file)
	if err != nil {
		return nil, err
	}
	d.file = file
	return d.decode(file, PathOf(fsys, name))
}

// decode is DecodeImage; the image is valid until the next one is decoded.
func (d *decoder) decode(data []byte, name string) (*RGB, error) {
	fail := func(err error) (*RGB, error) { return nil, fmt.Errorf("data: %s: %w", name, err) }
	s := &source{ctx: context.Background(), data: data, pix: d.pix, jpeg: &d.jpeg}
	f, c, err := header(s)
	if err != nil {
		return fail(err)
	}
	s.over = false // a header may be read in chunks longer than the file
	decoded, err := f.decode(s, c)
	if err != nil {
		return fail(f.explain(err, s.over))
	}
	m := toRGB(decoded, s.pix)
	d.pix = m.Pix
	return upright(m, orientation(f, data)), nil
}

// header returns a file's format and its image's size, within the limits.
func header(s *source) (*format, image.Config, error) {
	f, err := sniff(s.data)
	if err != nil {
		return nil, image.Config{}, err
	}
	c, err := f.config(s)
	if err != nil {
		return nil, c, f.explain(err, s.over)
	}
	return f, c, checkSize(c.Width, c.Height, len(s.data))
}

// sniff returns the format of a file with these contents.
func sniff(data []byte) (*format, error) {
	if len(data) == 0 {
		return nil, errors.New("empty file (0 bytes)")
	}
	for i := range formats {
		if formats[i].matches(data) {
			return &formats[i], nil
		}
	}
	if len(data) >= 12 && string(data[4:8]) == "ftyp" { // ISO/IEC 23008-12, table of brands
		switch string(data[8:12]) {
		case "heic", "heix", "heim", "heis", "hevc", "hevx", "mif1", "msf1":
			return nil, errors.New("it is an HEIC photograph, which cannot be read: save it as JPEG")
		case "avif", "avis":
			return nil, errors.New("it is an AVIF photograph, which cannot be read: save it as JPEG")
		}
	}
	return nil, fmt.Errorf("not an image: starts with %q, want JPEG, PNG, GIF, BMP, TIFF or WebP", data[:min(9, len(data))])
}

// checkSize refuses an image by its header, before memory is taken for it.
func checkSize(w, h, bytes int) error {
	switch {
	case w <= 0 || h <= 0:
		return fmt.Errorf("empty image (%dx%d pixels)", w, h)
	case w > maxSide || h > maxSide:
		return fmt.Errorf("%dx%d pixels, more than the limit of %d for one side", w, h, maxSide)
	case w > MaxPixels/h:
		return fmt.Errorf("%dx%d pixels, more than the limit of %d", w, h, MaxPixels)
	case w*h > freePixels+bytes*pixelsPerByte:
		return fmt.Errorf("header promises %dx%d pixels, more than a file of %d bytes can hold", w, h, bytes)
	}
	return nil
}

// explain returns a decoder's error as one of the file; over says whether the decoder read past the end.
func (f *format) explain(err error, over bool) error {
	if over || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("truncated %s: %w", f.name, io.ErrUnexpectedEOF)
	}
	var damaged jpeg.FormatError
	var unsupported jpeg.UnsupportedError
	switch {
	case errors.As(err, &damaged):
		return fmt.Errorf("damaged %s: %w", f.name, err)
	case errors.As(err, &unsupported):
		return fmt.Errorf("unsupported %s: %w", f.name, err)
	}
	return fmt.Errorf("damaged or unsupported %s: %w", f.name, err)
}

// decodeGIF returns the first picture of a GIF file on the file's whole canvas. Around it the canvas has the
// palette's first colour, as in Pillow; transparent pixels are black, since package gif forgets their colour.
func decodeGIF(s *source, c image.Config) (image.Image, error) {
	m, err := gif.Decode(s.open())
	if err != nil {
		return nil, err
	}
	frame := toRGB(m, s.pix)
	at := m.Bounds()
	if at == image.Rect(0, 0, c.Width, c.Height) {
		return frame, nil
	}
	out := NewRGB(c.Width, c.Height)
	if p, ok := m.ColorModel().(color.Palette); ok && len(p) > 0 {
		r, g, b := straight(p[0])
		for i := 0; i < len(out.Pix); i += 3 {
			put(out.Pix[i:], r, g, b)
		}
	}
	for y := range frame.H {
		copy(out.row(at.Min.Y + y)[3*at.Min.X:], frame.row(y))
	}
	return out, nil
}

// decodeWebP decodes the first picture of a WebP file.
func decodeWebP(s *source, _ image.Config) (image.Image, error) {
	m, err := webp.Decode(s.open())
	switch m := m.(type) {
	case *image.YCbCr:
		return fromYCbCr(m, videoRange, s.pix), err
	case *image.NYCbCrA:
		return fromYCbCr(&m.YCbCr, videoRange, s.pix), err
	}
	return m, err
}
