package run

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/promptcam/promptcam/nn"
	"github.com/promptcam/promptcam/nn/fit"
	"github.com/promptcam/promptcam/tensor"
)

func TestState(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.safetensors")
	st := &state{Best: 1, Checkpoint: &fit.Checkpoint{
		History: fit.History{{Loss: 1, Values: map[string]float64{valTop1: 0.5}}},
		Tensors: nn.Tensors{"model.w": tensor.New(2)}, Numbers: map[string][]float64{"losses": {1, 2}},
	}}
	st.Recipe.Hard.Share = 0.5
	require.NoError(t, st.save(path))
	again, err := readState(path)
	require.NoError(t, err)
	assert.Equal(t, st, again)

	st.Best = 2
	require.NoError(t, st.save(path))
	_, err = readState(path)
	assert.EqualError(t, err, path+": its best epoch is 2 of 1")
}

func TestBestEpoch(t *testing.T) {
	st := &state{}
	c := &fit.Checkpoint{Tensors: nn.Tensors{}}
	for i, v := range []map[string]float64{
		{valTop1: 0.5, valLoss: 1},
		{valTop1: 0.6, valLoss: 2},
		{valTop1: 0.6, valLoss: 2},
		{valTop1: 0.6, valLoss: 1.5},
		{valTop1: 0.5, valLoss: 0.1},
	} {
		c.History = append(c.History, &fit.Entry{Values: v})
		st.add(c, nn.Tensors{"w": tensor.New().Fill(float32(i + 1))})
	}
	assert.Equal(t, 4, st.Best, "accuracy, then loss, then the earlier")
	assert.EqualValues(t, 4, st.Set("best")["w"].At())

	st = &state{}
	c = &fit.Checkpoint{Tensors: nn.Tensors{}}
	for range 2 {
		c.History = append(c.History, &fit.Entry{})
		st.add(c, nil)
	}
	assert.Equal(t, 2, st.Best, "without validation the last")
}
