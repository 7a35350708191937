package features

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/promptcam/promptcam/autograd"
	"github.com/promptcam/promptcam/data"
	"github.com/promptcam/promptcam/tensor/checkpoint"
)

// Ended after any number of records, by the end of its context, Fill goes on where it was.
func TestFillGoesOn(t *testing.T) {
	b := backbone(t, 1)
	root, items := photographs(t, 4)
	s := source(b, "")
	whole := contents(t, filled(t, s, b, root, 2, items).path)
	for _, batch := range []int{1, 3} {
		for n := range 8 {
			c := open(t, filepath.Join(t.TempDir(), "cache"), s, Records(2, items))
			ctx, cancel := context.WithCancel(t.Context())
			made := 0
			bad, err := c.Fill(ctx, data.Dir(root), b, FillConfig{Batch: batch, Progress: func(done, total int) {
				assert.Equal(t, 8, total)
				assert.Greater(t, done, made)
				if made = done; done >= n {
					cancel()
				}
			}})
			cancel()
			assert.Empty(t, bad)
			if made < 8 {
				assert.ErrorIs(t, err, context.Canceled)
				assert.ErrorContains(t, err, c.path)
			}
			assert.Equal(t, made, c.Stats().Made)
			require.NoError(t, c.Close())
			c = open(t, c.path, s, Records(2, items))
			assert.Equal(t, Stats{Reused: made, Made: 8 - made}, fill(t, c, root, b))
			assert.Equal(t, whole, contents(t, c.path), "%d records made", made)
		}
	}
}

// A forward pass whose context ends within it leaves nothing: its tokens are not those of the last block.
func TestFillKeepsNothingOfAPassThatEnded(t *testing.T) {
	b := backbone(t, 1)
	root, items := photographs(t, 4)
	s := source(b, "")
	c := open(t, filepath.Join(t.TempDir(), "cache"), s, Records(1, items))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	f := &filling{Cache: c, tape: autograd.Tape{NoGrad: true, Context: ctx}}
	for row, r := range c.records {
		f.batch = append(f.batch, picture{record: r, row: row})
	}
	f.images = make([]float32, len(f.batch)*3*12*12)
	f.forward(b)
	assert.Zero(t, c.Stats().Made)
	assert.Equal(t, Stats{Made: 4}, fill(t, c, root, b))
	assert.Equal(t, contents(t, filled(t, s, b, root, 1, items).path), contents(t, c.path))
}

// A process that fills a cache, slowly, until it is killed.
func TestFillingProcess(t *testing.T) {
	root, path := os.Getenv("FEATURES_ROOT"), os.Getenv("FEATURES_PATH")
	if path == "" {
		t.Skip("for TestFillIsKilled")
	}
	b := backbone(t, 1)
	var items []data.Item
	for i := range 8 {
		items = append(items, data.Item{Path: fmt.Sprintf("%d.png", i)})
	}
	c := open(t, path, source(b, ""), Records(4, items))
	_, err := c.Fill(t.Context(), data.Dir(root), b, FillConfig{Batch: 1, Progress: func(done, total int) { time.Sleep(time.Millisecond) }})
	require.NoError(t, err)
}

// Killed twenty times, at random moments, it ends with the same bytes.
func TestFillIsKilled(t *testing.T) {
	b := backbone(t, 1)
	root, path := t.TempDir(), filepath.Join(t.TempDir(), "cache")
	var items []data.Item
	for i := range 8 {
		items = append(items, data.Item{Path: fmt.Sprintf("%d.png", i)})
		paint(t, root, items[i].Path, uint64(i))
	}
	s := source(b, "")
	want := contents(t, filled(t, s, b, root, 4, items).path)
	rng := rand.New(rand.NewPCG(1, 2))
	for range 20 {
		child := exec.Command(os.Args[0], "--test.run=^TestFillingProcess$")
		child.Env = append(os.Environ(), "FEATURES_ROOT="+root, "FEATURES_PATH="+path)
		require.NoError(t, child.Start())
		time.Sleep(time.Duration(rng.IntN(60)) * time.Millisecond)
		child.Process.Kill() // or it has ended by itself
		child.Wait()
		if rng.IntN(4) == 0 { // now and then from the start
			os.Remove(path)
		}
	}
	fill(t, open(t, path, s, Records(4, items)), root, b)
	assert.Equal(t, want, contents(t, path))
}

// The file's bytes depend on neither the number of processors and workers nor the batches.
func TestFillIsDeterministic(t *testing.T) {
	b := backbone(t, 1)
	root, items := photographs(t, 7)
	s := source(b, "")
	want := contents(t, filled(t, s, b, root, 4, items).path)
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	for _, procs := range []int{1, 2, 5} {
		runtime.GOMAXPROCS(procs)
		for _, config := range []FillConfig{{}, {Batch: 1, Workers: 1}, {Batch: 4, Workers: 9}, {Batch: 100}} {
			c := open(t, filepath.Join(t.TempDir(), "cache"), s, Records(4, items))
			_, err := c.Fill(t.Context(), data.Dir(root), b, config)
			require.NoError(t, err)
			assert.Equal(t, want, contents(t, c.path), "GOMAXPROCS %d, %+v", procs, config)
		}
	}
}

