package checkpoint

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"strings"
)

// source is where a pickle, or several in a row, are read from. Its first error stays: methods then return
// zero values.
type source struct {
	r    *bufio.Reader
	pos  int64 // bytes read
	left int64 // bytes that may still be read
	err  error
}

func newSource(r io.Reader, size int64) *source {
	return &source{r: bufio.NewReader(r), left: min(size, maxPickle)}
}

// fail notes err, unless it is nil or not the first.
func (s *source) fail(err error) {
	if s.err == nil {
		s.err = err
	}
}

// next returns the next n bytes. It allocates nothing for bytes that are not there.
func (s *source) next(n uint64) []byte {
	if n > uint64(s.left) {
		s.fail(fmt.Errorf("wants %d bytes of the %d left: %w", n, s.left, io.ErrUnexpectedEOF))
	}
	if s.err != nil {
		return nil
	}
	s.pos += int64(n)
	s.left -= int64(n)
	b := make([]byte, n)
	s.fail(readFull(s.r, b))
	return b
}

// number returns the next n bytes, at most 8, as a little-endian number.
func (s *source) number(n uint64) uint64 {
	var word [8]byte
	copy(word[:], s.next(n))
	return binary.LittleEndian.Uint64(word[:])
}

// counted returns as many bytes as the number before them, of n bytes, says.
func (s *source) counted(n uint64) []byte { return s.next(s.number(n)) }

// line returns the text up to the next newline.
func (s *source) line() string {
	var b strings.Builder
	for {
		c := s.number(1)
		if s.err != nil || c == '\n' {
			return b.String()
		}
		b.WriteByte(byte(c))
	}
}
