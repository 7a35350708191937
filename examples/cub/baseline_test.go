package main

import (
	"io"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/promptcam/promptcam/autograd"
	"github.com/promptcam/promptcam/data"
	"github.com/promptcam/promptcam/vit/probe"
)

// What the teacher says of a batch is of its images, in the views that the batch has them.
func TestTheTeacherScoresWhatTheBatchShows(t *testing.T) {
	weights, arch := backbone(t, nil)
	s, err := parse([]string{"-data", photographs(t, t.TempDir(), 10), "-weights", weights, "-arch", arch, "-views", "3", "-batch", "5", "-out", t.TempDir()}, io.Discard)
	require.NoError(t, err)
	tr, err := prepare(t.Context(), s, newConsole(io.Discard, io.Discard, true), nil)
	require.NoError(t, err)
	defer tr.images.close()
	layer, _ := tr.model.Layer()
	seen := map[[2]int]bool{}
	for epoch := range 3 {
		for batch, err := range tr.train.Epoch(t.Context(), data.Plan{Epoch: epoch}) {
			require.NoError(t, err)
			tape := &autograd.Tape{NoGrad: true}
			x := probe.Features(tr.model.Backbone, layer, tape.Const(batch.Values)).Value() // [B, D]
			assert.Equal(t, tr.baselines.linear.Scores(x).Data(), tr.baselines.teach(batch).Data())
			for i, at := range batch.Index {
				seen[[2]int{at, batch.View[i]}] = true
			}
		}
	}
	assert.Greater(t, len(seen), tr.train.Len(), "several views of an image")
}
