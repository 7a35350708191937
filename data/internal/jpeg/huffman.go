package jpeg

const badCode = FormatError("bad Huffman code")

// A huffman is a Huffman table (T.81, annex C), to be read with reader.symbol.
type huffman struct {
	lookup  [256]uint16 // by the next 8 bits: length << 8 | symbol; 0: the code is longer
	limit   [17]uint32  // by length: the next 16 bits of this and all shorter codes are below it
	offset  [17]int32   // by length: of a code's symbol, from the code
	symbols [256]uint8
}

// build makes h the table with counts[l-1] codes of length l, for symbols in this order.
func (h *huffman) build(counts [16]uint8, symbols []byte) error {
	*h = huffman{}
	copy(h.symbols[:], symbols)
	code, first := uint32(0), 0 // the next code, its symbol
	for l := 1; l <= 16; l++ {
		h.offset[l] = int32(first) - int32(code)
		for range counts[l-1] {
			if code >= 1<<l {
				return FormatError("bad Huffman table: more codes than there are bits for")
			}
			if l <= 8 {
				for i := code << (8 - l); i < (code+1)<<(8-l); i++ {
					h.lookup[i] = uint16(l)<<8 | uint16(symbols[first])
				}
			}
			code++
			first++
		}
		h.limit[l] = code << (16 - l)
		code <<= 1
	}
	return nil
}

// long returns the symbol whose code of 9 bits or more acc begins with, and the code's length; 0: there is none.
func (h *huffman) long(acc uint64) (symbol uint8, length int) {
	next := uint32(acc >> 48)
	for l := 9; l <= 16; l++ {
		if next < h.limit[l] {
			return h.symbols[uint8(int32(next>>(16-l))+h.offset[l])], l
		}
	}
	return 0, 0
}
