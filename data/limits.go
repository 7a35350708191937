package data

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"image"
	"io"
	"io/fs"
	"syscall"
)

// MaxPixels is the largest image that is decoded unless Limits say otherwise, about 13,377 x 13,377: beyond it
// Pillow, too, refuses an image as a decompression bomb.
const MaxPixels = 178_956_970

// maxSide is the longest side that is decoded; JPEG and GIF end at half of it. A resized image needs memory and
// time in proportion to its longest side, whatever the other.
const maxSide = 1 << 17

// A header may promise pixelsPerByte pixels per byte of the file and freePixels more, which are 48 MiB of RGB.
// Deflate packs at most 1032 bytes into one, so only an empty page of one bit a pixel, or WebP on flat
// colour, comes near.
const (
	pixelsPerByte = 1024
	freePixels    = 1 << 24
)

// Limits bound what reading one image may cost. They are checked by the header, before memory is taken: an
// image takes 3 bytes a pixel and, while it is decoded, up to 8 more. Whatever the limits, no side is longer
// than 131,072 pixels, and a header may promise at most 1024 pixels per byte of the file and 2^24 more.
//
// The zero value has the defaults. A service should set Pixels to what its clients' cameras make, such as
// 50 million.
type Limits struct {
	Pixels int   // width times height; 0 means MaxPixels
	Bytes  int64 // length of the file; 0 means 6 for each of Pixels, which is 16-bit RGB, and 16 MiB
}

func (l Limits) pixels() int { return cmp.Or(l.Pixels, MaxPixels) }

func (l Limits) bytes() int64 { return cmp.Or(l.Bytes, 6*int64(l.pixels())+16<<20) }

// What is wrong with an image, for errors.Is. All errors of decoding are one of these or the context's; so are
// those of reading a file, unless the file could not be read.
var (
	ErrNotImage    = errors.New("not an image")                     // another kind of file, or a folder or device
	ErrUnsupported = errors.New("image of a kind that is not read") // a camera RAW, HEIC, or rare variant
	ErrDamaged     = errors.New("damaged image")                    // truncated or inconsistent
	ErrTooLarge    = errors.New("image beyond the limits")          // Limits
)

// IsBad reports whether an error of reading an image is the fault of that one file: it is missing, damaged, too
// large or no image. Others, such as too many open files, a failing disk, a lack of permission or the end of a
// context, say nothing about the image, and to go on without it would be wrong.
func IsBad(err error) bool {
	for _, kind := range []error{ErrNotImage, ErrUnsupported, ErrDamaged, ErrTooLarge, fs.ErrNotExist, syscall.ELOOP} { // a link to itself
		if errors.Is(err, kind) {
			return true
		}
	}
	return false
}

// A fault is an error of one of the kinds above.
type fault struct{ kind, text error }

func (f *fault) Error() string   { return f.text.Error() }
func (f *fault) Unwrap() []error { return []error{f.kind, f.text} }

// faultf returns an error of a kind with this text.
func faultf(kind error, format string, args ...any) error {
	return &fault{kind, fmt.Errorf(format, args...)}
}

// Decode is DecodeImage within these limits and until ctx ends. Of a lossy WebP picture only the reading ends;
// to decode it takes about a second for 2^24 pixels.
func (l Limits) Decode(ctx context.Context, data []byte, name string) (*RGB, error) {
	return (&decoder{Limits: l}).decode(ctx, data, name)
}

// Read is ReadImageFS within these limits and until ctx ends.
func (l Limits) Read(ctx context.Context, fsys fs.FS, name string) (*RGB, error) {
	return (&decoder{Limits: l}).read(ctx, fsys, name)
}

// Size returns the width and height of the image that Decode would make of a stream. It reads no further than
// the header, in steps that double; the header of a TIFF file may stand at its end. An orientation that follows
// the pixels of a PNG file is not seen.
func (l Limits) Size(r io.Reader, name string) (image.Point, error) {
	fail := func(err error) (image.Point, error) { return image.Point{}, fmt.Errorf("data: %s: %w", name, err) }
	var data []byte
	for want := int64(4096); ; want *= 2 {
		want = min(want, l.bytes()+1)
		more, err := io.ReadAll(io.LimitReader(r, want-int64(len(data))))
		if err != nil {
			return fail(err)
		}
		data = append(data, more...)
		whole := int64(len(data)) < want
		if int64(len(data)) > l.bytes() {
			return fail(l.tooLong(int64(len(data))))
		}
		f, size, err := l.header(&source{ctx: context.Background(), data: data}, whole)
		switch {
		case !whole && (errors.Is(err, io.ErrUnexpectedEOF) || err == nil && exifFollows(f, data)):
			continue
		case err != nil:
			return fail(err)
		}
		return uprightSize(size, orientation(f, data)), nil
	}
}

// tooLong refuses a file of n bytes.
func (l Limits) tooLong(n int64) error {
	return faultf(ErrTooLarge, "%d bytes, more than the limit of %d", n, l.bytes())
}

// check refuses an image by its header, before memory is taken for it. bytes is the file's length; 0 means
// that it is not known.
func (l Limits) check(w, h, bytes int) error {
	switch {
	case w <= 0 || h <= 0:
		return faultf(ErrDamaged, "empty image (%dx%d pixels)", w, h)
	case w > maxSide || h > maxSide:
		return faultf(ErrTooLarge, "%dx%d pixels, more than the limit of %d for one side", w, h, maxSide)
	case w*h > l.pixels():
		return faultf(ErrTooLarge, "%dx%d pixels, more than the limit of %d", w, h, l.pixels())
	case bytes > 0 && w*h > freePixels+bytes*pixelsPerByte:
		return faultf(ErrTooLarge, "header promises %dx%d pixels, more than a file of %d bytes should hold", w, h, bytes)
	}
	return nil
}
