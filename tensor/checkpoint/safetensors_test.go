package checkpoint_test

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// safe is a safetensors file of a header and size bytes of data.
func safe(header string, size int) []byte {
	return []byte(le(len(header), 8) + header + strings.Repeat("\x01", size))
}

func TestSafetensorsHeader(t *testing.T) {
	const a = `"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}`
	for _, test := range []struct {
		header string
		size   int
		want   string // empty for a good one
	}{
		{`{}`, 0, ""},
		{`{` + a + `}`, 2, ""},
		{`{` + a + `}   `, 2, ""},
		{`{"b":{"dtype":"U8","shape":[],"data_offsets":[2,3]},` + a + `}`, 3, ""},
		{`{"b":{"dtype":"I64","shape":[3,0],"data_offsets":[2,2],"more":[{}]},` + a + `,"z":{"dtype":"U8","shape":[1],"data_offsets":[2,3]}}`, 3, ""},
		{`{"b":{"dtype":"F8_E4M3","shape":[9],"data_offsets":[0,2]}}`, 2, ""},
		{`{"__metadata__":{"k":"v","é":""},` + a + `}`, 2, ""},

		{`{` + a + `}`, 1, "tensor a: offsets 0..2: the file holds 1 bytes"},
		{`{` + a + `}`, 3, "tensors end at byte 63, the file at 64"},
		{`{"a":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}}`, 3, "tensor a: offsets 1..3 leave a gap after 0"},
		{`{"b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]},` + a + `}`, 3, "tensor b: offsets 1..3 overlap the tensor before, which ends at 2"},
		{`{"b":{"dtype":"U8","shape":[1],"data_offsets":[3,4]},` + a + `}`, 4, "tensor b: offsets 3..4 leave a gap after 2"},
		{`{"a":{"dtype":"U8","shape":[2],"data_offsets":[2,0]}}`, 2, "tensor a: offsets 2..0 are reversed"},
		{`{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,9223372036854775807]}}`, 2, "offsets 0..9223372036854775807: the file holds 2 bytes"},
		{`{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,9223372036854775808]}}`, 2, "a: data_offsets: want a whole number below 2^63"},
		{`{"a":{"dtype":"U8","shape":[2],"data_offsets":[-1,1]}}`, 2, "want a whole number below 2^63, got -1"},
		{`{"a":{"dtype":"U8","shape":[2.0],"data_offsets":[0,2]}}`, 2, "a: shape: want a whole number below 2^63, got 2.0"},
		{`{"a":{"dtype":"U8","shape":[null],"data_offsets":[0,0]}}`, 0, "a: shape: want a number"},
		{`{"a":{"dtype":"U8","shape":null,"data_offsets":[0,0]}}`, 0, "a: shape: want an array"},
		{`{"a":{"dtype":"U8","shape":[2],"data_offsets":[0]}}`, 2, "a: data_offsets: want 2 numbers, got 1"},
		{`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,2]}}`, 2, "tensor a: offsets 0..2: F32 [2] takes 8 bytes"},
		{`{"a":{"dtype":"F32","shape":[4294967296,4294967296,4294967296,4294967296],"data_offsets":[0,0]}}`, 0, "is not possible"},
		{`{"a":{"dtype":"F32","shape":[0,9223372036854775807],"data_offsets":[0,0]}}`, 0, "is not possible"},
		{`{"a":{"dtype":"U8","shape":[2]}}`, 2, "a: no data_offsets"},
		{`{"a":{"shape":[2],"data_offsets":[0,2]}}`, 2, "a: no dtype"},
		{`{"a":{"DType":"U8","dtype":"U8","Shape":[2],"data_offsets":[0,2]}}`, 2, "a: no shape"},
		{`{` + a + `,` + a + `}`, 2, "a: given twice"},
		{`{` + a + `,"\u0061":{"dtype":"U8","shape":[0],"data_offsets":[2,2]}}`, 2, "a: given twice"},
		{`{"a":{"dtype":"U8","dtype":"U8","shape":[2],"data_offsets":[0,2]}}`, 2, "a: dtype: given twice"},
		{`{"__metadata__":{},"__metadata__":{}}`, 0, "__metadata__: given twice"},
		{`{"__metadata__":{"k":"v","k":"w"}}`, 0, "__metadata__: k: given twice"},
		{`{"__metadata__":{"k":1}}`, 0, `__metadata__: k: want a string, got "1"`},
		{`{"a":[]}`, 0, "a: want an object, got ["},
		{`{"a":3}`, 0, `a: want an object, got "3"`},
		{`{` + a, 2, "unexpected EOF"},
		{`{` + a + `}{}`, 2, "something follows the JSON object"},
		{`{` + a + `}x`, 2, "something follows the JSON object"},
		{"{\"\xff\":{}}", 0, "not UTF-8"},
		{`{"a":{"dtype":"U8","shape":[` + strings.Repeat("1,", 63) + `3],"data_offsets":[0,2]}}`, 2, "U8 [1 1 1 1 1 1 1 1] of 64 dimensions takes 3 bytes"},
		{`{"a":{"dtype":"U8","shape":[` + strings.Repeat("1,", 64) + `1],"data_offsets":[0,1]}}`, 1, "a: shape: more than 64 numbers"},
		{`{"a` + strings.Repeat("\\n", 4000) + `":3}`, 0, `want an object, got "3"`},
		{`{"a` + strings.Repeat("\\n", 4096) + `":3}`, 0, `a name of 4097 bytes, want at most 4096`},
	} {
		f, err := decode(safe(test.header, test.size))
		if test.want != "" {
			assert.ErrorContains(t, err, "checkpoint: w.pth: ", test.header)
			assert.ErrorContains(t, err, test.want, test.header)
			assert.Less(t, len(err.Error()), 400)
			continue
		}
		require.NoError(t, err, test.header)
		for _, name := range f.Names() {
			x, err := f.Tensor(name)
			if info, _ := f.Info(name); info.DType == "F8_E4M3" {
				assert.EqualError(t, err, `checkpoint: w.pth: tensor b: dtype "F8_E4M3" cannot be read: want one of F32, F16, BF16, F64, I64, I32, I16, I8, U8, BOOL`)
				continue
			}
			require.NoError(t, err)
			for _, v := range x.Data() {
				assert.Equal(t, float32(1), v)
			}
		}
	}
}

func TestSafetensorsHeaderLengthLies(t *testing.T) {
	for _, n := range []int{3, 100, 100_000_000} {
		_, err := decode([]byte(le(n, 8) + "{}"))
		assert.ErrorContains(t, err, fmt.Sprintf("checkpoint: w.pth: safetensors file cut short or damaged: its header has %d bytes, the file 10", n))
	}
	for _, n := range []int{100_000_001, math.MaxInt64, math.MinInt64, -1} {
		_, err := decode([]byte(le(n, 8) + "{}"))
		assert.ErrorContains(t, err, "checkpoint: w.pth: safetensors header of ")
		assert.ErrorContains(t, err, "the file has 10, the limit is 100000000")
	}
	_, err := decode([]byte(le(0, 8) + "{}"))
	assert.ErrorContains(t, err, "unexpected EOF")
	_, err = decode([]byte(le(1, 8) + "{}"))
	assert.ErrorContains(t, err, "unexpected EOF")
}
