package jpeg

import "io"

// A scan is one pass over the blocks of some components (T.81, B.2.3). It goes over units: the MCUs of several
// components, the blocks of an only one (T.81, A.2).
type scan struct {
	*file
	in         reader
	parts      []part
	across     int // units in a row
	units      int
	start, end int  // the first and last coefficient
	low        uint // the lowest bit that the scan sends
	eobRun     int  // blocks to come that have no further coefficients (T.81, G.1.2.2)
}

// A part is a component's part in a scan.
type part struct {
	*component
	h, v     int // blocks in a unit
	dcs, acs *huffman
	last     int32     // DC coefficient
	steps    [64]int32 // quantisation table
}

// scan reads a scan header and decodes the scan.
func (f *file) scan(p []byte) error {
	if f.frame == nil {
		return FormatError("scan before the frame header")
	}
	if len(p) < 1 || len(p) != 4+2*int(p[0]) || p[0] < 1 || int(p[0]) > len(f.frame.components) {
		return FormatError("bad length of a scan header")
	}
	n := int(p[0])
	s := &scan{file: f, in: reader{data: f.data, pos: f.pos}, parts: make([]part, n), end: 63}
	refine := false
	if tail := p[1+2*n:]; f.frame.progressive { // sequential files may have anything there
		s.start, s.end, s.low = int(tail[0]), int(tail[1]), uint(tail[2]&15)
		high := uint(tail[2] >> 4)
		refine = high != 0
		// T.81, G.1.1.1 and table B.3.
		band := s.start <= s.end && s.end <= 63 && (s.end == 0 || s.start > 0 && n == 1)
		if !band || s.low > 13 || refine && high != s.low+1 {
			return FormatError("bad parameters of a progressive scan")
		}
	}
	for i := range s.parts {
		if err := s.join(&s.parts[i], p[1+2*i], p[2+2*i], refine); err != nil {
			return err
		}
	}
	s.across, s.units = f.frame.mcuX, f.frame.mcuX*f.frame.mcuY
	if n == 1 {
		c := &s.parts[0]
		c.h, c.v = 1, 1
		s.across, s.units = c.blocksX, c.blocksX*c.blocksY
	}
	decode := s.acRefine
	switch {
	case !f.frame.progressive:
		decode = s.sequential
		if f.frame.components[0].pix == nil {
			f.allocate()
		}
	case s.start == 0 && refine:
		decode = s.dcRefine
	case s.start == 0:
		decode = s.dcFirst
	case !refine:
		decode = s.acFirst
	}
	err := s.run(decode)
	f.pos = s.in.pos
	return err
}

// join makes the component called id part of s.
func (s *scan) join(p *part, id, tables uint8, refine bool) error {
	fr := s.frame
	for i := range fr.components {
		if fr.components[i].id == id {
			p.component = &fr.components[i]
		}
	}
	c := p.component
	if c == nil {
		return FormatError("scan of a component that the frame lacks")
	}
	p.h, p.v = c.h, c.v
	if c.quant == nil {
		if c.quant = s.quant[c.table]; c.quant == nil {
			return FormatError("no quantisation table")
		}
		if fr.progressive {
			c.dc, c.ac = make([]int16, c.across*c.down), make([]uint32, c.across*c.down)
		}
	}
	for k, v := range c.quant {
		p.steps[k] = int32(v)
	}

	// Each coefficient comes once, and then bit by bit (T.81, G.1.1.1.2).
	last, want := int8(s.low), int8(uncoded)
	if refine {
		want = last + 1
	}
	for k := s.start; k <= s.end; k++ {
		if c.precision[k] != want {
			return FormatError("scan of coefficients out of turn")
		}
		c.precision[k] = last
	}

	dc, ac := tables>>4, tables&15
	if dc > 3 || ac > 3 {
		return FormatError("bad number of a Huffman table")
	}
	p.dcs, p.acs = s.huff[0][dc], s.huff[1][ac]
	if !fr.progressive && p.dcs == nil {
		p.dcs = standard(0, dc)
	}
	if !fr.progressive && p.acs == nil {
		p.acs = standard(1, ac)
	}
	if p.dcs == nil && s.start == 0 && !refine || p.acs == nil && s.end > 0 {
		return FormatError("no Huffman table")
	}
	return nil
}

// atOnce is how many blocks are decoded before the context is asked again.
const atOnce = 4096

// run decodes the units of s. decode does those from one to another and returns the first that is left, because
// the data are short.
func (s *scan) run(decode func(from, to int) (int, error)) error {
	interval := s.interval
	next := uint8(0) // number of the next restart marker
	step := 0        // units at once
	for i := range s.parts {
		step += s.parts[i].h * s.parts[i].v
	}
	step = atOnce / step
	present := false // the data behind a restart marker that is missing are somewhere in the file
	for at := 0; ; {
		end := s.units
		if interval > 0 {
			end = min(end, at+interval)
		}
		for at < end && !s.in.short() {
			if err := s.ctx.Err(); err != nil {
				return err
			}
			var err error
			if at, err = decode(at, min(end, at+step)); err != nil && !s.in.short() {
				return err
			}
		}
		if s.in.short() && s.in.ended() || end == s.units && end-at >= s.across && !present && !s.in.restarts() {
			return io.ErrUnexpectedEOF // rows are missing
		}
		if !s.frame.progressive { // else the coefficients stay as they are
			s.grey(at, end)
		}
		if end == s.units {
			return nil
		}
		var follows bool
		var err error
		if follows, present, err = s.restart(next); err != nil {
			return err
		}
		if !follows {
			interval = 0
		}
		at, next = end, (next+1)&7
	}
}

// grey makes units grey.
func (s *scan) grey(from, to int) {
	for u := from; u < to; u++ {
		for i := range s.parts {
			p := &s.parts[i]
			for y := range p.v {
				for x := range p.h {
					flat(0, p.samples(u%s.across*p.h+x, u/s.across*p.v+y), p.stride())
				}
			}
		}
	}
}

// restart begins a restart interval behind the marker with this number. What to make of another one is what
// libjpeg does (jpeg_resync_to_restart in jdmarker.c): one or two too far, the interval is lost and the marker
// waits; one or two too early, it is passed over; else it is taken for the right one. Before any other segment
// no interval follows. present says whether data were passed over or wait.
func (s *scan) restart(number uint8) (follows, present bool, err error) {
	present = s.in.left() > 0
	s.eobRun = 0
	for i := range s.parts {
		s.parts[i].last = 0
	}
	for s.pos = s.in.pos; ; {
		from := s.pos
		marker, ok := s.marker()
		if !ok {
			return false, false, io.ErrUnexpectedEOF
		}
		at := s.pos - 2
		present = present || at > from
		follows = rst0 <= marker && marker <= rst7
		switch ahead := (marker - rst0 - number) & 7; {
		case marker < sof0, follows && ahead >= 6:
			present = true
		case !follows, ahead == 1, ahead == 2:
			s.in.wait(at)
			return follows, present || follows, nil
		default:
			s.in.reset(s.pos)
			return true, false, nil
		}
	}
}
