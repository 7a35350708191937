package features

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"math"
	"os"

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
	crc  uint32   // of hash and tokens, in the file
	read uint32   // the same of what was read
}

func sum(hash [32]byte, tokens []byte) uint32 {
	return crc32.Update(crc32.Checksum(hash[:], castagnoli), castagnoli, tokens)
}

// state returns a record's state for the photograph of this hash; a zero hash is any.
func (s sums) state(hash [32]byte) state {
	switch {
	case s.hash == [32]byte{}:
		return absent
	case s.crc != s.read:
		return torn
	case hash != [32]byte{} && s.hash != hash:
		return changed
	}
	return whole
}

// A piece is bytes of a record and where they are in the file.
type piece struct {
	bytes []byte
	at    int64
}

// pieces returns a record's in the order to write them: the checksum last, so that a partly written record does
// not match it.
func (c *Cache) pieces(row int, tokens, hash, crc []byte) [3]piece {
	r := int64(row)
	return [3]piece{{tokens, c.tokens + r*int64(len(tokens))}, {hash, c.sha256 + 32*r}, {crc, c.crc32c + 4*r}}
}

// load reads a record's tokens into buf.
func (c *Cache) load(row int, buf []byte) (s sums, err error) {
	var crc [4]byte
	for _, p := range c.pieces(row, buf, s.hash[:], crc[:]) {
		if _, err := c.file.ReadAt(p.bytes, p.at); err == io.EOF {
			return s, fmt.Errorf("record %d: the file was cut short since it was opened", row)
		} else if err != nil {
			return s, err
		}
	}
	s.crc, s.read = binary.LittleEndian.Uint32(crc[:]), sum(s.hash, buf)
	return s, nil
}

// put writes the bytes of a record's tokens, and their checksums.
func (c *Cache) put(row int, hash [32]byte, tokens []byte) error {
	crc := binary.LittleEndian.AppendUint32(nil, sum(hash, tokens))
	for _, p := range c.pieces(row, tokens, hash[:], crc) {
		if _, err := c.file.WriteAt(p.bytes, p.at); err != nil {
			return err
		}
	}
	return nil
}

// numbers reads a record's numbers into dst, via buf. The record must be of the photograph of this hash; a zero
// hash is any.
func (c *Cache) numbers(dst []float32, row int, hash [32]byte, buf []byte) error {
	s, err := c.load(row, buf)
	if err != nil {
		return err
	}
	switch s.state(hash) {
	case absent:
		return fmt.Errorf("record %d was never made: Fill does", row)
	case torn:
		return fmt.Errorf("record %d is torn or damaged, Fill makes it again: its checksum is %08x, that of its bytes %08x", row, s.crc, s.read)
	case changed:
		return fmt.Errorf("record %d is no longer of the photograph that Fill saw: does another process fill the file from other photographs of the same paths?", row)
	}
	c.source.Type.Decode(dst, buf)
	return nil
}

// write writes a record, via buf.
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

// Hash returns the SHA-256 of a photograph's file as the last complete Fill read it.
func (c *Cache) Hash(path string) [32]byte { return c.hashes[path] }

// Borrow copies from the file at path the records that were asked for and are not in c, as far as it has
// them. A file that is not there, or whose tokens are made from something else, has none. Fill then
// checks that they are of the same photographs. Errors are a file that is none of this package's and
// what happens to both.
func (c *Cache) Borrow(path string) error {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("features: borrow: %w", err)
	}
	defer f.Close() // it is only read
	other := &Cache{path: path, file: disk{f, true}}
	if err := other.decode(); err != nil {
		return fmt.Errorf("features: borrow: %w", err)
	}
	if len(other.source.differences(c.source, augmented(c.records))) > 0 {
		return nil
	}
	buf := make([]byte, c.source.bytes())
	for _, r := range c.records {
		from, ok := other.row(r)
		if !ok {
			continue
		}
		to, _ := c.row(r)
		s, err := c.load(to, buf)
		if err == nil && s.state([32]byte{}) == absent {
			if s, err = other.load(from, buf); err == nil && s.state([32]byte{}) == whole {
				err = c.put(to, s.hash, buf)
			}
		}
		if err != nil {
			return fmt.Errorf("features: borrow %s: %s: %w", path, r, err)
		}
	}
	return nil
}
