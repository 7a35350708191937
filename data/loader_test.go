package data

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"image"
	"iter"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var hashSeed = maphash.MakeSeed()

// folderOf is a folder of n small images, and its items.
func folderOf(t testing.TB, n int) (root string, items []Item) {
	files := make(map[string][]byte)
	for i := range n {
		name := fmt.Sprintf("%02d.jpg", i)
		m := noise(24, 20, uint64(i))
		files[name] = jpegOf(t, m)
		items = append(items, Item{name, i % 3})
	}
	return write(t, files), items
}

// seen is what one epoch yields, copied.
type seen struct {
	index, labels []int
	images        []uint64 // hashes of each image's float32 values
}

func run(t testing.TB, l *Loader, epoch int) seen {
	return collect(t, l, l.Epoch(t.Context(), Plan{Epoch: epoch}))
}

func collect(t testing.TB, l *Loader, batches iter.Seq2[*Batch, error]) (out seen) {
	for b, err := range batches {
		require.NoError(t, err)
		n := len(b.Labels)
		require.Equal(t, []int{n, 3, l.Shape[1], l.Shape[2]}, b.Values.Shape())
		out.index = append(out.index, b.Index...)
		out.labels = append(out.labels, b.Labels...)
		data := b.Values.Data()
		for i := range n {
			one := data[i*len(data)/n : (i+1)*len(data)/n]
			out.images = append(out.images, maphash.String(hashSeed, fmt.Sprint(one)))
		}
	}
	return out
}

func TestLoader(t *testing.T) {
	root, items := folderOf(t, 10)
	c := LoaderConfig{Transform: Transform{Width: 16, Height: 12, Mean: half, Std: half}, Batch: 4}
	l, err := NewLoader(Dir(root), items, c)
	require.NoError(t, err)
	assert.Equal(t, 10, l.Len())
	assert.Equal(t, 3, l.Batches())
	got := run(t, l, 0)
	assert.Equal(t, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, got.index)
	assert.Equal(t, []int{0, 1, 2, 0, 1, 2, 0, 1, 2, 0}, got.labels)
	for i, it := range items {
		m, err := ReadImage(filepath.Join(root, it.Path))
		require.NoError(t, err)
		want := make([]float32, 3*16*12)
		c.Transform.Normalise(want, c.Transform.Apply(m, nil))
		assert.Equal(t, maphash.String(hashSeed, fmt.Sprint(want)), got.images[i])
	}
}

// A worker makes images of all sizes and formats in the same memory.
func TestLoaderOfMixedFiles(t *testing.T) {
	var items []Item
	for i, name := range []string{
		"orientation6.jpg", "cmyk.jpg", "baseline420.jpg", "grey.jpg", "palette.gif", "baseline444.jpg", "lzw.tif",
		"lossy.webp", "small.jpg", "orientation6.png", "baseline422.jpg", "large.jpg", "alpha.webp", "progressive.jpg", "small.jpg",
	} {
		items = append(items, Item{name, i})
	}
	files := map[string][]byte{"small.jpg": jpegOf(t, noise(5, 3, 1)), "large.jpg": jpegOf(t, noise(130, 99, 2))}
	for _, it := range items {
		if files[it.Path] == nil {
			data, err := os.ReadFile(filepath.Join("testdata", it.Path))
			require.NoError(t, err)
			files[it.Path] = data
		}
	}
	root := write(t, files)
	for _, tr := range []Transform{
		{Width: 16, Height: 12, Mean: half, Std: half},
		{Width: 45, Height: 31, ShortSide: 45, Filter: Bicubic},
	} {
		l, err := NewLoader(Dir(root), items, LoaderConfig{Transform: tr, Batch: 4, Workers: 1})
		require.NoError(t, err)
		got := run(t, l, 0)
		for i, it := range items {
			m, err := DecodeImage(files[it.Path], it.Path)
			require.NoError(t, err)
			want := make([]float32, 3*tr.Width*tr.Height)
			tr.Normalise(want, tr.Apply(m, nil))
			assert.Equal(t, maphash.String(hashSeed, fmt.Sprint(want)), got.images[i], it.Path)
		}
	}
}

