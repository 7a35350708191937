package checkpoint

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/x448/float16"
)

// DType names how a file stores one element, in safetensors' words.
type DType string

// The element types that Tensor reads. Ints reads the integers and Bool.
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

// size returns the bytes of one element, 0 for a type this package cannot read.
func (d DType) size() int {
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

// integer reports whether Ints can read the type.
func (d DType) integer() bool {
	switch d {
	case I64, I32, I16, I8, U8, Bool:
		return true
	}
	return false
}

func (d DType) check() error {
	if d.size() == 0 {
		return fmt.Errorf("dtype %.40q cannot be read: want one of F32, F16, BF16, F64, I64, I32, I16, I8, U8, BOOL", string(d))
	}
	return nil
}

// floats decodes len(dst) little-endian elements of type d, rounding to
// nearest where float32 is the narrower type.
func (d DType) floats(dst []float32, src []byte) {
	le := binary.LittleEndian
	switch d {
	case F32:
		for i := range dst {
			dst[i] = math.Float32frombits(le.Uint32(src[4*i:]))
		}
	case F16:
		for i := range dst {
			dst[i] = float16.Frombits(le.Uint16(src[2*i:])).Float32()
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

// ints decodes len(dst) little-endian elements of the integer type d.
func (d DType) ints(dst []int64, src []byte) {
	for i := range dst {
		dst[i] = d.int(src, i)
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
