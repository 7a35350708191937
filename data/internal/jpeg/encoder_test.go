package jpeg

import (
	"encoding/binary"
	"math/bits"
	"math/rand/v2"
)

// A drawing is a picture for tests: coefficients, which the encodings below write without loss.
type drawing struct {
	width, height int
	parts         []drawn
	steps         [64]uint16 // quantisation table 0, in zigzag order
}

// drawn is a component of a drawing. Its blocks fill its MCUs.
type drawn struct {
	id         uint8
	h, v       int
	across     int // blocks in a row
	wide, high int // blocks that hold samples
	blocks     [][64]int16
}

// draw returns a drawing with these sampling factors, two numbers a component, in smooth and busy blocks.
func draw(rng *rand.Rand, width, height int, sampling ...int) *drawing {
	d := &drawing{width: width, height: height}
	for k := range d.steps {
		d.steps[k] = uint16(2 + k/4)
	}
	maxH, maxV := 1, 1
	for i := 0; i < len(sampling); i += 2 {
		maxH, maxV = max(maxH, sampling[i]), max(maxV, sampling[i+1])
	}
	for i := 0; i < len(sampling); i += 2 {
		c := drawn{id: uint8(i/2 + 1), h: sampling[i], v: sampling[i+1]}
		c.across = ceil(width, 8*maxH) * c.h
		c.wide, c.high = ceil(ceil(width*c.h, maxH), 8), ceil(ceil(height*c.v, maxV), 8)
		c.blocks = make([][64]int16, c.across*ceil(height, 8*maxV)*c.v)
		for b := range c.blocks {
			c.blocks[b][0] = int16(rng.IntN(300) - 150)
			for range rng.IntN(3) * rng.IntN(12) {
				k := 1 + rng.IntN(1+rng.IntN(63))
				c.blocks[b][k] = int16(rng.NormFloat64() * 400 / float64(k+5))
			}
		}
		d.parts = append(d.parts, c)
	}
	return d
}

// planes returns the samples of d.
func (d *drawing) planes() [][]uint8 {
	var planes [][]uint8
	for _, c := range d.parts {
		pix := make([]uint8, 64*len(c.blocks))
		for i, coefficients := range c.blocks {
			var b block
			for k, v := range coefficients {
				b[zigzag[k]] = int32(v) * int32(d.steps[k])
			}
			inverse(&b, pix[8*(i/c.across*8*c.across+i%c.across):], 8*c.across)
		}
		planes = append(planes, pix)
	}
	return planes
}

// A pass is a scan of a progressive file.
type pass struct {
	parts     []int
	from, to  int
	high, low int
}

// passes are the scans of a progressive file with these limits of its bands: every component's coefficients
// come in bands, each first without its lowest bits, which follow in turn.
func (d *drawing) passes(low int, bands ...int) []pass {
	all := make([]int, len(d.parts))
	for i := range all {
		all[i] = i
	}
	scans := []pass{{all, 0, 0, 0, low}}
	for i := range d.parts {
		for b := range len(bands) - 1 {
			scans = append(scans, pass{[]int{i}, bands[b], bands[b+1] - 1, 0, low})
		}
	}
	for l := low; l > 0; l-- {
		for _, i := range all {
			scans = append(scans, pass{[]int{i}, 1, 63, l, l - 1})
		}
		scans = append(scans, pass{all, 0, 0, l, l - 1})
	}
	return scans
}

// An encoding writes a file, segment by segment.
type encoding struct {
	*drawing
	file    []byte
	restart int // MCUs in a restart interval
	codes   [2]codes

	acc     uint64 // bits to write, the last at the bottom
	n       int
	pending int      // blocks in an EOB run
	fixes   []uint8  // correction bits that follow it
	lasts   [4]int16 // DC coefficients
}

// codes is a Huffman table of symbols in their order.
type codes struct {
	counts  [16]uint8
	symbols []uint8
}

// even has short codes for all symbols: 254 of 8 bits and two of 9. skewed has long ones: eight of 2 to 9 bits
// and the others of 16.
func evenCodes() codes { return newCodes([16]uint8{7: 254, 8: 2}) }
func skewedCodes() codes {
	return newCodes([16]uint8{1: 1, 2: 1, 3: 1, 4: 1, 5: 1, 6: 1, 7: 1, 8: 1, 15: 248})
}

