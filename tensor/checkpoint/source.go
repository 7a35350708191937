package checkpoint

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"strings"
)

// source is the bytes that a pickle, or several in a row, are read from.
type source struct {
	r    *bufio.Reader
	pos  int64 // bytes read
	left int64 // bytes that may still be read
	word [8]byte
}

func newSource(r io.Reader, size int64) *source {
	return &source{r: bufio.NewReader(r), left: min(size, maxPickle)}
}

// next returns the next n bytes. Nothing is allocated for bytes that are not there.
func (s *source) next(n uint64) ([]byte, error) {
	if n > uint64(s.left) {
		return nil, fmt.Errorf("wants %d bytes of the %d left: %w", n, s.left, io.ErrUnexpectedEOF)
	}
	b := make([]byte, n)
	return b, s.fill(b)
}

// number returns the next n bytes, at most 8, as a little-endian number.
func (s *source) number(n uint64) (uint64, error) {
	clear(s.word[:])
	err := s.fill(s.word[:n])
	return binary.LittleEndian.Uint64(s.word[:]), err
}

// fill reads len(b) bytes.
func (s *source) fill(b []byte) error {
	n := int64(len(b))
	if n > s.left {
		return fmt.Errorf("wants %d bytes of the %d left: %w", n, s.left, io.ErrUnexpectedEOF)
	}
	s.pos += n
	s.left -= n
	return readFull(s.r, b)
}

// counted returns as many bytes as the number before them, of n bytes, says.
func (s *source) counted(n uint64) ([]byte, error) {
	size, err := s.number(n)
	if err != nil {
		return nil, err
	}
	return s.next(size)
}

// line returns the text up to the next newline.
func (s *source) line() (string, error) {
	var b strings.Builder
	for {
		c, err := s.number(1)
		if err != nil || c == '\n' {
			return b.String(), err
		}
		b.WriteByte(byte(c))
	}
}
