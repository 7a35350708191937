package jpeg

import "encoding/binary"

// A block is 8x8 coefficients, row by row, multiplied by their quantisation steps.
type block [64]int32

// zigzag is the place in a block of the coefficient with each index in a file (T.81, figure A.6).
var zigzag = [64]uint8{
	0, 1, 8, 16, 9, 2, 3, 10,
	17, 24, 32, 25, 18, 11, 4, 5,
	12, 19, 26, 33, 40, 48, 41, 34,
	27, 20, 13, 6, 7, 14, 21, 28,
	35, 42, 49, 56, 57, 50, 43, 36,
	29, 22, 15, 23, 30, 37, 44, 51,
	58, 59, 52, 45, 38, 31, 39, 46,
	53, 60, 61, 54, 47, 55, 62, 63,
}

// The numbers of the transform, times 1 << fraction. cN is the cosine of N pi / 16, times the square root of two.
const (
	fraction = 13
	extra    = 2 // further bits that the columns keep for the rows

	c6          = 4433  // 0.541196100
	c2minusC6   = 6270  // 0.765366865
	c2plusC6    = 15137 // 1.847759065
	c3          = 9633  // 1.175875602
	c3minusC5   = 3196  // 0.390180644
	c3plusC5    = 16069 // 1.961570560
	c3minusC7   = 7373  // 0.899976223
	c1plusC3    = 20995 // 2.562915447
	oddFactor7  = 2446  // 0.298631336, -c1+c3+c5-c7
	oddFactor5  = 16819 // 2.053119869,  c1+c3-c5+c7
	oddFactor3  = 25172 // 3.072711026,  c1+c3+c5-c7
	oddFactor1  = 12299 // 1.501321110,  c1+c3-c5-c7
	columnShift = fraction - extra
	rowShift    = fraction + extra + 3 // the two passes scale by 8
)

// inverse writes the samples of b to dst. It is the transform of Loeffler, Ligtenberg and Moschytz ("Practical fast
// 1-D DCT algorithms with 11 multiplications", ICASSP 1989), for columns and then rows, in libjpeg's fixed-point
// arithmetic ("islow", jidctint.c), and so its samples exactly. b's contents are lost.
func inverse(b *block, dst []uint8, stride int) {
	for x := range 8 {
		c := b[x : x+57 : 64]
		if c[8]|c[16]|c[24]|c[32]|c[40]|c[48]|c[56] == 0 {
			v := c[0] << extra
			c[0], c[8], c[16], c[24], c[32], c[40], c[48], c[56] = v, v, v, v, v, v, v, v
			continue
		}
		e0, e1, e2, e3 := even(c[0], c[16], c[32], c[48], 1<<(columnShift-1))
		o0, o1, o2, o3 := odd(c[8], c[24], c[40], c[56])
		c[0], c[56] = (e0+o0)>>columnShift, (e0-o0)>>columnShift
		c[8], c[48] = (e1+o1)>>columnShift, (e1-o1)>>columnShift
		c[16], c[40] = (e2+o2)>>columnShift, (e2-o2)>>columnShift
		c[24], c[32] = (e3+o3)>>columnShift, (e3-o3)>>columnShift
	}
	for y := range 8 {
		r := b[8*y : 8*y+8 : 8*y+8]
		d := dst[y*stride : y*stride+8 : y*stride+8]
		// The samples' middle, 128, is added with the rounding.
		e0, e1, e2, e3 := even(r[0], r[2], r[4], r[6], 128<<rowShift+1<<(rowShift-1))
		o0, o1, o2, o3 := odd(r[1], r[3], r[5], r[7])
		d[0], d[7] = clip((e0+o0)>>rowShift), clip((e0-o0)>>rowShift)
		d[1], d[6] = clip((e1+o1)>>rowShift), clip((e1-o1)>>rowShift)
		d[2], d[5] = clip((e2+o2)>>rowShift), clip((e2-o2)>>rowShift)
		d[3], d[4] = clip((e3+o3)>>rowShift), clip((e3-o3)>>rowShift)
	}
}

// even is the part of the even coefficients in the first four of eight values; bias is added to each.
func even(x0, x2, x4, x6, bias int32) (e0, e1, e2, e3 int32) {
	z := (x2 + x6) * c6
	a, b := z+x2*c2minusC6, z-x6*c2plusC6
	s, d := (x0+x4)<<fraction+bias, (x0-x4)<<fraction+bias
	return s + a, d + b, d - b, s - a
}

// odd is the part of the odd coefficients in the first four of eight values; in the last four it is the negative.
func odd(x1, x3, x5, x7 int32) (o0, o1, o2, o3 int32) {
	z := (x1 + x3 + x5 + x7) * c3
	z1, z2 := (x7+x1)*c3minusC7, (x5+x3)*c1plusC3
	z3, z4 := z-(x7+x3)*c3plusC5, z-(x5+x1)*c3minusC5
	return x1*oddFactor1 - z1 + z4, x3*oddFactor3 - z2 + z3, x5*oddFactor5 - z2 + z4, x7*oddFactor7 - z1 + z3
}

// flat writes the samples of a block that has only the coefficient dc: what inverse writes.
func flat(dc int32, dst []uint8, stride int) {
	v := uint64(clip((dc+4)>>3+128)) * (1<<56 | 1<<48 | 1<<40 | 1<<32 | 1<<24 | 1<<16 | 1<<8 | 1)
	for y := range 8 {
		binary.LittleEndian.PutUint64(dst[y*stride:], v)
	}
}

// clip limits v to 0..255.
func clip(v int32) uint8 {
	if uint32(v) > 255 {
		v = ^(v >> 31) // 0 below, 255 above
	}
	return uint8(v)
}
