// Package tiff reads the first picture of a TIFF or BigTIFF file into 8-bit samples: strips and tiles, chunky
// and planar, 1 to 16 bits, grey, palette, RGB and CMYK with any further channels, uncompressed and in the
// common compressions (TIFF 6.0; TIFF Technical Notes 1 and 2; BigTIFF by Aware Systems). Work and memory are
// bounded by the picture's size, which the caller checks before Decode.
package tiff

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Unsupported says what a valid file needs and this package lacks.
type Unsupported string

func (u Unsupported) Error() string { return string(u) }

// ErrRaw says that a file is a camera's RAW photograph. What its first directory holds is often a thumbnail.
var ErrRaw = errors.New("camera RAW photograph")

// Tags that matter.
const (
	tagSubfile      = 254
	tagWidth        = 256
	tagHeight       = 257
	tagBits         = 258
	tagCompression  = 259
	tagPhotometric  = 262
	tagFillOrder    = 266
	tagStripOffsets = 273
	tagSamples      = 277
	tagRowsPerStrip = 278
	tagStripCounts  = 279
	tagPlanar       = 284
	tagT4Options    = 292
	tagT6Options    = 293
	tagPredictor    = 317
	tagColourMap    = 320
	tagTileWidth    = 322
	tagTileHeight   = 323
	tagTileOffsets  = 324
	tagTileCounts   = 325
	tagSubIFDs      = 330
	tagInkSet       = 332
	tagExtra        = 338
	tagFormat       = 339
	tagJPEGTables   = 347
	tagDNG          = 50706
)

const (
	rawMosaic      = 32803   // photometric interpretations of RAW photographs
	rawLinear      = 34892   //
	maxEntries     = 4096    // of a directory
	maxDirectories = 64      // looked at for RAW
	maxSamples     = 8       // of a pixel, which bounds the work for it
	freePadding    = 1 << 24 // pixels of tiles outside the picture, beyond three times its own
)

// A File is the first picture of a TIFF file.
type File struct {
	Width, Height int

	data  []byte
	order binary.ByteOrder
	big   bool
	dir   directory
}

// A directory has the file's entries by tag.
type directory map[uint16]entry

// An entry is a list of numbers or bytes.
type entry struct {
	size  int // bytes of a value: 1, 2, 4 or 8
	bytes []byte
}

// Open reads the directory of the first picture. data is the file, or so much of it as there is: what lies
// beyond gives io.ErrUnexpectedEOF.
func Open(data []byte) (*File, error) {
	if len(data) < 16 {
		return nil, io.ErrUnexpectedEOF
	}
	f := &File{data: data, order: binary.LittleEndian}
	if data[0] == 'M' {
		f.order = binary.BigEndian
	}
	f.big = f.order.Uint16(data[2:]) == 43
	if string(data[8:10]) == "CR" || string(data[8:12]) == "IIII" { // Canon CR2, Phase One IIQ
		return nil, ErrRaw
	}
	at := f.number(4)
	if f.big {
		at = f.order.Uint64(data[8:])
	}
	dir, next, err := f.directory(at)
	if err != nil {
		return nil, err
	}
	f.dir = dir
	if f.raw(dir, next) {
		return nil, ErrRaw
	}
	w, h := dir.first(f.order, tagWidth, 0), dir.first(f.order, tagHeight, 0)
	if w > 1<<31 || h > 1<<31 {
		return nil, fmt.Errorf("%dx%d pixels", w, h)
	}
	f.Width, f.Height = int(w), int(h)
	return f, nil
}

// number returns the 32-bit number at a place that is there.
func (f *File) number(at int) uint64 { return uint64(f.order.Uint32(f.data[at:])) }

// within returns n bytes from at on.
func (f *File) within(at, n uint64) ([]byte, error) {
	if size := uint64(len(f.data)); at > size || n > size-at {
		return nil, io.ErrUnexpectedEOF
	}
	return f.data[at : at+n], nil
}

