package main

import (
	"math"
	"slices"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// isa is an instruction set with vectors of lanes float32s. Its methods hide where the sets differ, so that
// every kernel is written once.
type isa struct {
	suffix string
	lanes  int
	rows   int // of a tile of Gemm
}

var (
	avx2   = isa{"AVX2", 8, 6}
	avx512 = isa{"AVX512", 16, 12}
)

// wide reports whether v is AVX-512.
func (v isa) wide() bool { return v.lanes == 16 }

func (v isa) reg() reg.VecVirtual {
	if v.wide() {
		return ZMM()
	}
	return YMM()
}

// function begins a function of the given signature.
func (v isa) function(name, signature, doc string) {
	TEXT(name+v.suffix, NOSPLIT, "func"+signature)
	Doc(name + v.suffix + " " + doc)
	Pragma("noescape")
}

// ret returns. It clears the upper halves of the registers, which slow down code that uses only the lower
// ones.
func ret() {
	VZEROUPPER()
	RET()
}

// pointer loads the address of a slice's first element.
func pointer(slice string) reg.Register { return Load(Param(slice).Base(), GP64()) }

// address returns the address of a parameter.
func address(param string) Mem {
	b, err := Param(param).Resolve()
	if err != nil {
		panic(err)
	}
	return b.Addr
}

// broadcast loads a float32 into every lane.
func (v isa) broadcast(from Mem) reg.VecVirtual {
	r := v.reg()
	VBROADCASTSS(from, r)
	return r
}

// constant loads x into every lane.
func (v isa) constant(x float64) reg.VecVirtual {
	if x != 0 {
		return v.broadcast(constantAddr(bits(x)))
	}
	r := v.reg()
	if v.wide() {
		VPXORD(r, r, r)
	} else {
		VPXOR(r, r, r)
	}
	return r
}

func bits(x float64) uint32 { return math.Float32bits(float32(x)) }

// with emits an instruction whose first operand is a constant of the given bits. bcst is its form that
// broadcasts a float32 from memory.
func (v isa) with(bits uint32, plain, bcst func(...Op), ops ...Op) {
	ops = append([]Op{constantAddr(bits)}, ops...)
	if v.wide() {
		bcst(ops...)
	} else {
		plain(ops...)
	}
}

// polynomials returns the values at each x of the polynomial with the given coefficients, the constant one
// first, by Horner's rule.
func (v isa) polynomials(x []reg.VecVirtual, coefficients []float64) []reg.VecVirtual {
	n := len(coefficients) - 1
	y := v.accumulators(len(x), coefficients[n])
	for _, c := range slices.Backward(coefficients[:n]) {
		for i := range x {
			v.with(bits(c), VFMADD213PS, VFMADD213PS_BCST, x[i], y[i])
		}
	}
	return y
}

// ifNegative emits dst = a in the lanes in which x has its sign bit set.
func (v isa) ifNegative(x, a, dst Op) {
	if v.wide() {
		negative := K()
		VPTESTMD_BCST(constantAddr(1<<31), x, negative)
		VMOVAPS(a, negative, dst)
	} else {
		VBLENDVPS(x, a, dst, dst)
	}
}

// reduceLanes combines the lanes of r by op, leaving the result in the lowest. It returns r.
func (v isa) reduceLanes(op func(...Op), r reg.VecVirtual) reg.VecVirtual {
	if v.wide() {
		half := YMM()
		VEXTRACTF64X4(U8(1), r, half)
		op(half, r.AsY(), r.AsY())
	}
	half := XMM()
	VEXTRACTF128(U8(1), r.AsY(), half)
	op(half, r.AsX(), r.AsX())
	VPERMILPD(U8(1), r.AsX(), half)
	op(half, r.AsX(), r.AsX())
	VMOVSHDUP(r.AsX(), half)
	op(half, r.AsX(), r.AsX())
	return r
}

// constants are the float32s in use, each eight times over: a vector of AVX2, and AVX-512 broadcasts the
// first.
var constants []uint32

func constantAddr(bits uint32) Mem {
	i := slices.Index(constants, bits)
	if i < 0 {
		i = len(constants)
		constants = append(constants, slices.Repeat([]uint32{bits}, 8)...)
	}
	return NewDataAddr(Symbol{Name: "constants", Static: true}, 4*i)
}

// vectors are what vectorAddr is asked for, one after the other.
var vectors []uint32

// vectorAddr returns the address of a vector of the given elements.
func vectorAddr(x []float64) Mem {
	m := NewDataAddr(Symbol{Name: "vectors", Static: true}, 4*len(vectors))
	for _, e := range x {
		vectors = append(vectors, bits(e))
	}
	return m
}

// laneMasks are eight lanes on, then eight off: for AVX2, a mask of n lanes begins 8-n lanes in.
var laneMasks = append(slices.Repeat([]uint32{math.MaxUint32}, 8), make([]uint32, 8)...)

// table emits read-only data.
func table(name string, words []uint32) {
	GLOBL(name, RODATA|NOPTR)
	for i, w := range words {
		DATA(4*i, U32(w))
	}
}
