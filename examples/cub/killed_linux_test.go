package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/promptcam/promptcam/data/datatest"
	"github.com/promptcam/promptcam/tensor/machine"
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

// While one process writes to a folder, others say who does and leave its files alone.
func TestOneProcessWritesToAFolder(t *testing.T) {
	weights, arch := tinyBackbone(t, nil)
	data, want, out := datatest.Photographs(t, t.TempDir(), 10), t.TempDir(), filepath.Join(t.TempDir(), "out")
	args := []string{"-data", data, "-weights", weights, "-arch", arch, "-epochs", "2", "-batch", "4", "-samples", "1", "-out"}
	must(t, append(args, want)...)
	must(t, append(args, out)...)
	free, err := machine.Occupy(out)
	require.NoError(t, err)
	for _, more := range [][]string{nil, {"-resume"}, {"-seed", "2"}} {
		text, err := program(1<<30, append(append(args, out), more...)...).CombinedOutput()
		require.Error(t, err)
		assert.Contains(t, string(text), fmt.Sprintf("cub: --out %s is in use by another run (process %d)", out, os.Getpid()))
	}
	free()
	sameResults(t, want, out)
}

// A signal is heeded within a step that takes minutes: of thousands of patches, in blocks that cannot end early.
func TestSignalWithinALongStep(t *testing.T) {
	weights, arch := tinyBackbone(t, nil)
	data, out := datatest.Photographs(t, t.TempDir(), 10), filepath.Join(t.TempDir(), "out")
	for mode, began := range map[string]string{"last": "features.safetensors", "deep": ".lock"} {
		c := program(1<<40, "-data", data, "-weights", weights, "-arch", arch, "-size", "1024", "-mode", mode, "-out", out)
		var stderr strings.Builder
		c.Stderr = &stderr
		require.NoError(t, c.Start())
		assert.Eventually(t, func() bool { return exists(out, began) }, time.Minute, time.Millisecond)
		time.Sleep(300 * time.Millisecond) // into the first step
		require.NoError(t, c.Process.Signal(syscall.SIGTERM))
		require.Error(t, c.Wait())
		assert.Equal(t, 130, c.ProcessState.ExitCode(), stderr.String())
		assert.Contains(t, stderr.String(), "cub: interrupted", mode)
		require.NoError(t, os.RemoveAll(out))
	}
}

// Three processes share a cache, each with a folder of its own.
func TestProcessesShareACache(t *testing.T) {
	weights, arch := tinyBackbone(t, nil)
	data, cache, outs := datatest.Photographs(t, t.TempDir(), 10), t.TempDir(), t.TempDir()
	var all []*exec.Cmd
	for i := range 3 {
		c := program(1<<30, "-data", data, "-weights", weights, "-arch", arch, "-epochs", "2", "-samples", "0", "-cache", cache, "-out", filepath.Join(outs, fmt.Sprint(i)))
		require.NoError(t, c.Start())
		all = append(all, c)
	}
	for i, c := range all {
		require.NoError(t, c.Wait())
		sameResults(t, filepath.Join(outs, "0"), filepath.Join(outs, fmt.Sprint(i)))
	}
	assert.Equal(t, []string{"features.safetensors"}, files(t, cache))
}
