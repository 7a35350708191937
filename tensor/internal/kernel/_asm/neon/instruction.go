package main

import "slices"

// Arithmetic on vectors of four float32s. The numbers of instructions that Go's assembler lacks are those of
// the Arm Architecture Reference Manual, section C7.2, with all registers 0.
const (
	opFADD = 0x4e20d400
	opFMAX = 0x4e20f400

	two   = " V%d.4S, V%d.4S" // operands as the manual writes them
	three = two + ", V%d.4S"
	goAll = " V%d.S4, V%d.S4, V%d.S4" // operands as Go writes them, the result last
)

// unary returns the result of an instruction on one vector.
func (f *function) unary(format string, op uint32, a *register) *register {
	d := vector()
	f.word(op, format, d, a)
	return d
}

// binary sets d to the result of an instruction on two vectors. It returns d.
func (f *function) binary(name string, op uint32, d, a, b *register) *register {
	f.word(op, name+three, d, a, b)
	return d
}

func (f *function) abs(a *register) *register    { return f.unary("FABS"+two, 0x4ea0f800, a) }
func (f *function) neg(a *register) *register    { return f.unary("FNEG"+two, 0x6ea0f800, a) }
func (f *function) add(a, b *register) *register { return f.binary("FADD", opFADD, vector(), a, b) }
func (f *function) sub(a, b *register) *register { return f.binary("FSUB", 0x4ea0d400, vector(), a, b) }
func (f *function) mul(a, b *register) *register { return f.binary("FMUL", 0x6e20dc00, vector(), a, b) }
func (f *function) div(a, b *register) *register { return f.binary("FDIV", 0x6e20fc00, vector(), a, b) }

// max and min return NaN where one operand is NaN.
func (f *function) max(a, b *register) *register { return f.binary("FMAX", opFMAX, vector(), a, b) }
func (f *function) min(a, b *register) *register { return f.binary("FMIN", 0x4ea0f400, vector(), a, b) }

// accumulate emits sum += x, and raise most = max(most, x).
func (f *function) accumulate(sum, x *register) { f.binary("FADD", opFADD, sum, sum, x) }
func (f *function) raise(most, x *register)     { f.binary("FMAX", opFMAX, most, most, x) }

// pairs returns the sums of neighbouring lanes, twice.
func (f *function) pairs(a *register) *register { return f.binary("FADDP", 0x6e20d400, vector(), a, a) }

// maxLane returns the maximum of the lanes, in the lowest.
func (f *function) maxLane(a *register) *register { return f.unary("FMAXV S%d, V%d.4S", 0x6e30f800, a) }

// round returns the nearest integers, as float32s. integers converts these to int32s, which halved shifts
// right by one.
func (f *function) round(a *register) *register    { return f.unary("FRINTN"+two, 0x4e218800, a) }
func (f *function) integers(a *register) *register { return f.unary("FCVTZS"+two, 0x4ea1b800, a) }
func (f *function) halved(a *register) *register   { return f.unary("SSHR"+two+", #1", 0x4f3f0400, a) }

// negative sets all bits of the lanes that have their sign bit set.
func (f *function) negative(a *register) *register { return f.unary("CMLT"+two+", #0", 0x4ea0a800, a) }

// addProduct emits sum += a * b, and subProduct sum -= a * b.
func (f *function) addProduct(sum, a, b *register) { f.emit("VFMLA"+goAll, b, a, sum) }
func (f *function) subProduct(sum, a, b *register) { f.emit("VFMLS"+goAll, b, a, sum) }

// element is one lane of a vector.
type element struct {
	vector *register
	lane   int
}

// addLane emits sum += a * x, and mulLane a *= x.
func (f *function) addLane(sum, a *register, x element) { f.byLane("FMLA", 0x4f801000, sum, a, x) }
func (f *function) mulLane(a *register, x element)      { f.byLane("FMUL", 0x4f809000, a, a, x) }

func (f *function) byLane(name string, op uint32, d, a *register, x element) {
	op |= uint32(x.lane&1<<21 | x.lane>>1<<11)
	f.word(op, name+two+", V%d.S[%d]", d, a, x.vector, x.lane)
}

// choose emits dst = a in the lanes in which mask is set.
func (f *function) choose(mask, a, dst *register) {
	f.emit("VBIT V%d.B16, V%d.B16, V%d.B16", mask, a, dst)
}

func (f *function) copy(a *register) *register {
	r := vector()
	f.emit("VMOV V%d.B16, V%d.B16", a, r)
	return r
}

// polynomial returns the value at x of the polynomial with the given coefficients, the constant one first, by
// Horner's rule.
func (f *function) polynomial(x *register, coefficients []float64) *register {
	n := len(coefficients) - 1
	y := f.constant(coefficients[n])
	for _, c := range slices.Backward(coefficients[:n]) {
		next := f.constant(c)
		f.addProduct(next, y, x)
		y = next
	}
	return y
}