// After the first image a worker takes memory only for what a format's decoder
// returns, and a few bytes of chroma and weights.
func TestWorkerKeepsMemory(t *testing.T) {
	var s scaler
	var img RGB
	photo, planes := picture(500, 375), image.NewYCbCr(image.Rect(0, 0, 500, 375), image.YCbCrSubsampleRatio420)
	rng, x := newRand(1), make([]float32, 3*224*224)
	img.resize(224, 224)
	eval, train := EvalTransform([2]int{224, 224}, half, half), TrainTransform([2]int{224, 224}, half, half)
	assert.Zero(t, testing.AllocsPerRun(5, func() { eval.apply(&img, photo, nil, &s) }))
	assert.LessOrEqual(t, testing.AllocsPerRun(5, func() { train.apply(&img, photo, rng, &s) }), 2.0)
	assert.Zero(t, testing.AllocsPerRun(5, func() { eval.Normalise(x, &img) }))
	assert.LessOrEqual(t, testing.AllocsPerRun(5, func() { fromYCbCr(planes, jpegRange, photo.Pix) }), 3.0)
}

// Order and augmentation follow from (seed, epoch, item) alone.
func TestLoaderIsDeterministic(t *testing.T) {
	root, items := folderOf(t, 23)
	c := LoaderConfig{Transform: TrainTransform([2]int{14, 14}, half, half), Batch: 5, Shuffle: true, Seed: 3}
	c.Transform.Hue, c.Transform.Contrast = 0.2, 0.5
	load := func(c LoaderConfig, epoch int) seen {
		l, err := NewLoader(Dir(root), items, c)
		require.NoError(t, err)
		return run(t, l, epoch)
	}
	want := load(c, 1)
	sorted := slices.Sorted(slices.Values(want.index))
	for i := range 23 {
		assert.Equal(t, i, sorted[i], "each item once")
		assert.Equal(t, items[want.index[i]].Class, want.labels[i])
	}
	for _, procs := range []int{1, 2} {
		old := runtime.GOMAXPROCS(procs)
		for _, workers := range []int{0, 1, 4, 40} {
			c := c
			c.Workers = workers
			assert.Equal(t, want, load(c, 1), "GOMAXPROCS %d, %d workers", procs, workers)
		}
		runtime.GOMAXPROCS(old)
	}

	other := load(c, 2)
	assert.NotEqual(t, want.index, other.index, "another epoch, another order")
	c.Seed = 4
	assert.NotEqual(t, want.index, load(c, 1).index, "another seed, another order")

	// An item's augmentation does not depend on its place: not on shuffling, batch size or the other items.
	c.Seed, c.Shuffle, c.Batch = 3, false, 2
	items = items[:11]
	plain := load(c, 1)
	for i, h := range plain.images {
		assert.Equal(t, want.images[slices.Index(want.index, i)], h)
	}
	assert.NotEqual(t, plain.images, load(c, 2).images)
}

// A class of nine times the weight is there nine times as often, each time augmented otherwise.
func TestLoaderSamples(t *testing.T) {
	root, items := folderOf(t, 20)
	for i := range items {
		items[i].Class = i % 2
	}
	c := LoaderConfig{Transform: TrainTransform([2]int{14, 14}, half, half), Batch: 6, Seed: 3}
	c.Transform.Hue = 0.2
	sampled := func(workers, epoch int) seen {
		c.Workers = workers
		l, err := NewLoader(Dir(root), items, c)
		require.NoError(t, err)
		return collect(t, l, l.Epoch(t.Context(), Plan{Epoch: epoch, Weights: []float64{1, 9}, Share: 1}))
	}
	want := sampled(1, 2)
	require.Len(t, want.index, 20)
	count, images := map[int]int{}, map[uint64]bool{}
	for at, i := range want.index {
		assert.Equal(t, items[i].Class, want.labels[at])
		count[want.labels[at]]++
		images[want.images[at]] = true
	}
	assert.Equal(t, map[int]int{0: 2, 1: 18}, count)
	assert.Len(t, images, 20)
	assert.Equal(t, want, sampled(4, 2))
	assert.NotEqual(t, want.index, sampled(1, 3).index)

	l, err := NewLoader(Dir(root), items, c)
	require.NoError(t, err)
	n := 0
	for _, err := range l.Epoch(t.Context(), Plan{Weights: []float64{1}, Share: 1}) {
		assert.ErrorContains(t, err, "is of class 1, and there are weights for 1")
		n++
	}
	assert.Equal(t, 1, n)
}

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

