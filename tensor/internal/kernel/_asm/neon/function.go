package main

import (
	"fmt"
	"math"
	"strings"

	"github.com/mmcloughlin/avo/gotypes"
)

// function is a function while it is being written: instructions on virtual registers.
type function struct {
	*program
	name, signature, doc string
	layout               *gotypes.Signature
	frame                int // bytes of the stack used
	code                 []*instruction
	table                *register // address of the constants, nil until used
	labels               int
}

// instruction is a line of assembly: its operands, virtual registers or numbers, fill the format.
type instruction struct {
	format   string
	operands []any
	op       uint32 // the encoding with all registers 0, if Go's assembler has no name for it
	label    string // that this line is, or branches to
	isLabel  bool
}

func (i *instruction) String() string {
	if i.isLabel {
		return "\n" + i.label + ":"
	}
	values, op := make([]any, len(i.operands)), i.op
	for j, o := range i.operands {
		values[j] = o
		if r, ok := o.(*register); ok {
			values[j] = r.number
			if i.op != 0 {
				op |= uint32(r.number) << [...]int{0, 5, 16}[j]
			}
		}
	}
	text := strings.TrimSpace(fmt.Sprintf(i.format, values...) + " " + i.label)
	if i.op != 0 {
		text = fmt.Sprintf("WORD $0x%08x // %s", op, text)
	}
	return "\t" + text
}

func (f *function) emit(format string, operands ...any) {
	f.code = append(f.code, &instruction{format: format, operands: operands})
}

// word emits an instruction that Go's assembler has no name for.
func (f *function) word(op uint32, format string, operands ...any) {
	f.code = append(f.code, &instruction{format: format, operands: operands, op: op})
}

// branch emits a branch: the label follows the other operands.
func (f *function) branch(label, format string, operands ...any) {
	f.code = append(f.code, &instruction{format: format, operands: operands, label: label})
}

// newLabel returns a label that no other in the function has.
func (f *function) newLabel(name string) string {
	f.labels++
	return fmt.Sprint(name, f.labels)
}

func (f *function) label(name string) {
	f.code = append(f.code, &instruction{label: name, isLabel: true})
}

func (f *function) ret() { f.emit("RET") }

// param returns where a parameter lies.
func (f *function) param(name string) gotypes.Component { return f.layout.Params().Lookup(name) }

// address returns the operand for a parameter, a result or a slice's field.
func address(c gotypes.Component) string {
	b, err := c.Resolve()
	if err != nil {
		panic(err)
	}
	return b.Addr.Asm()
}

// load8 loads an int or an address.
func (f *function) load8(c gotypes.Component) *register {
	n := general()
	f.emit("MOVD "+address(c)+", R%d", n)
	return n
}

// integer loads an int, length that of a slice, and pointer the address of its first element.
func (f *function) integer(param string) *register { return f.load8(f.param(param)) }
func (f *function) length(slice string) *register  { return f.load8(f.param(slice).Len()) }
func (f *function) pointer(slice string) *register { return f.load8(f.param(slice).Base()) }

// stride loads an int, a number of float32s, as a number of bytes.
func (f *function) stride(param string) *register {
	n := f.integer(param)
	f.emit("LSL $2, R%d, R%d", n, n)
	return n
}

// broadcast loads a float32 into every lane.
func (f *function) broadcast(param string) *register {
	r := vector()
	f.emit("FMOVS "+address(f.param(param))+", F%d", r)
	f.emit("VDUP V%d.S[0], V%d.S4", r, r)
	return r
}

// constant loads x into every lane. Kernels load their constants anew for every vector: they need more than
// there are registers, and an FMLA overwrites the one that it adds to, which would have to be copied first.
func (f *function) constant(x float64) *register {
	if x != 0 {
		return f.bits(math.Float32bits(float32(x)))
	}
	r := vector()
	f.emit("VEOR V%d.B16, V%d.B16, V%d.B16", r, r, r)
	return r
}

func (f *function) bits(bits uint32) *register {
	if f.table == nil {
		f.table = general()
	}
	r := vector()
	f.emit("FMOVQ %d(R%d), F%d", f.program.constant(bits), f.table, r)
	return r
}
