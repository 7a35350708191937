package jpeg

import "encoding/binary"

// A reader reads the bits of entropy-coded data: bytes from the top bit on, FF written as FF 00 (T.81, F.1.2.3),
// up to a marker or the end of the file. Behind that it gives zeros, as libjpeg does.
type reader struct {
	data []byte
	pos  int    // in data; at most at the next marker
	acc  uint64 // the next bits, from the top on
	n    int    // number of bits in acc
	pad  int    // how many of the bits ever in acc are zeros from behind the end
}

// left is how many whole bytes of the file are in acc.
func (r *reader) left() int { return max(0, r.n-r.pad) / 8 }

// ended reports whether there is nothing more in the file, not even a marker.
func (r *reader) ended() bool { return r.pos+1 >= len(r.data) }

// restarts reports whether the data end at a restart marker.
func (r *reader) restarts() bool {
	return !r.ended() && r.data[r.pos] == 0xff && rst0 <= r.data[r.pos+1] && r.data[r.pos+1] <= rst7
}

// short reports whether bits from behind the end were taken.
func (r *reader) short() bool { return r.n < r.pad }

// reset begins anew at pos.
func (r *reader) reset(pos int) { r.pos, r.acc, r.n, r.pad = pos, 0, 0, 0 }

// fill makes acc hold at least 48 bits.
func (r *reader) fill() {
	if r.pos+8 <= len(r.data) {
		v := binary.BigEndian.Uint64(r.data[r.pos:])
		if !hasFF(v) {
			r.acc |= v >> (r.n & 63)
			whole := (63 - r.n) >> 3 // bytes; the bits of acc behind them are the next byte's already
			r.pos += whole
			r.n += 8 * whole
			return
		}
	}
	r.fillSlow()
}

// hasFF reports whether a byte of v is 0xff.
func hasFF(v uint64) bool {
	const each = 1<<56 | 1<<48 | 1<<40 | 1<<32 | 1<<24 | 1<<16 | 1<<8 | 1
	return (^v-each)&v&(0x80*each) != 0
}

// fillSlow is fill byte by byte.
func (r *reader) fillSlow() {
	for r.n <= 56 {
		if r.pos >= len(r.data) {
			r.padding()
			return
		}
		c := r.data[r.pos]
		next := r.pos + 1
		if c == 0xff {
			for next < len(r.data) && r.data[next] == 0xff {
				next++
			}
			if next >= len(r.data) || r.data[next] != 0 {
				r.pos = next - 1 // the marker's FF
				r.padding()
				return
			}
			next++
		}
		r.pos = next
		r.acc |= uint64(c) << (56 - r.n)
		r.n += 8
	}
}

func (r *reader) padding() {
	r.pad += 64 - r.n
	r.n = 64
}

// take returns the next count bits, at most 16.
func (r *reader) take(count int) int32 {
	if r.n < count {
		r.fill()
	}
	v := r.acc >> 1 >> (63 - count&63)
	r.acc <<= count & 63
	r.n -= count
	return int32(v)
}

// symbol returns the next Huffman symbol.
func (r *reader) symbol(h *huffman) (uint8, error) {
	if r.n < 16 {
		r.fill()
	}
	if e := h.lookup[r.acc>>56]; e != 0 {
		r.acc <<= e >> 8 & 63
		r.n -= int(e >> 8)
		return uint8(e), nil
	}
	symbol, length := h.long(r.acc)
	if length == 0 {
		return 0, badCode
	}
	r.acc <<= length & 63
	r.n -= length
	return symbol, nil
}

// signed returns the next size bits as T.81's table F.1 has them: values without their top bit are negative.
func (r *reader) signed(size int) int32 {
	v := r.take(size)
	if size > 0 && v < 1<<(size-1) {
		v += 1 - 1<<size
	}
	return v
}

// wait begins anew before the marker at pos, where there are no data: zeros follow unless the data were short
// before. So libjpeg has one MCU of zeros before grey.
func (r *reader) wait(pos int) {
	short := r.short()
	r.reset(pos)
	if short {
		r.pad = 1
	}
}