func TestLoaderStopsEarly(t *testing.T) {
	root, items := folderOf(t, 30)
	before := runtime.NumGoroutine()
	l, err := NewLoader(Dir(root), items, LoaderConfig{Transform: EvalTransform([2]int{16, 16}, half, half), Batch: 2, Workers: 4})
	require.NoError(t, err)
	for range 20 {
		for _, err := range l.Epoch(t.Context(), Plan{}) {
			require.NoError(t, err)
			break
		}
	}
	assert.LessOrEqual(t, goroutines(before), before)
	assert.Panics(t, func() {
		for range l.Epoch(t.Context(), Plan{}) {
			panic("in the caller's loop")
		}
	})
	assert.LessOrEqual(t, goroutines(before), before)
	for range 3 { // two passes at a time, one inside the other
		n := 0
		for a := range l.Epoch(t.Context(), Plan{}) {
			for b := range l.Epoch(t.Context(), Plan{}) {
				assert.Equal(t, []int{0, 1}, b.Index)
				break
			}
			n += len(a.Labels)
		}
		assert.Equal(t, 30, n)
	}
	assert.LessOrEqual(t, goroutines(before), before)
}

func TestLoaderContext(t *testing.T) {
	root, items := folderOf(t, 30)
	before := runtime.NumGoroutine()
	l, err := NewLoader(Dir(root), items, LoaderConfig{Transform: EvalTransform([2]int{16, 16}, half, half), Batch: 2})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	batches := 0
	var last error
	for b, err := range l.Epoch(ctx, Plan{}) {
		if err != nil {
			assert.Nil(t, b)
			last = err
			continue
		}
		if batches++; batches == 3 {
			cancel()
		}
	}
	assert.ErrorIs(t, last, context.Canceled)
	assert.Equal(t, 3, batches, "nothing more after the context has ended")
	assert.LessOrEqual(t, goroutines(before), before)

	n := 0
	for _, err := range l.Epoch(ctx, Plan{}) {
		assert.ErrorIs(t, err, context.Canceled)
		n++
	}
	assert.Equal(t, 1, n)
}

// The first bad image in order is named, whatever the workers did first.
func TestLoaderBadImage(t *testing.T) {
	root, items := folderOf(t, 30)
	items[13].Path, items[14].Path, items[29].Path = "gone13.jpg", "gone14.jpg", "gone29.jpg"
	for _, workers := range []int{1, 8} {
		l, err := NewLoader(Dir(root), items, LoaderConfig{Transform: EvalTransform([2]int{16, 16}, half, half), Batch: 4, Workers: workers})
		require.NoError(t, err)
		n := 0
		var errs []error
		for b, err := range l.Epoch(t.Context(), Plan{}) {
			if err != nil {
				errs = append(errs, err)
				continue
			}
			n += len(b.Labels)
		}
		assert.Equal(t, 12, n)
		require.Len(t, errs, 1)
		assert.ErrorContains(t, errors.Join(errs...), "gone13.jpg")
	}
}

// Memory does not grow with the epoch: the tensors' buffers are used again.
func TestLoaderMemory(t *testing.T) {
	root, items := folderOf(t, 40)
	l, err := NewLoader(Dir(root), items, LoaderConfig{Transform: EvalTransform([2]int{16, 16}, half, half), Batch: 2})
	require.NoError(t, err)
	buffers := make(map[*float32]bool)
	for b, err := range l.Epoch(t.Context(), Plan{}) {
		require.NoError(t, err)
		buffers[&b.Values.Data()[0]] = true
	}
	assert.LessOrEqual(t, len(buffers), ahead)
}

func TestNewLoaderErrors(t *testing.T) {
	items := []Item{{"a.jpg", 0}, {"b.jpg", 1}}
	ok := LoaderConfig{Transform: EvalTransform([2]int{16, 16}, half, half), Batch: 4}
	for _, c := range []struct {
		change func(*LoaderConfig)
		items  []Item
		want   string
	}{
		{func(c *LoaderConfig) { c.Batch = 0 }, items, "data: loader: batch of 0 images, need at least 1"},
		{func(c *LoaderConfig) { c.Workers = -1 }, items, "data: loader: -1 workers, need at least 1, or 0 for all processors"},
		{func(c *LoaderConfig) { c.Transform.Width = 0 }, items, "data: transform: result of 0x16 pixels: both sides must be positive"},
		{func(c *LoaderConfig) {}, nil, "data: loader: no images of birds"},
	} {
		config := ok
		c.change(&config)
		_, err := NewLoader(Dir("birds"), c.items, config)
		assert.EqualError(t, err, c.want)
	}
}

func TestLoaderWithoutBatch(t *testing.T) {
	var l Loader
	assert.Zero(t, l.Batches())
	for b, err := range l.Epoch(t.Context(), Plan{}) {
		assert.Nil(t, b)
		assert.EqualError(t, err, "data: loader: batch of 0 images, need at least 1")
	}
}
