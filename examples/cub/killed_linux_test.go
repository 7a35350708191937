package main

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/promptcam/promptcam/data/datatest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Killed twenty times at random moments, while features are made, while it
// trains and while it writes results, a run ends with the same bits.
func TestKilledRunEndsWithTheSameBits(t *testing.T) {
	weights, arch := tinyBackbone(t, nil)
	data, want, out := datatest.Photographs(t, t.TempDir(), 10), t.TempDir(), t.TempDir()
	args := []string{"-data", data, "-weights", weights, "-arch", arch, "-epochs", "40", "-batch", "4", "-average", "0.9", "-mix", "0.5", "-samples", "1", "-out"}
	began := time.Now()
	require.NoError(t, program(1<<30, append(args, want)...).Run())
	whole := time.Since(began)

	rng := rand.New(rand.NewPCG(1, 1))
	next := append(args, out, "-resume")
	same := func() {
		t.Helper()
		for _, name := range []string{"model.safetensors", "predictions.csv", "features.safetensors"} {
			require.Equal(t, read(t, want, name), read(t, out, name), name)
		}
	}
	training := 0
	for killed := 0; killed < 20; {
		c := program(1<<30, next...)
		require.NoError(t, c.Start())
		// A tenth of the whole each time on average, beyond the process's start, so that
		// the kills are spread over all that it does.
		time.Sleep(20*time.Millisecond + time.Duration(rng.Float64()*float64(whole)/5))
		_ = c.Process.Kill() // it may have ended
		_ = c.Wait()
		if c.ProcessState.ExitCode() == -1 { // by the signal
			killed++
		}
		if exists(filepath.Join(out, "state.safetensors")) {
			training++
		} else if exists(out, "metrics.json") { // it has ended: once more from the start
			same()
			require.NoError(t, os.RemoveAll(out))
		}
	}
	assert.Positive(t, training, "kills after an epoch")
	if !exists(out, "metrics.json") || exists(filepath.Join(out, "state.safetensors")) {
		require.NoError(t, program(1<<30, next...).Run())
	}
	same()
}