// A record of which any part was not written, or is damaged later, is read as an error and made again.
func TestTornRecordsAreMadeAgain(t *testing.T) {
	b := backbone(t, 1)
	root, items := photographs(t, 2)
	s := source(b, "")
	c := filled(t, s, b, root, 2, items)
	want := contents(t, c.path)
	row, ok := c.row(Record{"1.png", 0})
	require.True(t, ok)
	size := c.source.bytes()
	tokens, hash, crc := c.tokens+int64(row*size), c.sha256+int64(32*row), c.crc32c+int64(4*row)
	for _, part := range []struct {
		at   int64
		n    int
		want Stats
		err  string
	}{
		{tokens, 1, Stats{Torn: 1}, "record 2 is torn or damaged"},
		{tokens + int64(size) - 1, 1, Stats{Torn: 1}, "record 2 is torn or damaged"},
		{tokens, size, Stats{Torn: 1}, "record 2 is torn or damaged"},
		{tokens + int64(size)/2, size / 2, Stats{Torn: 1}, "record 2 is torn or damaged"},
		{hash, 5, Stats{Torn: 1}, "record 2 is torn or damaged"},
		{hash, 32, Stats{}, "record 2 was never made"},
		{crc, 1, Stats{Torn: 1}, "record 2 is torn or damaged"},
		{crc, 4, Stats{Torn: 1}, "record 2 is torn or damaged"},
	} {
		_, err := c.file.WriteAt(make([]byte, part.n), part.at)
		require.NoError(t, err)
		require.NotEqual(t, want, contents(t, c.path))
		assert.ErrorContains(t, c.numbers(make([]float32, 88), row, [32]byte{}, make([]byte, size)), part.err)
		l, err := c.Loader(items, LoaderConfig{Views: 1, Batch: 5})
		require.NoError(t, err)
		for batch, err := range l.Epoch(t.Context(), data.Plan{}) {
			assert.Nil(t, batch)
			assert.ErrorContains(t, err, "features: "+c.path+": 1.png, view 0: "+part.err)
		}
		part.want.Reused, part.want.Made = 3, 1
		assert.Equal(t, part.want, fill(t, c, root, b))
		assert.Equal(t, want, contents(t, c.path))
	}
	require.NoError(t, os.Truncate(c.path, int64(len(want)-1)))
	_, err := c.Fill(t.Context(), data.Dir(root), b, FillConfig{})
	assert.EqualError(t, err, "features: fill "+c.path+": record 3: the file was cut short since it was opened")
	// What an interrupted write leaves: some of the tokens, nothing after.
	for n := range size {
		raw := bytes.Clone(want)
		clear(raw[tokens+int64(n):][:size-n])
		clear(raw[hash:][:32])
		clear(raw[crc:][:4])
		require.NoError(t, os.WriteFile(c.path, raw, 0o666))
		assert.Equal(t, Stats{Reused: 3, Made: 1}, fill(t, c, root, b))
		require.Equal(t, want, contents(t, c.path))
	}
}

func TestChangedPhotographsAreMadeAgain(t *testing.T) {
	b := backbone(t, 1)
	root, items := photographs(t, 3)
	s := source(b, "")
	c := filled(t, s, b, root, 3, items)
	before := contents(t, c.path)
	paint(t, root, "2.png", 99)
	assert.Equal(t, Stats{Reused: 6, Made: 3, Changed: 3}, fill(t, c, root, b))
	assert.NotEqual(t, before, contents(t, c.path))
	assert.Equal(t, contents(t, filled(t, s, b, root, 3, items).path), contents(t, c.path))
	assert.Equal(t, Stats{Reused: 9}, fill(t, c, root, b))
}

// Two processes that fill one file from different photographs of the same paths do not train
// on each other's.
func TestRecordsOfAnotherRunAreNotRead(t *testing.T) {
	b := backbone(t, 1)
	root, items := photographs(t, 3)
	c := filled(t, source(b, ""), b, root, 2, items)
	l, err := c.Loader(items, LoaderConfig{Views: 2, Batch: 3})
	require.NoError(t, err)
	run(t, l, 0)

	other, _ := photographs(t, 3)
	paint(t, other, "1.png", 99)
	assert.Equal(t, Stats{Reused: 4, Made: 2, Changed: 2}, fill(t, open(t, c.path, source(b, ""), Records(2, items)), other, b))
	for _, err = range l.Epoch(t.Context(), data.Plan{}) {
	}
	assert.ErrorContains(t, err, c.path+": 1.png, view ")
	assert.ErrorContains(t, err, "is no longer of the photograph that Fill saw")
}

