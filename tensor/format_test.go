package tensor_test

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/promptcam/promptcam/tensor"
)

// counting returns a tensor of 0, 1, 2 and so on.
func counting(shape ...int) *tensor.Tensor {
	t := tensor.New(shape...)
	for i := range t.Data() {
		t.Data()[i] = float32(i)
	}
	return t
}

func ExampleTensor_String() {
	x := tensor.FromSlice([]float32{1, 2.5, 3, 4, 5, 6}, 2, 3)
	fmt.Println(x)
	fmt.Printf("%.2f\n", x.Transpose())
	fmt.Println(tensor.New(50, 4))
	// Output:
	// [2 3] [[1 2.5 3] [4 5 6]]
	// [3 2] [[1.00 4.00] [2.50 5.00] [3.00 6.00]]
	// [50 4] [[0 0 0 0] [0 0 0 0] [0 0 0 0] ... [0 0 0 0] [0 0 0 0] [0 0 0 0]]
}

func TestFormat(t *testing.T) {
	nan := float32(math.NaN())
	for want, x := range map[string]*tensor.Tensor{
		"[] 3":                        tensor.New().Fill(3),
		"[0] []":                      tensor.New(0),
		"[2 0] [[] []]":               tensor.New(2, 0),
		"[0 2] []":                    tensor.New(0, 2),
		"[3] [NaN +Inf -1e+20]":       tensor.FromSlice([]float32{nan, float32(math.Inf(1)), -1e20}, 3),
		"[2 1 2] [[[0 1]] [[2 3]]]":   counting(2, 1, 2),
		"[3 2] [[0 3] [1 4] [2 5]]":   counting(2, 3).Transpose(),
		"[2] [1 4]":                   counting(2, 3).Select(1, 1),
		"[2 2] [[1 2] [4 5]]":         counting(2, 3).Slice(1, 1, 3),
		"[2 3] [[0 1 2] [0 1 2]]":     counting(3).Expand(2, 3),
		"[101] [0 1 2 ... 98 99 100]": counting(101),
		"[2 60] [[0 1 2 ... 57 58 59] [60 61 62 ... 117 118 119]]":     counting(2, 60),
		"[60 2] [[0 1] [2 3] [4 5] ... [114 115] [116 117] [118 119]]": counting(60, 2),
		"zero Tensor": {},
	} {
		assert.Equal(t, want, x.String())
		assert.Equal(t, want, fmt.Sprintf("%v", x))
		assert.Equal(t, want, fmt.Sprintf("%s", x))
	}
	assert.Equal(t, "[2] [ 0.0  1.0]", fmt.Sprintf("%4.1f", counting(2)))
	assert.Equal(t, 99, strings.Count(counting(100).String(), " ")-1, "all of a small one")
	assert.Less(t, len(counting(1000, 1000).Slice(1, 1, 900).String()), 400)
	assert.Equal(t, "<nil>", fmt.Sprint((*tensor.Tensor)(nil)))
}
