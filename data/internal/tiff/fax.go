package tiff

import (
	"errors"
	"io"
	"math/bits"
	"strings"
)

// Codes of the lengths of white and black runs (ITU-T T.4, tables 2 and 3): of 0 to 63, then 64 to 1728 in steps of
// 64; those of 1792 to 2560 are the same for both colours.
const (
	whiteCodes = "00110101 000111 0111 1000 1011 1100 1110 1111 10011 10100 00111 01000 001000 000011 110100 110101 " +
		"101010 101011 0100111 0001100 0001000 0010111 0000011 0000100 0101000 0101011 0010011 0100100 " +
		"0011000 00000010 00000011 00011010 00011011 00010010 00010011 00010100 00010101 00010110 00010111 " +
		"00101000 00101001 00101010 00101011 00101100 00101101 00000100 00000101 00001010 00001011 01010010 " +
		"01010011 01010100 01010101 00100100 00100101 01011000 01011001 01011010 01011011 01001010 01001011 " +
		"00110010 00110011 00110100 11011 10010 010111 0110111 00110110 00110111 01100100 01100101 01101000 " +
		"01100111 011001100 011001101 011010010 011010011 011010100 011010101 011010110 011010111 011011000 " +
		"011011001 011011010 011011011 010011000 010011001 010011010 011000 010011011 "
	blackCodes = "0000110111 010 11 10 011 0011 0010 00011 000101 000100 0000100 0000101 0000111 00000100 00000111 " +
		"000011000 0000010111 0000011000 0000001000 00001100111 00001101000 00001101100 00000110111 " +
		"00000101000 00000010111 00000011000 000011001010 000011001011 000011001100 000011001101 " +
		"000001101000 000001101001 000001101010 000001101011 000011010010 000011010011 000011010100 " +
		"000011010101 000011010110 000011010111 000001101100 000001101101 000011011010 000011011011 " +
		"000001010100 000001010101 000001010110 000001010111 000001100100 000001100101 000001010010 " +
		"000001010011 000000100100 000000110111 000000111000 000000100111 000000101000 000001011000 " +
		"000001011001 000000101011 000000101100 000001011010 000001100110 000001100111 0000001111 " +
		"000011001000 000011001001 000001011011 000000110011 000000110100 000000110101 0000001101100 " +
		"0000001101101 0000001001010 0000001001011 0000001001100 0000001001101 0000001110010 0000001110011 " +
		"0000001110100 0000001110101 0000001110110 0000001110111 0000001010010 0000001010011 0000001010100 " +
		"0000001010101 0000001011010 0000001011011 0000001100100 0000001100101 "
	longCodes = "00000001000 00000001100 00000001101 000000010010 000000010011 000000010100 000000010101 " +
		"000000010110 000000010111 000000011100 000000011101 000000011110 000000011111 "
)

const longest = 13 // bits of a code

// A faxCode is the run that a code stands for, and the code's length; 0: there is no such code.
type faxCode struct{ run, bits uint16 }

// faxCodes has the code that any 13 bits begin with, of white and black.
var faxCodes = func() (table [2][1 << longest]faxCode) {
	for colour, list := range []string{whiteCodes + longCodes, blackCodes + longCodes} {
		for i, code := range strings.Fields(list) {
			run := i
			if i >= 64 {
				run = (i - 63) * 64
			}
			first := 0
			for _, c := range code {
				first = first<<1 | int(c-'0')
			}
			rest := longest - len(code)
			for v := first << rest; v < (first+1)<<rest; v++ {
				table[colour][v] = faxCode{uint16(run), uint16(len(code))}
			}
		}
	}
	return table
}()

var errFax = errors.New("invalid fax code")

// A fax reads the rows of a bilevel picture in one of the CCITT compressions, packed, with black as 1.
type fax struct {
	data        []byte
	at          int // bit
	width       int
	compression uint64
	mixed       bool  // Group 3 with two-dimensional rows
	above, now  []int // where the colour changes, from white to black first
	row         []byte
	left        []byte // of row
}

const (
	faxRuns   = 2 // rows that begin at bytes
	faxGroup3 = 3 // rows after end-of-line codes, which may be missing
	faxGroup4 = 4 // rows coded by that above
)

func (f *fax) Read(p []byte) (int, error) {
	if len(f.left) == 0 {
		if err := f.next(); err != nil {
			return 0, err
		}
	}
	n := copy(p, f.left)
	f.left = f.left[n:]
	return n, nil
}

