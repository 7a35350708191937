package main

import (
	"context"
	"io"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/promptcam/promptcam/data/datatest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// watcher calls see with everything that is printed.
type watcher struct{ see func(string) }

func (w watcher) Write(p []byte) (int, error) {
	w.see(string(p))
	return len(p), nil
}

// sameResults requires the same bits in out as in want, but for how long it took.
func sameResults(t *testing.T, want, out string) {
	t.Helper()
	assert.Equal(t, files(t, want), files(t, out))
	for _, name := range []string{"model.safetensors", "predictions.csv"} {
		assert.Equal(t, read(t, want, name), read(t, out, name), name)
	}
	a, b := table(t, want, "history.csv"), table(t, out, "history.csv")
	require.Len(t, b, len(a))
	for i := range a {
		last := len(a[i]) - 1
		assert.Equal(t, a[i][:last], b[i][:last])
	}
}

func TestResumeEndsWithTheSameBits(t *testing.T) {
	weights, arch := tinyBackbone(t, nil)
	data := datatest.Photographs(t, t.TempDir(), 10)
	for _, optimizer := range []string{"adamw", "sgd"} {
		t.Run(optimizer, func(t *testing.T) {
			args := []string{"-data", data, "-weights", weights, "-arch", arch, "-epochs", "5", "-batch", "4", "-dropout", "0.1",
				"-drop-path", "0.2", "-hard", "0.5", "-hard-from", "0.3", "-binary", "0.1", "-needed", "0.2", "-average", "0.9", "-optimizer", optimizer, "-samples", "1", "-out"}
			want := t.TempDir()
			began := time.Now()
			must(t, append(args, want)...)
			whole := time.Since(began)

			t.Run("after each epoch", func(t *testing.T) {
				out := t.TempDir()
				next := append(args, out)
				for _, epoch := range []string{"epoch 1/5", "epoch 2/5", "epoch 4/5", "epoch 5/5"} {
					ctx, cancel := context.WithCancel(t.Context())
					var all strings.Builder
					err := command(ctx, next, watcher{func(line string) {
						all.WriteString(line)
						if strings.HasPrefix(line, epoch) {
							cancel()
						}
					}}, io.Discard)
					require.ErrorIs(t, err, context.Canceled, all.String())
					if epoch == "epoch 5/5" {
						assert.Contains(t, err.Error(), "training is done and on disk in "+filepath.Join(out, "state.safetensors"))
					} else {
						assert.Contains(t, err.Error(), epoch[:7]+" of 5 is on disk in "+filepath.Join(out, "state.safetensors"))
					}
					assert.Contains(t, err.Error(), "-resume")
					assert.FileExists(t, filepath.Join(out, "state.safetensors"))
					next = append(args, out, "-resume")
				}
				before := read(t, filepath.Join(out, "state.safetensors"))
				must(t, next...)
				sameResults(t, want, out)

				// Killed after the last file and before the state's removal.
				write(t, filepath.Join(out, "state.safetensors"), before)
				must(t, next...)
				sameResults(t, want, out)
			})
			if optimizer == "sgd" {
				return // how often it is interrupted does not depend on the optimizer
			}
			t.Run("anywhere", func(t *testing.T) {
				out, rng := t.TempDir(), rand.New(rand.NewPCG(3, 4))
				for i := 0; ; i++ {
					require.Less(t, i, 100)
					next := append(args, out)
					if i > 0 {
						next = append(next, "-resume")
					}
					// Longer each time, so that an epoch is finished however slow the machine gets.
					ctx, cancel := context.WithTimeout(t.Context(), time.Duration(rng.Float64()*float64(whole)*float64(4+i)/8))
					err := command(ctx, next, io.Discard, io.Discard)
					cancel()
					if err == nil {
						break
					}
					require.ErrorIs(t, err, context.DeadlineExceeded)
					require.Contains(t, err.Error(), "interrupted; ")
					for _, name := range files(t, out) {
						require.NotContains(t, name, "tmp", "a temporary file is left")
						require.False(t, strings.HasPrefix(filepath.Base(name), "."), name)
					}
				}
				sameResults(t, want, out)
			})
		})
	}
}

// Until the images are read it is not known how many epochs -epochs 0 means.
func TestInterruptedBeforeTheEpochsAreKnown(t *testing.T) {
	weights, arch := tinyBackbone(t, nil)
	out := t.TempDir()
	args := []string{"-data", datatest.Photographs(t, t.TempDir(), 6), "-weights", weights, "-arch", arch, "-out", out}
	for _, line := range []string{"epoch 1/900", "features computed"} {
		ctx, cancel := context.WithCancel(t.Context())
		err := command(ctx, args, watcher{func(printed string) {
			if strings.Contains(printed, line) {
				cancel()
			}
		}}, io.Discard)
		require.ErrorIs(t, err, context.Canceled)
		assert.Contains(t, err.Error(), "epoch 1 of 900 is on disk")
		args = append(args, "-resume")
	}
}

func TestResumeRefuses(t *testing.T) {
	weights, arch := tinyBackbone(t, nil)
	data, out := datatest.Photographs(t, t.TempDir(), 6), t.TempDir()
	args := []string{"-data", data, "-weights", weights, "-arch", arch, "-epochs", "3", "-out", out}
	ctx, cancel := context.WithCancel(t.Context())
	err := command(ctx, args, watcher{func(line string) {
		if strings.HasPrefix(line, "epoch 1/3") {
			cancel()
		}
	}}, io.Discard)
	require.ErrorIs(t, err, context.Canceled)

	fails(t, args, "--out "+out+" holds an unfinished run", "-resume")
	fails(t, append(args, "-resume", "-lr", "0.1", "-seed", "2"), "--lr was 0.06, now 0.1", "--seed was 1, now 2")
	fails(t, append(args, "-resume", "-size", "64"), "the image size was 32x32, now 64x64")
	fails(t, append(args, "-resume", "-classes", "red,green"), "the images or classes")
	other, _ := tinyBackbone(t, func(w tensors) { w["cls_token"].Data()[0]++ })
	fails(t, append(args, "-resume", "-weights", other), "the backbone had SHA-256")
	changed := filepath.Join(t.TempDir(), "other.json")
	write(t, changed, strings.Replace(read(t, arch), `"QuickGELU":false`, `"QuickGELU":true`, 1))
	fails(t, append(args, "-resume", "-arch", changed), "the architecture was")

	kept := read(t, out, "features.safetensors")
	fails(t, append(args, "-resume", "-views", "4"), "--views was 2, now 4")
	assert.Equal(t, kept, read(t, out, "features.safetensors"), "which the unfinished run needs")

	state := read(t, filepath.Join(out, "state.safetensors"))
	for name, text := range map[string]string{"truncated": state[:len(state)/2], "text": "no state", "empty": ""} {
		write(t, filepath.Join(out, "state.safetensors"), text)
		fails(t, append(args, "-resume"), "resume: ", filepath.Join(out, "state.safetensors"))
		_ = name
	}
	write(t, filepath.Join(out, "state.safetensors"), read(t, weights))
	fails(t, append(args, "-resume"), "not the state of a training run")

	write(t, filepath.Join(out, "state.safetensors"), state)
	must(t, append(args, "-resume", "-workers", "1", "-samples", "3")...) // these change no bit of the model
	fails(t, append(args, "-resume"), "the run in "+out+" has finished")
	must(t, args...) // a finished run may be replaced
}
