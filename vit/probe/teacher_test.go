package probe

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/promptcam/promptcam/tensor"
)

func TestTeacher(t *testing.T) {
	x := tensor.FromSlice([]float32{0, 0, 1, 0, 0, 1, 3, 3}, 4, 2)
	linear, err := FitLinear(t.Context(), x, []int{0, 0, 1, 1}, 2, 0.1)
	require.NoError(t, err)
	plain, mirrored := x.Slice(0, 0, 2), x.Slice(0, 2, 4)
	teacher, err := NewTeacher(linear, plain, mirrored)
	require.NoError(t, err)
	got, err := teacher.Scores([]int{1, 0, 1}, []int{0, 1, 1})
	require.NoError(t, err)
	all := linear.Scores(x)
	for i, row := range []int{1, 2, 3} {
		assert.Equal(t, all.Select(0, row).Data(), got.Select(0, i).Data())
	}

	for want, bad := range map[string][2][]int{
		"2 images in 1 views": {{0, 1}, {0}},
		"0 images":            {{}, {}},
		"image 2 in view 0: the teacher has 2 images in 2 views": {{2}, {0}},
		"image 0 in view 2":  {{0}, {2}},
		"image -1 in view 0": {{-1}, {0}},
	} {
		_, err := teacher.Scores(bad[0], bad[1])
		assert.ErrorContains(t, err, want)
	}
	_, err = NewTeacher(linear)
	assert.ErrorContains(t, err, "without features")
	_, err = NewTeacher(linear, plain, x)
	assert.ErrorContains(t, err, "features [4 2] in view 1, want [2 2]")
}