func TestUnreadablePhotographsAreReturned(t *testing.T) {
	b := backbone(t, 1)
	root, items := photographs(t, 5)
	s := source(b, "")
	require.NoError(t, os.Remove(filepath.Join(root, "3.png")))
	require.NoError(t, os.WriteFile(filepath.Join(root, "1.png"), []byte("not an image"), 0o666))
	c := open(t, filepath.Join(t.TempDir(), "cache"), s, Records(2, items))
	for range 2 {
		last := 0
		bad, err := c.Fill(t.Context(), data.Dir(root), b, FillConfig{Progress: func(done, total int) { last = done }})
		require.NoError(t, err)
		require.Len(t, bad, 2)
		assert.Equal(t, 10, last)
		assert.Equal(t, 2, bad[0].Index)
		assert.Equal(t, data.Item{Path: "1.png"}, bad[0].Item)
		assert.ErrorContains(t, bad[0].Err, "1.png: not an image")
		assert.Equal(t, 6, bad[1].Index)
		assert.ErrorIs(t, bad[1].Err, os.ErrNotExist)
		assert.Equal(t, 6, c.Stats().Made+c.Stats().Reused)
	}
	paint(t, root, "1.png", 1)
	paint(t, root, "3.png", 3)
	assert.Equal(t, Stats{Reused: 6, Made: 4}, fill(t, c, root, b))
}

// An error of the system is not the photograph's: Fill ends, and goes on where it was once the system is well.
func TestFillEndsWithTheSystemsError(t *testing.T) {
	b := backbone(t, 1)
	root, items := photographs(t, 5)
	c := open(t, filepath.Join(t.TempDir(), "cache"), source(b, ""), Records(2, items))
	for _, cause := range []error{syscall.EMFILE, syscall.EIO, syscall.EACCES} {
		bad, err := c.Fill(t.Context(), failing{data.Dir(root), "3.png", cause}, b, FillConfig{Workers: 1})
		require.ErrorIs(t, err, cause)
		assert.ErrorContains(t, err, "3.png")
		assert.Empty(t, bad)
	}
	bad, err := c.Fill(t.Context(), data.Dir(root), b, FillConfig{})
	require.NoError(t, err)
	assert.Empty(t, bad)
}

// failing is a folder of which one file cannot be opened.
type failing struct {
	data.Dir
	name string
	err  error
}

func (f failing) Open(name string) (fs.File, error) {
	if name == f.name {
		return nil, &fs.PathError{Op: "open", Path: name, Err: f.err}
	}
	return f.Dir.Open(name)
}

func TestFillRefuses(t *testing.T) {
	b := backbone(t, 1)
	root, items := photographs(t, 2)
	c := open(t, filepath.Join(t.TempDir(), "cache"), source(b, ""), Records(1, items))
	_, err := c.Fill(t.Context(), data.Dir(root), backbone(t, 2), FillConfig{})
	assert.ErrorContains(t, err, "features: "+c.path+" holds features for another backbone: made by backbone "+b.SHA256[:12])
	_, err = c.Fill(t.Context(), data.Dir(root), b, FillConfig{Batch: -1})
	assert.ErrorContains(t, err, "batches of -1 images, 0 workers")

	// Tokens that the file's type cannot hold would be infinite in it.
	b.ClassToken.Value.Fill(7.5e4)
	_, err = c.Fill(t.Context(), data.Dir(root), b, FillConfig{})
	assert.ErrorContains(t, err, "features: fill "+c.path)
	assert.ErrorContains(t, err, "view 0: a token has the number 7")
	assert.ErrorContains(t, err, "which F16 does not hold")
	b.ClassToken.Value.Fill(float32(math.NaN()))
	wide := open(t, filepath.Join(t.TempDir(), "cache"), source(b, checkpoint.F32), Records(1, items))
	_, err = wide.Fill(t.Context(), data.Dir(root), b, FillConfig{})
	assert.ErrorContains(t, err, "a token has the number NaN, which F32 does not hold")
}

func TestFillLeavesNobodyBehind(t *testing.T) {
	b := backbone(t, 1)
	root, items := photographs(t, 9)
	before := runtime.NumGoroutine()
	for n := range 6 {
		c := open(t, filepath.Join(t.TempDir(), "cache"), source(b, ""), Records(4, items))
		ctx, cancel := context.WithCancel(t.Context())
		c.Fill(ctx, data.Dir(root), b, FillConfig{Batch: 2, Workers: 5, Progress: func(done, total int) {
			if done > n*2 {
				cancel()
			}
		}})
		cancel()
	}
	assert.LessOrEqual(t, goroutines(before), before)
}