// next decodes a row.
func (f *fax) next() error {
	f.above, f.now = f.now, f.above[:0]
	byAbove := f.compression == faxGroup4
	switch f.compression {
	case faxRuns:
		f.at = (f.at + 7) &^ 7
	case faxGroup3:
		ended := f.endOfLine()
		if f.mixed {
			if !ended {
				return errFax
			}
			byAbove = f.peek(1) == 0
			f.at++
		}
	}
	var err error
	if byAbove {
		err = f.changes()
	} else {
		err = f.runs()
	}
	if f.at > 8*len(f.data) {
		return io.ErrUnexpectedEOF
	}
	if err != nil {
		return err
	}
	if f.row == nil {
		f.row = make([]byte, (f.width+7)/8)
	}
	clear(f.row)
	for i := 0; i < len(f.now); i += 2 {
		end := f.width
		if i+1 < len(f.now) {
			end = f.now[i+1]
		}
		for x := f.now[i]; x < end; x++ {
			f.row[x/8] |= 0x80 >> (x % 8)
		}
	}
	f.left = f.row
	return nil
}

// peek returns the next n bits, at most 24; beyond the end they are 0.
func (f *fax) peek(n int) int {
	var v uint32
	for i := range 4 {
		v <<= 8
		if k := f.at/8 + i; k < len(f.data) {
			v |= uint32(f.data[k])
		}
	}
	return int(v << (f.at % 8) >> (32 - n))
}

// endOfLine skips an end-of-line code, at least eleven zeros and a one, and reports whether there was one.
func (f *fax) endOfLine() bool {
	if f.peek(11) != 0 {
		return false
	}
	for at := f.at + 11; at < 8*len(f.data); at++ {
		if f.data[at/8]&(0x80>>(at%8)) != 0 {
			f.at = at + 1
			return true
		}
	}
	return false
}

// run returns the length of a run of a colour, 0 white and 1 black.
func (f *fax) run(colour int) (int, error) {
	for total := 0; ; {
		c := faxCodes[colour][f.peek(longest)]
		f.at += int(c.bits)
		total += int(c.run)
		if c.bits == 0 || total > f.width {
			return 0, errFax
		}
		if c.run < 64 {
			return total, nil
		}
	}
}

// runs decodes a row of runs, white and black in turn (T.4, 4.1).
func (f *fax) runs() error {
	x := 0
	for colour := 0; x < f.width; colour ^= 1 {
		n, err := f.run(colour)
		if err != nil {
			return err
		}
		if x += n; x > f.width {
			return errFax
		}
		f.now = append(f.now, x)
	}
	f.now = f.now[:len(f.now)-1] // at the end
	return nil
}

// changes decodes a row by its differences from that above (T.4, 4.2; T.6).
func (f *fax) changes() error {
	colour, next := 0, 0 // next change above
	for x := -1; x < f.width; {
		// b1 is the first change above, to the other colour, right of x, and b2 the one after it.
		for next > 0 && f.change(next-1) > x {
			next--
		}
		for next < len(f.above) && f.above[next] <= x || next%2 != colour {
			next++
		}
		to := 0
		switch v := f.peek(7); bits.LeadingZeros8(uint8(v << 1)) {
		case 0: // 1
			f.at++
			to = f.change(next)
		case 1: // 011, 010
			f.at += 3
			to = f.change(next) + 2*(v>>4&1) - 1
		case 2: // 001: two runs
			f.at += 3
			for i := range 2 {
				n, err := f.run(colour ^ i)
				if err != nil {
					return err
				}
				if x = max(x, 0) + n; x > f.width {
					return errFax
				}
				if x < f.width || i == 0 {
					f.now = append(f.now, min(x, f.width))
				}
			}
			continue
		case 3: // 0001: past b2
			f.at += 4
			x = f.change(next + 1)
			continue
		case 4: // 000011, 000010
			f.at += 6
			to = f.change(next) + 4*(v>>1&1) - 2
		case 5: // 0000011, 0000010
			f.at += 7
			to = f.change(next) + 6*(v&1) - 3
		default:
			return errFax
		}
		if to < max(x, 0) || to > f.width {
			return errFax
		}
		x = to
		if x < f.width {
			f.now = append(f.now, x)
		}
		colour ^= 1
	}
	return nil
}

// change returns the place of change i above, the end of the row if there are fewer.
func (f *fax) change(i int) int {
	if i < len(f.above) {
		return f.above[i]
	}
	return f.width
}
