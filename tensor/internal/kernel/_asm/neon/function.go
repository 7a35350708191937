package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"math"
	"strings"
)

// function is one function in the making: instructions on virtual registers.
type function struct {
	*program
	name, signature, doc string
	argsSize             int
	frame                int // bytes of the stack used
	offsets              map[string]int
	results              []string
	code                 []*instruction
	pointers             []*register // of slices, in the order of use
	table                *register   // address of the constants, nil until used
	labels               int
}

// instruction is a line of assembly: its operands, virtual registers or
// numbers, fill the format.
type instruction struct {
	format   string
	operands []any
	encode   func(registers []int) uint32 // if Go's assembler has no name for it
	label    string                       // that this line is, or branches to
	isLabel  bool
}

func (i *instruction) String() string {
	if i.isLabel {
		return "\n" + i.label + ":"
	}
	values := make([]any, len(i.operands))
	var registers []int
	for j, o := range i.operands {
		values[j] = o
		if r, ok := o.(*register); ok {
			values[j] = r.number
			registers = append(registers, r.number)
		}
	}
	text := strings.TrimSpace(fmt.Sprintf(i.format, values...) + " " + i.label)
	if i.encode != nil {
		text = fmt.Sprintf("WORD $0x%08x // %s", i.encode(registers), text)
	}
	return "\t" + text
}

func (f *function) emit(format string, operands ...any) {
	f.code = append(f.code, &instruction{format: format, operands: operands})
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

// layOut finds where the parameters and results lie: in order, each at a
// multiple of its alignment, the results from a multiple of eight on.
func (f *function) layOut() {
	expr, err := parser.ParseExpr("func" + f.signature)
	if err != nil {
		panic(err)
	}
	f.offsets = map[string]int{}
	place := func(name string, t ast.Expr) {
		size, align := 8, 8
		switch t := t.(type) {
		case *ast.ArrayType:
			size = 24
		case *ast.Ident:
			if t.Name == "float32" {
				size, align = 4, 4
			}
		}
		f.argsSize = (f.argsSize + align - 1) &^ (align - 1)
		f.offsets[name] = f.argsSize
		f.argsSize += size
	}
	signature := expr.(*ast.FuncType)
	for _, field := range signature.Params.List {
		for _, name := range field.Names {
			place(name.Name, field.Type)
		}
	}
	f.argsSize = (f.argsSize + 7) &^ 7
	if signature.Results == nil {
		return
	}
	for _, field := range signature.Results.List {
		if len(field.Names) == 0 {
			f.results = append(f.results, "ret")
			place("ret", field.Type)
		}
		for _, name := range field.Names {
			f.results = append(f.results, name.Name)
			place(name.Name, field.Type)
		}
	}
}

// address returns where a parameter or result lies, or a field of a slice.
func (f *function) address(name, field string) string {
	offset, ok := f.offsets[name]
	if !ok {
		panic("no parameter " + name + " in " + f.name)
	}
	switch field {
	case "base":
		name += "_base"
	case "len":
		name += "_len"
		offset += 8
	}
	return fmt.Sprintf("%s+%d(FP)", name, offset)
}

// pointer loads the address of a slice's first element.
func (f *function) pointer(slice string) *register {
	p := general()
	f.emit("MOVD "+f.address(slice, "base")+", R%d", p)
	f.pointers = append(f.pointers, p)
	return p
}

func (f *function) length(slice string) *register {
	n := general()
	f.emit("MOVD "+f.address(slice, "len")+", R%d", n)
	return n
}

// integer loads an int.
func (f *function) integer(param string) *register {
	n := general()
	f.emit("MOVD "+f.address(param, "")+", R%d", n)
	return n
}

// stride loads an int, a number of float32s, as a number of bytes.
func (f *function) stride(param string) *register {
	n := f.integer(param)
	f.emit("LSL $2, R%d, R%d", n, n)
	return n
}

// broadcast loads a float32 into every lane.
func (f *function) broadcast(param string) *register {
	r := vector()
	f.emit("FMOVS "+f.address(param, "")+", F%d", r)
	f.emit("VDUP V%d.S[0], V%d.S4", r, r)
	return r
}

// giveBack stores the lowest lane as a result.
func (f *function) giveBack(r *register, result int) {
	f.emit("FMOVS F%d, "+f.address(f.results[result], ""), r)
}

// finish completes the function's code.
func (f *function) finish() {
	if f.table != nil {
		start := &instruction{format: "MOVD $constants<>(SB), R%d", operands: []any{f.table}}
		f.code = append([]*instruction{start}, f.code...)
	}
	f.allocate()
}

// constant loads x into every lane. Kernels load their constants anew for every
// vector: they need more than there are registers, and an FMLA overwrites
// the one that it adds to, which would have to be copied first.
func (f *function) constant(x float64) *register {
	return f.bits(math.Float32bits(float32(x)))
}

func (f *function) bits(bits uint32) *register {
	if f.table == nil {
		f.table = general()
	}
	r := vector()
	f.emit("FMOVQ %d(R%d), F%d", f.program.constant(bits), f.table, r)
	return r
}
