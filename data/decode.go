package data

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"image"
	"io"
	"io/fs"
	"slices"

	"github.com/promptcam/promptcam/data/internal/jpeg"
	"github.com/promptcam/promptcam/data/internal/tiff"
)

// A format is one kind of image file, recognised by its first bytes.
type format struct {
	name, magic string
	size        func(*source) (image.Point, error) // of the picture that decode returns; with an error, as far as it is known
	decode      func(*source) (image.Image, error)
	exif        func([]byte) []byte // finds the TIFF structure with the orientation; nil: it begins the file
}

var formats = []format{
	{"JPEG", "\xff\xd8", jpegSize, decodeJPEG, jpegExif},
	{"PNG", pngMagic, pngSize, decodePNG, pngExif},
	{"GIF", "GIF87a", gifSize, decodeGIF, nil},
	{"GIF", "GIF89a", gifSize, decodeGIF, nil},
	{"BMP", "BM", bmpSize, decodeBMP, nil},
	{"TIFF", "II*\x00", tiffSize, decodeTIFF, nil},
	{"TIFF", "MM\x00*", tiffSize, decodeTIFF, nil},
	{"BigTIFF", "II+\x00", tiffSize, decodeTIFF, nil},
	{"BigTIFF", "MM\x00+", tiffSize, decodeTIFF, nil},
	{"WebP", "RIFF????WEBP", webpSize, decodeWebP, webpExif},
}

// A source is a file's contents. It notes whether a decoder read past the end, because not every decoder's
// error says so, and ends the reading when its context does.
type source struct {
	ctx  context.Context
	data []byte
	r    bytes.Reader // of data
	over bool
	pix  []uint8 // memory for the image
	jpeg *jpeg.Decoder
}

func (s *source) Read(p []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := s.r.Read(p)
	s.over = s.over || err != nil
	return n, err
}

// ReadImage reads the image file at path, as ReadImageFS does.
func ReadImage(path string) (*RGB, error) { return ReadImageFS(nil, path) }

// ReadImageFS reads an image file: JPEG, PNG, GIF, BMP, TIFF or WebP, recognised by its content, not its name,
// and turned upright by its Exif orientation. Of several pictures the first counts. It refuses, with an error
// that names the file, what is not an image, is damaged or beyond the default Limits; errors.Is tells which.
func ReadImageFS(fsys fs.FS, name string) (*RGB, error) {
	return Limits{}.Read(context.Background(), fsys, name)
}

// DecodeImage is ReadImageFS for a file's contents; errors call them name. Limits.Decode has lower limits and
// a context.
func DecodeImage(data []byte, name string) (*RGB, error) {
	return Limits{}.Decode(context.Background(), data, name)
}

// ReadSize returns the width and height of the image that ReadImageFS reads, from the file's header.
func ReadSize(fsys fs.FS, name string) (image.Point, error) {
	data, err := ReadFile(fsys, name, nil)
	if err != nil {
		return image.Point{}, err
	}
	f, size, err := Limits{}.header(&source{ctx: context.Background(), data: data}, true)
	if err != nil {
		return image.Point{}, fmt.Errorf("data: %s: %w", PathOf(fsys, name), err)
	}
	return uprightSize(size, orientation(f, data)), nil
}

// ReadFile returns the contents of an image file, for DecodeImage, in the memory of buf if that is enough. It
// refuses, with an error that names the file, what is not a regular file, does not begin as an image that is read,
// or is longer than the default Limits allow.
func ReadFile(fsys fs.FS, name string, buf []byte) ([]byte, error) {
	return Limits{}.readFile(context.Background(), fsys, name, buf)
}

