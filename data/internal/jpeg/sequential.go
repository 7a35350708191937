package jpeg

// sequential decodes units of a sequential scan and transforms their blocks.
func (s *scan) sequential(from, to int) (int, error) {
	var b block
	ux, uy := from%s.across, from/s.across
	for u := from; u < to; u++ {
		for i := range s.parts {
			p := &s.parts[i]
			for y := range p.v {
				for x := range p.h {
					last, err := s.in.block(&b, p)
					if err != nil && !s.in.short() {
						return u, err
					}
					dst := p.samples(ux*p.h+x, uy*p.v+y)
					if last == 0 {
						flat(b[0], dst, p.stride())
						continue
					}
					inverse(&b, dst, p.stride())
					b = block{}
				}
			}
		}
		if s.in.short() {
			return u + 1, nil
		}
		if ux++; ux == s.across {
			ux, uy = 0, uy+1
		}
	}
	return to, nil
}

// block reads a block's coefficients (T.81, F.2.2), which are zero before, and returns the index of the last that
// is not zero.
func (r *reader) block(b *block, p *part) (last int, err error) {
	size, err := r.symbol(p.dcs)
	if err != nil {
		return 0, err
	}
	p.last += r.signed(int(size))
	b[0] = p.last * p.steps[0]

	acs, steps := p.acs, &p.steps
	acc, n := r.acc, r.n
	for k := 1; k < 64; k++ {
		if n < 32 { // a code has up to 16 bits, a coefficient up to 15
			r.acc, r.n = acc, n
			r.fill()
			acc, n = r.acc, r.n
		}
		e := acs.lookup[acc>>56]
		symbol, length := uint8(e), int(e>>8)
		if length == 0 {
			if symbol, length = acs.long(acc); length == 0 {
				r.acc, r.n = acc, n
				return last, badCode
			}
		}
		size := int(symbol & 15)
		k += int(symbol >> 4)
		if size == 0 {
			acc <<= length & 63
			n -= length
			if symbol == 0xf0 {
				continue
			}
			break // end of block
		}
		k = min(k, 63) // in damaged data, as in libjpeg
		acc <<= length & 63
		// The first bit says whether the value is positive (T.81, table F.1).
		negative := ^int64(acc) >> 63
		v := int32(acc>>(64-size)) + int32(negative&(1-1<<size))
		acc <<= size & 63
		n -= length + size
		b[zigzag[k]&63] = v * steps[k]
		last = k
	}
	r.acc, r.n = acc, n
	return last, nil
}