// directory reads the directory at a place, and where the next one is, 0 if none.
func (f *File) directory(at uint64) (dir directory, next uint64, err error) {
	countSize, entrySize, valueSize := uint64(2), uint64(12), uint64(4)
	if f.big {
		countSize, entrySize, valueSize = 8, 20, 8
	}
	b, err := f.within(at, countSize)
	if err != nil {
		return nil, 0, err
	}
	n := uintOf(f.order, b)
	if n > maxEntries {
		return nil, 0, fmt.Errorf("directory of %d entries", n)
	}
	b, err = f.within(at+countSize, n*entrySize)
	if err != nil {
		return nil, 0, err
	}
	if link, err := f.within(at+countSize+n*entrySize, valueSize); err == nil {
		next = uintOf(f.order, link)
	}
	dir = make(directory, n)
	for ; len(b) > 0; b = b[entrySize:] {
		tag, kind := f.order.Uint16(b), f.order.Uint16(b[2:])
		size := map[uint16]int{1: 1, 2: 1, 3: 2, 4: 4, 7: 1, 13: 4, 16: 8, 18: 8}[kind]
		count, value := uintOf(f.order, b[4:4+valueSize]), b[4+valueSize:entrySize]
		if size == 0 || count > uint64(len(f.data)) {
			continue // of no kind that is wanted, or nonsense: an entry that is needed is missed below
		}
		if total := count * uint64(size); total <= valueSize {
			value = value[:total]
		} else if value, err = f.within(uintOf(f.order, value), total); err != nil {
			if wanted(tag) {
				return nil, 0, err
			}
			continue
		}
		dir[tag] = entry{size, value}
	}
	return dir, next, nil
}

// wanted reports whether a picture cannot be read without the tag's values.
func wanted(tag uint16) bool {
	switch tag {
	case tagWidth, tagHeight, tagBits, tagCompression, tagPhotometric, tagFillOrder, tagStripOffsets, tagSamples, tagRowsPerStrip,
		tagStripCounts, tagPlanar, tagT4Options, tagT6Options, tagPredictor, tagColourMap, tagTileWidth, tagTileHeight,
		tagTileOffsets, tagTileCounts, tagInkSet, tagExtra, tagFormat, tagJPEGTables:
		return true
	}
	return false
}

func uintOf(order binary.ByteOrder, b []byte) uint64 {
	switch len(b) {
	case 1:
		return uint64(b[0])
	case 2:
		return uint64(order.Uint16(b))
	case 4:
		return uint64(order.Uint32(b))
	}
	return order.Uint64(b)
}

// len returns the number of a tag's values.
func (d directory) len(tag uint16) int {
	e := d[tag]
	if e.size == 0 {
		return 0
	}
	return len(e.bytes) / e.size
}

// at returns value i of a tag, which has so many.
func (d directory) at(order binary.ByteOrder, tag uint16, i int) uint64 {
	e := d[tag]
	return uintOf(order, e.bytes[i*e.size:(i+1)*e.size])
}

// first returns the first value of a tag, or otherwise.
func (d directory) first(order binary.ByteOrder, tag uint16, otherwise uint64) uint64 {
	if d.len(tag) == 0 {
		return otherwise
	}
	return d.at(order, tag, 0)
}

// raw reports whether any directory, of those that follow and of sub-directories, holds a sensor's values, or the
// first is a thumbnail of one of its sub-directories.
func (f *File) raw(dir directory, next uint64) bool {
	if dir.len(tagDNG) > 0 || dir.len(tagSubIFDs) > 0 && dir.first(f.order, tagSubfile, 0)&1 != 0 {
		return true
	}
	places := []uint64{next}
	for seen := 0; ; seen++ {
		if p := dir.first(f.order, tagPhotometric, 0); p == rawMosaic || p == rawLinear {
			return true
		}
		for i := range min(dir.len(tagSubIFDs), maxDirectories) {
			places = append(places, dir.at(f.order, tagSubIFDs, i))
		}
		var err error
		for dir = nil; dir == nil; {
			if len(places) == 0 || seen == maxDirectories {
				return false
			}
			at := places[0]
			places = places[1:]
			if at != 0 {
				if dir, next, err = f.directory(at); err != nil {
					dir = nil
				} else {
					places = append(places, next)
				}
			}
		}
	}
}
