package features

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"slices"

	"github.com/promptcam/promptcam/tensor/checkpoint"
)

// The state of a record with respect to a photograph.
type state int

const (
	absent  state = iota // never made
	torn                 // does not match its checksum
	changed              // made from another photograph
	whole
)

// sums are the checksums of a record.
type sums struct {
	hash [32]byte // of the photograph's file
	crc  uint32   // of hash and tokens
}

func sum(hash [32]byte, tokens []byte) uint32 {
	return crc32.Update(crc32.Checksum(hash[:], castagnoli), castagnoli, tokens)
}

// load reads a record's tokens into buf.
func (c *Cache) load(row int, buf []byte) (s sums, err error) {
	var crc [4]byte
	for _, part := range []struct {
		to []byte
		at int64
	}{
		{s.hash[:], c.sha256 + 32*int64(row)},
		{crc[:], c.crc32c + 4*int64(row)},
		{buf, c.tokens + int64(row)*int64(len(buf))},
	} {
		if _, err := c.file.ReadAt(part.to, part.at); err == io.EOF {
			return s, fmt.Errorf("record %d: the file was cut short since it was opened", row)
		} else if err != nil {
			return s, err
		}
	}
	s.crc = binary.LittleEndian.Uint32(crc[:])
	return s, nil
}

// check returns the state of a record for the photograph of this hash.
func (c *Cache) check(row int, hash [32]byte, w *worker) (state, error) {
	n := c.source.bytes()
	w.record = slices.Grow(w.record[:0], n)[:n]
	s, err := c.load(row, w.record)
	switch {
	case err != nil:
		return absent, err
	case s.hash == [32]byte{}:
		return absent, nil
	case s.crc != sum(s.hash, w.record):
		return torn, nil
	case s.hash != hash:
		return changed, nil
	}
	return whole, nil
}

// numbers reads a record's numbers into dst, via buf. The record must be of the photograph
// of this hash; a zero hash is any.
func (c *Cache) numbers(dst []float32, row int, hash [32]byte, buf []byte) error {
	s, err := c.load(row, buf)
	if err != nil {
		return err
	}
	if s.hash == [32]byte{} {
		return fmt.Errorf("record %d was never made: Fill does", row)
	}
	if crc := sum(s.hash, buf); crc != s.crc {
		return fmt.Errorf("record %d is torn or damaged, Fill makes it again: its checksum is %08x, that of its bytes %08x", row, s.crc, crc)
	}
	if hash != [32]byte{} && s.hash != hash {
		return fmt.Errorf("record %d is no longer of the photograph that Fill saw: does another process fill the file from other photographs of the same paths?", row)
	}
	c.source.Type.Decode(dst, buf)
	return nil
}

// write writes a record, via buf: its checksum last, so that a partly written record does not match it.
func (c *Cache) write(row int, hash [32]byte, tokens []float32, buf []byte) error {
	limit := float32(math.MaxFloat32)
	if c.source.Type == checkpoint.F16 {
		limit = 65504 // the largest F16
	}
	for _, v := range tokens {
		if !(v >= -limit && v <= limit) {
			return fmt.Errorf("a token has the number %g, which %s does not hold", v, c.source.Type)
		}
	}
	c.source.Type.Encode(buf, tokens)
	return c.put(row, hash, buf)
}

// put writes the bytes of a record's tokens, then what they are of, then the checksum of both.
func (c *Cache) put(row int, hash [32]byte, tokens []byte) error {
	if _, err := c.file.WriteAt(tokens, c.tokens+int64(row)*int64(len(tokens))); err != nil {
		return err
	}
	if _, err := c.file.WriteAt(hash[:], c.sha256+32*int64(row)); err != nil {
		return err
	}
	_, err := c.file.WriteAt(binary.LittleEndian.AppendUint32(nil, sum(hash, tokens)), c.crc32c+4*int64(row))
	return err
}
