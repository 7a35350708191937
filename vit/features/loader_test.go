package features

import (
	"context"
	"fmt"
	"iter"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/promptcam/promptcam/data"
)

// goroutines waits for stragglers to end and returns what remains.
func goroutines(most int) int {
	for range 200 {
		if runtime.NumGoroutine() <= most {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	return runtime.NumGoroutine()
}

// seen is what an epoch yields, copied.
type seen struct {
	index, labels, views []int
	tokens               [][]float32
}

func run(t testing.TB, l *data.Loader, epoch int) seen {
	return collect(t, l.Epoch(t.Context(), data.Plan{Epoch: epoch}))
}

func collect(t testing.TB, batches iter.Seq2[*data.Batch, error]) (s seen) {
	for b, err := range batches {
		require.NoError(t, err)
		require.Equal(t, data.Tokens, b.Kind)
		require.Equal(t, []int{len(b.Index), 11, 8}, b.Values.Shape())
		s.index, s.labels, s.views = append(s.index, b.Index...), append(s.labels, b.Labels...), append(s.views, b.View...)
		for i := range b.Index {
			s.tokens = append(s.tokens, b.Values.Select(0, i).Clone().Data())
		}
	}
	return s
}

func TestLoader(t *testing.T) {
	b := backbone(t, 1)
	root, items := photographs(t, 7)
	c := filled(t, source(b, ""), b, root, 4, items)
	load := func(config LoaderConfig, items []data.Item) *data.Loader {
		l, err := c.Loader(items, config)
		require.NoError(t, err)
		return l
	}
	l := load(LoaderConfig{Views: 1, Batch: 3}, items)
	assert.Equal(t, 7, l.Len())
	assert.Equal(t, 3, l.Batches())
	plain := run(t, l, 5)
	assert.Equal(t, []int{0, 1, 2, 3, 4, 5, 6}, plain.index)
	assert.Equal(t, []int{0, 1, 2, 0, 1, 2, 0}, plain.labels)
	assert.Equal(t, make([]int, 7), plain.views)
	for i, it := range items {
		assert.Equal(t, record(t, c, it.Path, 0), plain.tokens[i])
	}

	config := LoaderConfig{Views: 4, Batch: 3, Shuffle: true, Seed: 2}
	want := run(t, load(config, items), 1)
	views := map[int]bool{}
	for at, i := range want.index {
		assert.Equal(t, items[i].Class, want.labels[at])
		assert.Equal(t, record(t, c, items[i].Path, want.views[at]), want.tokens[at])
	}
	for epoch := range 5 {
		s := run(t, load(config, items), epoch)
		assert.ElementsMatch(t, []int{0, 1, 2, 3, 4, 5, 6}, s.index)
		for _, v := range s.views {
			views[v] = true
		}
	}
	assert.Len(t, views, 4, "each view in its turn")
	assert.NotEqual(t, want.index, run(t, load(config, items), 2).index, "another epoch, another order")
	for _, procs := range []int{1, 2} {
		old := runtime.GOMAXPROCS(procs)
		assert.Equal(t, want, run(t, load(config, items), 1))
		runtime.GOMAXPROCS(old)
	}

	// An item's view depends on neither the order, nor the batches, nor the items after it.
	some := run(t, load(LoaderConfig{Views: 4, Batch: 2, Seed: 2}, items[:4]), 1)
	for at, i := range want.index {
		if i < 4 {
			assert.Equal(t, want.views[at], some.views[i])
		}
	}

	// From another view on.
	for _, v := range run(t, load(LoaderConfig{First: 3, Views: 1, Batch: 2}, items), 0).views {
		assert.Equal(t, 3, v)
	}

	_, err := c.Loader(items, LoaderConfig{Views: 0, Batch: 3})
	assert.EqualError(t, err, "features: loader: 0 views in batches of 3 images, need at least 1")
	_, err = c.Loader(nil, LoaderConfig{Views: 1, Batch: 3})
	assert.EqualError(t, err, "features: loader: no images of "+c.path)
	_, err = c.Loader(items, LoaderConfig{Views: 5, Batch: 3})
	assert.EqualError(t, err, "features: "+c.path+" holds features for other photographs: no record of a folder/0.png, view 4")
}

// One that is sampled several times has another view each time.
func TestLoaderSamples(t *testing.T) {
	b := backbone(t, 1)
	root, items := photographs(t, 7)
	c := filled(t, source(b, ""), b, root, 4, items)
	l, err := c.Loader(items, LoaderConfig{First: 1, Views: 3, Batch: 3, Seed: 2})
	require.NoError(t, err)
	s := collect(t, l.Epoch(t.Context(), data.Plan{Epoch: 1, Weights: []float64{0, 0, 1}, Share: 1})) // two items are of this class
	require.Len(t, s.index, 7)
	views := map[int][]int{}
	for at, i := range s.index {
		assert.Equal(t, 2, s.labels[at])
		assert.Equal(t, record(t, c, items[i].Path, s.views[at]), s.tokens[at])
		views[i] = append(views[i], s.views[at])
	}
	for _, i := range []int{2, 5} {
		assert.Subset(t, views[i], []int{1, 2, 3})
	}
	n := 0
	for _, err := range l.Epoch(t.Context(), data.Plan{Weights: []float64{1}, Share: 0.5}) {
		assert.ErrorContains(t, err, "and there are weights for 1")
		n++
	}
	assert.Equal(t, 1, n)
}

func TestLoaderIsLeft(t *testing.T) {
	b := backbone(t, 1)
	root, items := photographs(t, 9)
	c := filled(t, source(b, ""), b, root, 2, items)
	l, err := c.Loader(items, LoaderConfig{Views: 2, Batch: 1, Shuffle: true})
	require.NoError(t, err)
	want := run(t, l, 0)
	before := runtime.NumGoroutine()
	for range 20 {
		for _, err := range l.Epoch(t.Context(), data.Plan{}) {
			require.NoError(t, err)
			break
		}
	}
	assert.Panics(t, func() {
		for range l.Epoch(t.Context(), data.Plan{}) {
			panic("in the caller's loop")
		}
	})
	for a := range l.Epoch(t.Context(), data.Plan{}) { // two at a time
		for b := range l.Epoch(t.Context(), data.Plan{}) {
			assert.Equal(t, want.index[:1], b.Index)
			break
		}
		_ = a
	}
	buffers := map[*float32]bool{}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	n := 0
	var last error
	for batch, err := range l.Epoch(ctx, data.Plan{}) {
		if err != nil {
			last = err
			continue
		}
		buffers[&batch.Values.Data()[0]] = true
		if n++; n == 7 {
			cancel()
		}
	}
	assert.ErrorIs(t, last, context.Canceled)
	assert.Equal(t, 7, n, "nothing more after the context has ended")
	assert.LessOrEqual(t, len(buffers), 3, "memory is used again")
	assert.LessOrEqual(t, goroutines(before), before)
	assert.Equal(t, want, run(t, l, 0))

	require.NoError(t, c.Close())
	for _, err := range l.Epoch(t.Context(), data.Plan{}) {
		assert.ErrorContains(t, err, fmt.Sprintf("%s, view %d: ", items[want.index[0]].Path, want.views[0]))
	}
}