func (l Limits) readFile(ctx context.Context, fsys fs.FS, name string, buf []byte) ([]byte, error) {
	fsys = orDir(fsys)
	fail := func(err error) error { return fmt.Errorf("data: %s: %w", PathOf(fsys, name), cause(err)) }
	info, err := fs.Stat(fsys, name) // before Open, which waits for a pipe's other end
	if err != nil {
		return nil, fail(err)
	}
	switch n := info.Size(); {
	case info.IsDir():
		return nil, fail(faultf(ErrNotImage, "not a file, but a folder"))
	case !info.Mode().IsRegular():
		return nil, fail(faultf(ErrNotImage, "not a file, but a device, pipe or socket"))
	case n > l.bytes():
		return nil, fail(l.tooLong(n))
	}
	f, err := fsys.Open(name)
	if err != nil {
		return nil, fail(err)
	}
	defer f.Close()
	const head, step = 4096, 16 << 20
	size := int(info.Size())
	buf = buf[:0]
	for end := min(head, size); ; end = min(end+step, size) {
		if err := ctx.Err(); err != nil {
			return nil, fail(err)
		}
		if end > head { // memory for all of it, now that it begins as an image
			buf = slices.Grow(buf, size-len(buf))
		}
		at := len(buf)
		buf = slices.Grow(buf, end-at)[:end]
		switch _, err := io.ReadFull(f, buf[at:]); {
		case err == io.EOF || err == io.ErrUnexpectedEOF:
			return nil, fail(faultf(ErrDamaged, "the file became shorter than its %d bytes while it was read: %w", size, io.ErrUnexpectedEOF))
		case err != nil:
			return nil, fail(err)
		}
		if at == 0 {
			if _, err := sniff(buf); err != nil {
				return nil, fail(err)
			}
		}
		if end == size {
			return buf, nil
		}
	}
}

// A decoder reads images, each into the memory of the one before.
type decoder struct {
	Limits
	file []byte
	pix  []uint8
	jpeg jpeg.Decoder
}

// read is Limits.Read; the image is valid until the next one is read.
func (d *decoder) read(ctx context.Context, fsys fs.FS, name string) (*RGB, error) {
	file, err := d.readFile(ctx, fsys, name, d.file)
	if err != nil {
		return nil, err
	}
	d.file = file
	return d.decode(ctx, file, PathOf(fsys, name))
}

// decode is Limits.Decode; the image is valid until the next one is decoded.
func (d *decoder) decode(ctx context.Context, data []byte, name string) (*RGB, error) {
	fail := func(err error) (*RGB, error) {
		return nil, fmt.Errorf("data: %s: %w", name, cmp.Or(ctx.Err(), err)) // a decoder may hide the context's
	}
	if err := ctx.Err(); err != nil {
		return fail(err)
	}
	if n := int64(len(data)); n > d.bytes() {
		return fail(d.tooLong(n))
	}
	s := &source{ctx: ctx, data: data, pix: d.pix, jpeg: &d.jpeg}
	f, _, err := d.header(s, true)
	if err != nil {
		return fail(err)
	}
	decoded, err := f.decode(s)
	if err != nil {
		return fail(f.explain(err, s.over))
	}
	m := toRGB(decoded, s.pix)
	d.pix = m.Pix
	return upright(m, orientation(f, data)), nil
}

// header returns a file's format and its image's size, within the limits. whole says whether s is all of the
// file.
func (l Limits) header(s *source, whole bool) (*format, image.Point, error) {
	f, err := sniff(s.data)
	if err != nil {
		return nil, image.Point{}, err
	}
	size, err := f.size(s)
	bytes := 0
	if whole {
		bytes = len(s.data)
	}
	if err == nil || size.X > 0 && size.Y > 0 { // a bomb may be truncated too
		if err := l.check(size.X, size.Y, bytes); err != nil {
			return nil, size, err
		}
	}
	if err != nil {
		return nil, size, f.explain(err, s.over)
	}
	return f, size, nil
}

// explain returns a decoder's error as one of the file; over says whether the decoder read past the end.
func (f *format) explain(err error, over bool) error {
	var known *fault
	var unread tiff.Unsupported
	var unreadJPEG jpeg.UnsupportedError
	switch {
	case errors.As(err, &known):
		return err
	case errors.As(err, &unread), errors.As(err, &unreadJPEG):
		return faultf(ErrUnsupported, "unsupported %s (%w): save it as JPEG or PNG", f.name, err)
	case over || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		return faultf(ErrDamaged, "truncated %s: %w", f.name, io.ErrUnexpectedEOF)
	}
	return faultf(ErrDamaged, "damaged %s: %w", f.name, err)
}
