package checkpoint

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
)

// source is where a pickle, or several in a row, are read from. Its first error stays: methods then return
// zero values.
type source struct {
	r    *bufio.Reader
	pos  int64 // bytes read
	left int64 // bytes that may still be read
	word [8]byte
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

// take fills b with the next bytes.
func (s *source) take(b []byte) {
	if s.want(uint64(len(b))); s.err != nil {
		return
	}
	s.pos += int64(len(b))
	s.left -= int64(len(b))
	s.fail(readFull(s.r, b))
}

// want fails if n bytes are not left.
func (s *source) want(n uint64) {
	if n > uint64(s.left) {
		s.fail(fmt.Errorf("wants %d bytes of the %d left: %w", n, s.left, io.ErrUnexpectedEOF))
	}
}

// next returns the next n bytes. It allocates nothing for bytes that are not there.
func (s *source) next(n uint64) []byte {
	if s.want(n); s.err != nil {
		return nil
	}
	b := make([]byte, n)
	s.take(b)
	return b
}

// number returns the next n bytes, at most 8, as a little-endian number.
func (s *source) number(n uint64) uint64 {
	s.word = [8]byte{}
	if s.take(s.word[:n]); s.err != nil {
		return 0
	}
	return binary.LittleEndian.Uint64(s.word[:])
}

// line returns the text up to the next newline, at most one byte longer than most.
func (s *source) line(most int) string {
	var b []byte
	for len(b) <= most {
		c := s.number(1)
		if s.err != nil || c == '\n' {
			break
		}
		b = append(b, byte(c))
	}
	return string(b)
}