func newCodes(counts [16]uint8) codes {
	c := codes{counts: counts}
	for s := range 256 {
		c.symbols = append(c.symbols, uint8(s))
	}
	return c
}

// dcCodes has the 16 symbols of DC tables.
func dcCodes() codes {
	c := codes{counts: [16]uint8{2: 6, 4: 6, 11: 4}}
	for s := range 16 {
		c.symbols = append(c.symbols, uint8(s))
	}
	return c
}

func (c *codes) code(symbol uint8) (code uint64, length int) {
	at := 0
	for l, n := range c.counts {
		code <<= 1
		if int(symbol) < at+int(n) {
			return code + uint64(int(symbol)-at), l + 1
		}
		code, at = code+uint64(n), at+int(n)
	}
	panic("no code")
}

// begin writes everything before the first scan; frame is the frame header's marker.
func (d *drawing) begin(frame byte, ac codes) *encoding {
	e := &encoding{drawing: d, file: []byte{0xff, soi}, codes: [2]codes{dcCodes(), ac}}
	quant := []byte{0x10}
	for _, s := range d.steps {
		quant = binary.BigEndian.AppendUint16(quant, s)
	}
	e.segment(dqt, quant)
	e.header(frame)
	e.tables()
	return e
}

func (e *encoding) header(frame byte) {
	p := binary.BigEndian.AppendUint16([]byte{8}, uint16(e.height))
	p = append(binary.BigEndian.AppendUint16(p, uint16(e.width)), uint8(len(e.parts)))
	for _, c := range e.parts {
		p = append(p, c.id, uint8(c.h<<4|c.v), 0)
	}
	e.segment(frame, p)
}

func (e *encoding) tables() {
	for class, c := range e.codes {
		e.segment(dht, append(append([]byte{uint8(class) << 4}, c.counts[:]...), c.symbols...))
	}
}

func (e *encoding) segment(marker byte, p []byte) {
	e.file = append(e.file, 0xff, marker)
	e.file = append(binary.BigEndian.AppendUint16(e.file, uint16(len(p)+2)), p...)
}

// end returns the file.
func (e *encoding) end() []byte { return append(e.file, 0xff, eoi) }

func (e *encoding) bits(v uint64, n int) {
	e.acc, e.n = e.acc<<n|v&(1<<n-1), e.n+n
	for ; e.n >= 8; e.n -= 8 {
		c := byte(e.acc >> (e.n - 8))
		if e.file = append(e.file, c); c == 0xff {
			e.file = append(e.file, 0)
		}
	}
}

func (e *encoding) symbol(class int, s uint8) { e.bits(e.codes[class].code(s)) }

// signed writes the low bits of a coefficient (T.81, table F.1).
func (e *encoding) signed(v int16, size int) {
	if v < 0 {
		v--
	}
	e.bits(uint64(v), size)
}

func size(v int16) int { return bits.Len16(uint16(max(v, -v))) }

// flush ends entropy-coded data.
func (e *encoding) flush() {
	e.endRun()
	if e.n > 0 {
		e.bits(0xff, 8-e.n)
	}
}

// scan writes a scan. Sequential ones have the pass {parts, 0, 63, 0, 0}.
func (e *encoding) scan(p pass, progressive bool) {
	head := []byte{uint8(len(p.parts))}
	for _, i := range p.parts {
		head = append(head, e.parts[i].id, 0)
	}
	e.segment(sos, append(head, uint8(p.from), uint8(p.to), uint8(p.high<<4|p.low)))
	e.lasts = [4]int16{}
	unit := 0
	each := func(blocks func()) {
		if e.restart > 0 && unit > 0 && unit%e.restart == 0 {
			e.flush()
			e.lasts = [4]int16{}
			e.file = append(e.file, 0xff, rst0+byte(unit/e.restart-1)&7)
		}
		unit++
		blocks()
	}
	do := func(i, x, y int) {
		b := &e.parts[i].blocks[y*e.parts[i].across+x]
		switch {
		case !progressive:
			e.sequential(i, b)
		case p.from == 0 && p.high == 0:
			e.dc(i, b[0]>>p.low)
		case p.from == 0:
			e.bits(uint64(b[0]>>p.low), 1)
		case p.high == 0:
			e.first(b, p)
		default:
			e.refine(b, p)
		}
	}
	if c := &e.parts[p.parts[0]]; len(p.parts) == 1 {
		for y := range c.high {
			for x := range c.wide {
				each(func() { do(p.parts[0], x, y) })
			}
		}
	} else {
		for m := range len(c.blocks) / (c.h * c.v) {
			each(func() {
				for _, i := range p.parts {
					c := &e.parts[i]
					for y := range c.v {
						for x := range c.h {
							row := c.across / c.h
							do(i, m%row*c.h+x, m/row*c.v+y)
						}
					}
				}
			})
		}
	}
	e.flush()
}

