package run

import (
	"context"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/promptcam/promptcam/data/datatest"
	"github.com/promptcam/promptcam/tensor"
	"github.com/promptcam/promptcam/tensor/checkpoint"
)

// Whatever a state says, Resume ends, with an error or with results of numbers.
func FuzzResume(f *testing.F) {
	dir, b := datatest.Photographs(f, f.TempDir(), 4), backbone(f)
	r := short()
	r.Epochs, r.EMA.Decay, r.Hard.Share, r.Rank, r.Distill.Weight = 3, 0.9, 0.3, 2, 0
	set, err := OpenSet(dir, r)
	require.NoError(f, err)
	j := NewJob(r, set, f.TempDir())
	j.Samples = 0
	ctx, cancel := context.WithCancel(f.Context())
	j.Observer.Line = func(_ LineKind, text string) {
		if strings.HasPrefix(text, "epoch 2/") {
			cancel()
		}
	}
	_, err = j.Train(ctx, b)
	require.ErrorIs(f, err, context.Canceled)
	j.Observer.Line = nil

	file, err := checkpoint.Open(j.path(StateFile))
	require.NoError(f, err)
	whole, names := map[string]*tensor.Tensor{}, file.Names()
	for _, name := range names {
		whole[name], err = file.Tensor(name)
		require.NoError(f, err)
	}
	meta := file.Metadata()
	require.NoError(f, file.Close())
	state, training := meta["state"], meta["training"]

	add := func(state, training string, value float32) {
		f.Add(state, training, uint16(3), uint16(5), math.Float32bits(value), "", uint8(1))
	}
	add(state, training, 1)
	for _, v := range []float64{math.NaN(), math.Inf(-1), math.MaxFloat32, 1e-45} {
		add(state, training, float32(v))
	}
	add(strings.Replace(state, `"Best":2`, `"Best":9223372036854775807`, 1), training, 0)
	add(strings.Replace(state, `"epochs":3`, `"epochs":1`, 1), training, 0)
	add(state, `{"History":[]}`, 0)
	add(state, `{"History":[null,{}],"Numbers":{"losses":[-1,1e300]}}`, 0)
	add(state, strings.Replace(training, `"Loss":`, `"Loss":1e308,"was":`, 1), 0)
	f.Add(state, training, uint16(0), uint16(0), uint32(0), "optimizer.step", uint8(2))
	f.Add(state, training, uint16(1), uint16(0), uint32(0), "best.class", uint8(4))
	f.Fuzz(func(t *testing.T, state, training string, which, at uint16, bits uint32, name string, how uint8) {
		tensors := map[string]*tensor.Tensor{}
		for name, x := range whole {
			tensors[name] = x.Clone()
		}
		if chosen := names[int(which)%len(names)]; how&4 != 0 { // another name
			tensors[name] = tensors[chosen]
			delete(tensors, chosen)
		} else if how&2 != 0 { // another shape
			tensors[chosen] = tensor.New(int(at % 64))
		} else if x := tensors[chosen].Data(); how&1 != 0 && len(x) > 0 {
			x[int(at)%len(x)] = math.Float32frombits(bits)
		}
		again := *j
		again.Out = t.TempDir()
		features, err := os.ReadFile(j.path(FeaturesFile))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(again.path(FeaturesFile), features, 0o644))
		err = checkpoint.WriteFile(again.path(StateFile), func(w io.Writer) error {
			return checkpoint.Write(w, tensors, map[string]string{"format": stateFormat, "state": state, "training": training})
		})
		if err != nil {
			return // no file has such names
		}
		if _, err := again.Resume(t.Context(), b); err != nil {
			return
		}
		text, err := os.ReadFile(filepath.Join(again.Out, PredictionsFile))
		require.NoError(t, err)
		require.NotContains(t, string(text), "NaN")
		require.NotContains(t, string(text), "Inf")
	})
}
