package data

import "encoding/binary"

// A plane is one component of an image whose components differ in size. Pixel (x, y) of the image lies in sample
// ((x+dx)*h/maxH, (y+dy)*v/maxV).
type plane struct {
	pix                   []uint8
	stride, width, height int // samples
	h, maxH, v, maxV      int
	dx, dy                int    // where the image begins inside the first sample
	odd                   uint64 // rounds 16ths in odd columns, if both sides are halved; even ones add 8
}

// An upsampler gives the rows of a plane the image's width. It interpolates planes of half the width or height,
// three parts of the nearer sample to one of the farther, and repeats the nearest sample for other ratios: what
// libjpeg does (jdsample.c, "fancy upsampling").
type upsampler struct {
	plane
	width           int  // of the image
	wide, high      bool // samples are interpolated over the width, the height
	buffer, scratch []uint8
}

func newUpsampler(p plane, width int) upsampler {
	u := upsampler{plane: p, width: width}
	half, low := p.maxH == 2*p.h, p.maxV == 2*p.v
	// libjpeg interpolates no planes of at most two columns. A sub-image may start between two samples; no
	// decoder's does.
	u.wide = half && (low || p.maxV == p.v) && p.width > 2 && p.dx|p.dy == 0
	u.high = low && (u.wide || p.maxH == p.h) && p.dy == 0
	if p.maxH != p.h || u.high {
		room := 2*p.width + 10 // what widen needs
		memory := make([]uint8, room+max(room, width))
		u.scratch, u.buffer = memory[:room:room], memory[room:]
	}
	return u
}

// row returns row y, valid until the next call.
func (u *upsampler) row(y int) []uint8 {
	at := (u.dy + y) * u.v / u.maxV
	near := u.pix[at*u.stride:][:u.plane.width]
	// The other row that counts is the one this row of pixels is closer to.
	far := near
	if u.high && y&1 == 0 && at > 0 {
		far = u.pix[(at-1)*u.stride:][:u.plane.width]
	} else if u.high && y&1 == 1 && at+1 < u.height {
		far = u.pix[(at+1)*u.stride:][:u.plane.width]
	}
	switch {
	case u.wide && u.high:
		widen(u.buffer, near, far, u.scratch, 8, u.odd)
	case u.wide:
		widen(u.buffer, near, near, u.scratch, 4, 8)
	case u.high:
		for x, v := range near {
			u.buffer[x] = uint8((3*int32(v) + int32(far[x]) + 1 + int32(y&1)) >> 2)
		}
	case u.maxH == u.h:
		return near
	default:
		u.repeat(near)
	}
	return u.buffer
}

// repeat fills the buffer with the nearest samples.
func (u *upsampler) repeat(near []uint8) {
	at, part := 0, u.dx*u.h // the sample, and the place in it in h-ths of a pixel
	for x := range u.width {
		for part >= u.maxH {
			at, part = at+1, part-u.maxH
		}
		u.buffer[x] = near[at]
		part += u.h
	}
}

// widen writes two values for each sample of a row of chroma. With the sum s = 3 near + far of a sample and t
// of its neighbour on the value's side, it is (3 s + t + even or odd) / 16. The arithmetic is done on four
// 16-bit numbers in a word. dst and scratch have room for 2 len(near) + 10 bytes.
func widen(dst, near, far, scratch []uint8, even, odd uint64) {
	n := len(near)
	far = far[:n]
	// scratch has the sums from its second number on, between copies of the first and last.
	i := 0
	for ; i+4 <= n; i += 4 {
		a, b := binary.LittleEndian.Uint32(near[i:i+4]), binary.LittleEndian.Uint32(far[i:i+4])
		binary.LittleEndian.PutUint64(scratch[2*i+2:], 3*spread(a)+spread(b))
	}
	for ; i < n; i++ {
		binary.LittleEndian.PutUint16(scratch[2*i+2:], 3*uint16(near[i])+uint16(far[i]))
	}
	copy(scratch[:2], scratch[2:4])
	copy(scratch[2*n+2:2*n+4], scratch[2*n:])
	const (
		each = 1<<48 + 1<<32 + 1<<16 + 1
		low  = 0xff * each
	)
	even, odd = even*each, odd*each
	for i := 0; i < 2*n; i += 8 {
		sums := scratch[i : i+12]
		last, s, next := binary.LittleEndian.Uint64(sums), 3*binary.LittleEndian.Uint64(sums[2:]), binary.LittleEndian.Uint64(sums[4:])
		binary.LittleEndian.PutUint64(dst[i:i+8], (s+last+even)>>4&low|(s+next+odd)>>4&low<<8)
	}
}

// spread moves four bytes apart, into 16 bits each.
func spread(v uint32) uint64 {
	x := uint64(v)
	x = (x | x<<16) & 0x0000ffff0000ffff
	return (x | x<<8) & 0x00ff00ff00ff00ff
}
