package checkpoint

import (
	"encoding/binary"
	"fmt"
	"math"
	"sync"

	"github.com/x448/float16"
)

// DType is the type of a stored element, as safetensors names it.
type DType string

// The element types that Tensor reads.
const (
	F32  DType = "F32"
	F16  DType = "F16"
	BF16 DType = "BF16" // the upper half of an F32
	F64  DType = "F64"
	I64  DType = "I64"
	I32  DType = "I32"
	I16  DType = "I16"
	I8   DType = "I8"
	U8   DType = "U8"
	Bool DType = "BOOL" // one byte; nonzero is true
)

// Size returns the bytes of one element, or 0 for a type that this package cannot read.
func (d DType) Size() int {
	switch d {
	case F64, I64:
		return 8
	case F32, I32:
		return 4
	case F16, BF16, I16:
		return 2
	case I8, U8, Bool:
		return 1
	}
	return 0
}

func (d DType) check() error {
	if d.Size() == 0 {
		return fmt.Errorf("dtype %.40q cannot be read: want one of F32, F16, BF16, F64, I64, I32, I16, I8, U8, BOOL", string(d))
	}
	return nil
}

// halves is the float32 of each F16.
var halves = sync.OnceValue(func() *[1 << 16]float32 {
	var table [1 << 16]float32
	for i := range table {
		table[i] = float16.Frombits(uint16(i)).Float32()
	}
	return &table
})

// Encode writes src to dst as little-endian elements of type d: F32, or F16 rounded to nearest, ties to even,
// and infinite beyond 65504. It panics for other types, or if dst is not exactly as long as the elements.
func (d DType) Encode(dst []byte, src []float32) {
	if d != F32 && d != F16 || len(dst) != d.Size()*len(src) {
		panic(fmt.Sprintf("checkpoint: Encode: %d numbers as %s to %d bytes", len(src), d, len(dst)))
	}
	le := binary.LittleEndian
	if d == F16 {
		for i, v := range src {
			le.PutUint16(dst[2*i:], float16.Fromfloat32(v).Bits())
		}
		return
	}
	for i, v := range src {
		le.PutUint32(dst[4*i:], math.Float32bits(v))
	}
}

// Decode reads len(dst) little-endian elements of type d, rounded to nearest if float32 is narrower. It
// panics if src is too short or d is not one of the constants above.
func (d DType) Decode(dst []float32, src []byte) {
	le := binary.LittleEndian
	switch d {
	case F32:
		for i := range dst {
			dst[i] = math.Float32frombits(le.Uint32(src[4*i:]))
		}
	case F16:
		table := halves()
		src = src[:2*len(dst)]
		for len(src) >= 8 { // four at a time saves a third of the time
			w, d := le.Uint64(src), dst[:4:4]
			d[0], d[1], d[2], d[3] = table[uint16(w)], table[uint16(w>>16)], table[uint16(w>>32)], table[w>>48]
			src, dst = src[8:], dst[4:]
		}
		for i := range dst {
			dst[i] = table[le.Uint16(src[2*i:])]
		}
	case BF16:
		for i := range dst {
			dst[i] = math.Float32frombits(uint32(le.Uint16(src[2*i:])) << 16)
		}
	case F64:
		for i := range dst {
			dst[i] = float32(math.Float64frombits(le.Uint64(src[8*i:])))
		}
	default:
		for i := range dst {
			dst[i] = float32(d.int(src, i))
		}
	}
}

// int decodes element i of src, which holds elements of the integer type d.
func (d DType) int(src []byte, i int) int64 {
	le := binary.LittleEndian
	switch d {
	case I64:
		return int64(le.Uint64(src[8*i:]))
	case I32:
		return int64(int32(le.Uint32(src[4*i:])))
	case I16:
		return int64(int16(le.Uint16(src[2*i:])))
	case I8:
		return int64(int8(src[i]))
	case U8:
		return int64(src[i])
	case Bool:
		if src[i] != 0 {
			return 1
		}
		return 0
	}
	panic("checkpoint: " + string(d) + " is not an integer type")
}
