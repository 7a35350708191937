package run

import (
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/promptcam/promptcam/nn"
	"github.com/promptcam/promptcam/nn/fit"
	"github.com/promptcam/promptcam/tensor"
	"github.com/promptcam/promptcam/tensor/checkpoint"
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

// A run of a version that did not know a setting goes on without it, to the bits that it would have had.
func TestResumeOfAnOlderVersion(t *testing.T) {
	dir, b, recipe := photographs(t, 10), backbone(t), short()
	recipe.Needed.Weight = 0
	interrupted := func() *Job {
		j := job(t, dir, recipe)
		j.Samples = 0
		stopped := *j
		stopped.Observer.Line = func(_ LineKind, text string) {
			if strings.HasPrefix(text, "epoch 2/") {
				panic(os.ErrDeadlineExceeded)
			}
		}
		assert.PanicsWithValue(t, os.ErrDeadlineExceeded, func() { stopped.Train(t.Context(), b) })
		return j
	}
	whole := interrupted()
	want, err := whole.Resume(t.Context(), b)
	require.NoError(t, err)

	j := interrupted()
	j.Needed.Weight = 0.5
	_, err = j.Resume(t.Context(), b)
	assert.ErrorContains(t, err, "--needed was 0, now 0.5")

	st, err := readState(j.path(StateFile))
	require.NoError(t, err)
	text, err := json.Marshal(st)
	require.NoError(t, err)
	older := strings.Replace(string(text), `"needed":0,`, "", 1)
	require.Less(t, len(older), len(text))
	require.NoError(t, checkpoint.WriteFile(j.path(StateFile), func(w io.Writer) error {
		return st.Write(w, map[string]string{"format": stateFormat, "state": older})
	}))
	var said *[]string
	j.Observer, said = lines()
	got, err := j.Resume(t.Context(), b)
	require.NoError(t, err)
	assert.Contains(t, *said, "resume: the run began in a version without --needed: it goes on without")
	assert.Equal(t, want.Model.Tensors(), got.Model.Tensors())
	assert.Zero(t, got.Metrics.Recipe.Needed.Weight)
	assert.Equal(t, 0.5, j.Needed.Weight, "the caller's job stays as it is")
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
