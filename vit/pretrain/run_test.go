package pretrain

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/promptcam/promptcam/nn/fit"
	"github.com/promptcam/promptcam/tensor/checkpoint"
)

// Brightness says nothing about a texture, and misleads an untrained network. Views that have only the
// texture in common teach it to tell textures apart, by either objective.
func TestTrainingRaisesAccuracy(t *testing.T) {
	images := tiles(t, t.TempDir(), 60)
	for _, contrast := range []string{"0", "0.2"} {
		t.Run("contrast "+contrast, func(t *testing.T) {
			s := smallConfig(t, "-epochs", "12", "-batch", "15", "-piece", "15", "-lr", "0.004", "-momentum", "0.98",
				"-head-bottleneck", "64", "-local-area", "0.2", "-contrast", contrast)
			test, err := OpenTest(t.Context(), halves(t, images), s.Backbone(), 0)
			require.NoError(t, err)
			run, err := New(*s, textures{180, 3, -1})
			require.NoError(t, err)
			before, _, err := test.Accuracy(t.Context(), run.Teacher)
			require.NoError(t, err)
			for _, err := range run.Train(t.Context()) {
				require.NoError(t, err)
			}
			after, _, err := test.Accuracy(t.Context(), run.Teacher)
			require.NoError(t, err)
			t.Logf("%.1f %% untrained, %.1f %% trained", 100*before, 100*after)
			assert.Less(t, 1-after, (1-before)/2)
		})
	}
}

// A run that is broken off within an epoch and resumed from the state before it ends with the same bits.
func TestResume(t *testing.T) {
	c := *smallConfig(t, "-optimizer", "muon", "-drop-path", "0.2")
	whole, err := New(c, textures{20, 1, -1})
	require.NoError(t, err)
	for _, err := range whole.Train(t.Context()) {
		require.NoError(t, err)
	}

	begun, err := New(c, textures{20, 1, -1})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	begun.Progress = func(s fit.Step) {
		if s.Epoch == 2 {
			cancel()
		}
	}
	var file bytes.Buffer
	for _, err := range begun.Train(ctx) {
		if errors.Is(err, context.Canceled) {
			break
		}
		require.NoError(t, err)
		require.NoError(t, begun.WriteState(&file))
	}
	open := func(text []byte) *checkpoint.File {
		f, err := checkpoint.Decode(bytes.NewReader(text), int64(len(text)), "state")
		require.NoError(t, err)
		return f
	}
	resumed, err := New(c, textures{20, 1, -1})
	require.NoError(t, err)
	require.NoError(t, resumed.Resume(open(file.Bytes())))
	require.Len(t, resumed.History(), 1)
	for _, err := range resumed.Train(t.Context()) {
		require.NoError(t, err)
	}
	assert.Equal(t, saved(whole.task.trainer), saved(resumed.task.trainer))

	c.LR, c.Blur = 0.003, 0.5
	other, err := New(c, textures{21, 1, -1})
	require.NoError(t, err)
	err = other.Resume(open(file.Bytes()))
	assert.ErrorContains(t, err, "state: settings changed: --blur was 0, now 0.5; --lr was 0.002, now 0.003")
	var weights bytes.Buffer
	require.NoError(t, Export(&weights, whole.Teacher, checkpoint.F16))
	assert.ErrorContains(t, other.Resume(open(weights.Bytes())), "not the state of a run")
}

func TestNewOfTooFewImages(t *testing.T) {
	_, err := New(*smallConfig(t), textures{5, 1, -1})
	assert.ErrorContains(t, err, "5 images, want at least the 6 of --batch")
	_, err = New(Config{}, textures{5, 1, -1})
	assert.ErrorContains(t, err, "--epochs is 0, want at least 1")
}
