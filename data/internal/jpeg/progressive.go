package jpeg

import "math/bits"

// blocks holds the blocks of progressive frames that have AC coefficients.
type blocks struct {
	chunks [][]sparse
	n      uint32 // blocks, and one that is not used
}

// sparse is a block of coefficients in zigzag order; bit k of mask says that coefficient k is not zero.
type sparse struct {
	mask         uint64
	coefficients [64]int16
}

const chunk = 512 // blocks

// at returns the block with this number, and nil for 0.
func (b *blocks) at(i uint32) *sparse {
	if i == 0 {
		return nil
	}
	return &b.chunks[i/chunk][i%chunk]
}

// add returns a new block and its number.
func (b *blocks) add() (*sparse, uint32) {
	b.n++
	if int(b.n/chunk) >= len(b.chunks) {
		b.chunks = append(b.chunks, make([]sparse, chunk))
	}
	return b.at(b.n), b.n
}

// each calls do with the place of each block of the units.
func (s *scan) each(from, to int, do func(p *part, i int) error) (int, error) {
	for u := from; u < to; u++ {
		for i := range s.parts {
			p := &s.parts[i]
			for y := range p.v {
				for x := range p.h {
					if err := do(p, (u/s.across*p.v+y)*p.component.across+u%s.across*p.h+x); err != nil {
						return u, err
					}
				}
			}
		}
		if s.in.short() {
			return u + 1, nil
		}
	}
	return to, nil
}

// dcFirst decodes the first pass of DC coefficients (T.81, G.1.2.1).
func (s *scan) dcFirst(from, to int) (int, error) {
	return s.each(from, to, func(p *part, i int) error {
		size, err := s.in.symbol(p.dcs)
		if err != nil {
			return err
		}
		p.last += s.in.signed(int(size))
		p.dc[i] = int16(p.last << s.low)
		return nil
	})
}

// dcRefine adds a bit to DC coefficients (T.81, G.1.2.1).
func (s *scan) dcRefine(from, to int) (int, error) {
	return s.each(from, to, func(p *part, i int) error {
		p.dc[i] |= int16(s.in.take(1) << s.low)
		return nil
	})
}

// place is the place of block u of the only component.
func (s *scan) place(u int) int { return u/s.across*s.parts[0].component.across + u%s.across }

// acFirst decodes the first pass of AC coefficients (T.81, G.1.2.2). Runs of blocks without any are passed over.
func (s *scan) acFirst(from, to int) (int, error) {
	p := &s.parts[0]
	for u := from; u < to; u++ {
		if s.eobRun > 0 {
			n := min(s.eobRun, to-u)
			s.eobRun -= n
			u += n - 1
			continue
		}
		i := s.place(u)
		b := s.sparse.at(p.ac[i])
		for k := s.start; k <= s.end; k++ {
			symbol, err := s.in.symbol(p.acs)
			if err != nil {
				return u, err
			}
			run, size := int(symbol>>4), int(symbol&15)
			if size == 0 && run < 15 {
				s.eobRun = 1<<run + int(s.in.take(run)) - 1
				break
			}
			if k += run; size == 0 {
				continue
			}
			if b == nil {
				b, p.ac[i] = s.sparse.add()
			}
			b.set(k, int16(s.in.signed(size)<<s.low))
		}
		if s.in.short() {
			return u + 1, nil
		}
	}
	return to, nil
}

// set sets a coefficient. Damaged data, as in libjpeg, may have one too many.
func (b *sparse) set(k int, v int16) {
	k = min(k, 63)
	if v != 0 { // it overflows in damaged data
		b.coefficients[k] = v
		b.mask |= 1 << k
	}
}

// acRefine adds a bit to AC coefficients (T.81, G.1.2.3).
func (s *scan) acRefine(from, to int) (int, error) {
	p := &s.parts[0]
	band := uint64(1)<<(s.end+1) - 1 // shifted by 64, it is 0: all ones
	for u := from; u < to; u++ {
		i := s.place(u)
		b := s.sparse.at(p.ac[i])
		k := s.start
		if s.eobRun == 0 {
			for k <= s.end {
				symbol, err := s.in.symbol(p.acs)
				if err != nil {
					return u, err
				}
				run, size := int(symbol>>4), int(symbol&15)
				var v int16
				switch {
				case size > 0:
					v = int16(2*s.in.take(1)-1) << s.low
				case run < 15:
					s.eobRun = 1<<run + int(s.in.take(run))
				}
				if s.eobRun > 0 {
					break
				}
				// The new coefficient comes behind run others that are still zero.
				for ; k <= s.end; k++ {
					if b != nil && b.mask>>k&1 != 0 {
						s.correct(b, k)
					} else if run--; run < 0 {
						break
					}
				}
				if v != 0 {
					if b == nil {
						b, p.ac[i] = s.sparse.add()
					}
					b.set(k, v)
				}
				k++
			}
		} else if err := s.visit(1); err != nil {
			return u, err
		}
		if s.eobRun > 0 {
			s.eobRun--
			if b != nil {
				for m := b.mask & band >> k << k; m != 0; m &= m - 1 {
					s.correct(b, bits.TrailingZeros64(m))
				}
			}
		}
		if s.in.short() {
			return u + 1, nil
		}
	}
	return to, nil
}

// correct reads the next bit of a coefficient, away from zero.
func (s *scan) correct(b *sparse, k int) {
	if s.in.take(1) == 0 {
		return
	}
	if c := &b.coefficients[k]; *c >= 0 {
		*c += 1 << s.low
	} else {
		*c -= 1 << s.low
	}
}

// transform makes samples of the coefficients of a progressive frame.
func (f *file) transform() error {
	f.allocate()
	for i := range f.frame.components {
		c := &f.frame.components[i]
		for y := range c.blocksY {
			if err := f.ctx.Err(); err != nil {
				return err
			}
			for x := range c.blocksX {
				i := y*c.across + x
				var b block
				b[0] = int32(c.dc[i]) * int32(c.quant[0])
				s := f.sparse.at(c.ac[i])
				if s == nil {
					flat(b[0], c.samples(x, y), c.stride())
					continue
				}
				for m := s.mask; m != 0; m &= m - 1 {
					k := bits.TrailingZeros64(m)
					b[zigzag[k]] = int32(s.coefficients[k]) * int32(c.quant[k])
				}
				inverse(&b, c.samples(x, y), c.stride())
			}
		}
	}
	return nil
}