func (e *encoding) dc(i int, v int16) {
	diff := v - e.lasts[i]
	e.lasts[i] = v
	e.symbol(0, uint8(size(diff)))
	e.signed(diff, size(diff))
}

func (e *encoding) sequential(i int, b *[64]int16) {
	e.dc(i, b[0])
	run := 0
	for k := 1; k < 64; k++ {
		if b[k] == 0 {
			run++
			continue
		}
		for ; run > 15; run -= 16 {
			e.symbol(1, 0xf0)
		}
		e.symbol(1, uint8(run<<4|size(b[k])))
		e.signed(b[k], size(b[k]))
		run = 0
	}
	if run > 0 {
		e.symbol(1, 0)
	}
}

// endRun writes an EOB run and its correction bits.
func (e *encoding) endRun() {
	if e.pending > 0 {
		n := bits.Len(uint(e.pending)) - 1
		e.symbol(1, uint8(n<<4))
		e.bits(uint64(e.pending), n)
	}
	e.pending = 0
	for _, b := range e.fixes {
		e.bits(uint64(b), 1)
	}
	e.fixes = nil
}

// shifted is v without its low bits, rounded to zero.
func shifted(v int16, low int) int16 {
	if v < 0 {
		return -(-v >> low)
	}
	return v >> low
}

func (e *encoding) first(b *[64]int16, p pass) {
	run := 0
	for k := p.from; k <= p.to; k++ {
		v := shifted(b[k], p.low)
		if v == 0 {
			run++
			continue
		}
		e.endRun()
		for ; run > 15; run -= 16 {
			e.symbol(1, 0xf0)
		}
		e.symbol(1, uint8(run<<4|size(v)))
		e.signed(v, size(v))
		run = 0
	}
	if run > 0 {
		if e.pending++; e.pending == 0x7fff {
			e.endRun()
		}
	}
}

func (e *encoding) refine(b *[64]int16, p pass) {
	run, last := 0, 0 // last is the last new coefficient
	for k := p.from; k <= p.to; k++ {
		if v := shifted(b[k], p.low); v == 1 || v == -1 {
			last = k
		}
	}
	var fixes []uint8
	for k := p.from; k <= p.to; k++ {
		v := shifted(b[k], p.low)
		if v == 0 {
			run++
			continue
		}
		for ; run > 15 && k <= last; run -= 16 {
			e.endRun()
			e.symbol(1, 0xf0)
			e.fixes, fixes = fixes, nil
			e.endRun()
		}
		if v != 1 && v != -1 {
			fixes = append(fixes, uint8(max(v, -v)&1))
			continue
		}
		e.endRun()
		e.symbol(1, uint8(run<<4|1))
		e.bits(uint64(v+1)>>1, 1)
		e.fixes, fixes = fixes, nil
		e.endRun()
		run = 0
	}
	if run > 0 || len(fixes) > 0 {
		e.pending++
		e.fixes = append(e.fixes, fixes...)
		if e.pending == 0x7fff {
			e.endRun()
		}
	}
}

// baseline returns d as a file of one scan, or one for each component.
func (d *drawing) baseline(ac codes, restart int, interleaved bool) []byte {
	e := d.begin(sof0, ac)
	e.every(restart)
	var all []int
	for i := range d.parts {
		if all = append(all, i); !interleaved {
			e.scan(pass{[]int{i}, 0, 63, 0, 0}, false)
		}
	}
	if interleaved {
		e.scan(pass{all, 0, 63, 0, 0}, false)
	}
	return e.end()
}

// progressive returns d as a file of these scans.
func (d *drawing) progressive(ac codes, restart int, scans []pass) []byte {
	e := d.begin(sof2, ac)
	e.every(restart)
	for _, p := range scans {
		e.scan(p, true)
	}
	return e.end()
}

// every writes a DRI segment.
func (e *encoding) every(restart int) {
	if e.restart = restart; restart > 0 {
		e.segment(dri, binary.BigEndian.AppendUint16(nil, uint16(restart)))
	}
}
