package birds

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"image"
	"image/png"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/promptcam/promptcam/data"
	"github.com/promptcam/promptcam/tensor/machine"
)

func small() Config {
	c := DefaultConfig()
	c.Species, c.Train, c.Test, c.Size = c.Species[:3], 3, 2, 64
	return c
}

func lines(t *testing.T, dir, name string) [][]string {
	b, err := os.ReadFile(filepath.Join(dir, name))
	require.NoError(t, err)
	var rows [][]string
	for line := range strings.Lines(string(b)) {
		rows = append(rows, strings.Fields(line))
	}
	return rows
}

func readPNG(t *testing.T, path string) image.Image {
	f, err := os.Open(path)
	require.NoError(t, err)
	defer f.Close()
	m, err := png.Decode(f)
	require.NoError(t, err)
	return m
}

// package data opens what Write leaves, and finds the images that Draw draws.
func TestWriteIsRead(t *testing.T) {
	c := small()
	dir := filepath.Join(t.TempDir(), "new", "birds")
	require.NoError(t, Write(t.Context(), dir, c))
	set, err := data.Open(dir, data.Options{TestShare: 0.2, Seed: 1})
	require.NoError(t, err)
	assert.Equal(t, []string{"001.Plain_Leafling", "002.Spectacled_Leafling", "003.Capped_Leafling"}, set.Classes)
	assert.Len(t, set.Train, 9)
	assert.Len(t, set.Test, 6)
	assert.Equal(t, data.Item{Path: c.Path(1, 3), Class: 1}, set.Test[2])
	for i, item := range slices.Concat(set.Train, set.Test) {
		index := i % 3
		if i >= 9 {
			index = 3 + (i-9)%2
		}
		assert.Equal(t, c.Path(item.Class, index), item.Path)
		m, err := data.ReadImage(filepath.Join(dir, item.Path))
		require.NoError(t, err)
		assert.Equal(t, c.Draw(item.Class, index).RGB, data.ToRGB(m))
	}
}

type entry struct {
	bytes.Buffer
	close func(*entry)
}

func (e *entry) Close() error { e.close(e); return nil }

// WriteFiles makes the files of Write.
func TestWriteFiles(t *testing.T) {
	c := small()
	dir := filepath.Join(t.TempDir(), "birds")
	require.NoError(t, Write(t.Context(), dir, c))
	var mu sync.Mutex
	files := map[string]string{}
	require.NoError(t, WriteFiles(t.Context(), c, func(name string) (io.WriteCloser, error) {
		return &entry{close: func(e *entry) {
			mu.Lock()
			defer mu.Unlock()
			files[name] = e.String()
		}}, nil
	}))
	n := 0
	require.NoError(t, fs.WalkDir(os.DirFS(dir), ".", func(name string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			b, err := os.ReadFile(filepath.Join(dir, name))
			require.NoError(t, err)
			assert.Equal(t, string(b), files[name], name)
			n++
		}
		return err
	}))
	assert.Len(t, files, n)

	full := errors.New("full")
	err := WriteFiles(t.Context(), c, func(string) (io.WriteCloser, error) { return nil, full })
	assert.ErrorIs(t, err, full)
	c.Size = 1
	assert.ErrorContains(t, WriteFiles(t.Context(), c, nil), "birds: write: size 1")
}

func TestWriteMasks(t *testing.T) {
	c := small()
	dir := filepath.Join(t.TempDir(), "birds")
	require.NoError(t, Write(t.Context(), dir, c))
	m := c.Draw(2, 4)
	for kind, masks := range map[string][]*image.Alpha{"parts": m.Parts[:], "places": m.Places[:]} {
		stacked, ok := readPNG(t, filepath.Join(dir, "masks", kind, strings.TrimPrefix(c.Path(2, 4), "images/"))).(*image.Gray)
		require.True(t, ok)
		require.Equal(t, image.Rect(0, 0, 64, len(masks)*64), stacked.Rect)
		for i, mask := range masks {
			for y := range 64 {
				for x := range 64 {
					require.Equal(t, mask.AlphaAt(x, y).A, stacked.GrayAt(x, i*64+y).Y)
				}
			}
		}
	}
}

func TestWriteLists(t *testing.T) {
	c := small()
	dir := filepath.Join(t.TempDir(), "birds")
	require.NoError(t, Write(t.Context(), dir, c))
	images := 15
	assert.Len(t, lines(t, dir, "bounding_boxes.txt"), images)
	for i, row := range lines(t, dir, "scenes.txt") {
		seed, err := strconv.ParseUint(row[1], 10, 64)
		require.NoError(t, err)
		assert.Equal(t, c.Scene(i/5, i%5), NewScene(seed))
	}
	parts := lines(t, dir, "parts/parts.txt")
	assert.Len(t, parts, int(NumParts)+int(NumKinds))
	assert.Equal(t, []string{"12", "place", "of", "eye", "ring"}, parts[11])
	for _, row := range lines(t, dir, "parts/part_locs.txt") {
		id, _ := strconv.Atoi(row[0])
		part, _ := strconv.Atoi(row[1])
		x, _ := strconv.ParseFloat(row[2], 64)
		y, _ := strconv.ParseFloat(row[3], 64)
		m := c.Draw((id-1)/5, (id-1)%5)
		mask := slices.Concat(m.Parts[:], m.Places[:])[part-1]
		if row[4] == "1" {
			assert.GreaterOrEqual(t, mask.AlphaAt(int(x), int(y)).A, uint8(128), "%v", row)
		} else {
			assert.False(t, Visible(mask, 64), "%v", row)
		}
	}
	attributes := lines(t, dir, "attributes/attributes.txt")
	for i, row := range lines(t, dir, "attributes/class_attribute_labels_continuous.txt") {
		var has []string
		for j, share := range row {
			if share == "100.0" {
				has = append(has, attributes[j][1])
			}
		}
		require.Len(t, has, int(NumKinds))
		assert.Equal(t, "has_back::olive", has[Back])
		assert.Equal(t, i == 1, slices.Contains(has, "has_eye_ring::white"))
	}
	for _, row := range lines(t, dir, "attributes/image_attribute_labels.txt") {
		attribute, _ := strconv.Atoi(row[1])
		assert.True(t, row[3] == "4" || row[3] == "1" && row[2] == "0", "%v", row)
		if id, _ := strconv.Atoi(row[0]); attributes[attribute-1][1] == "has_eye_ring::white" && row[3] == "4" {
			assert.Equal(t, (id-1)/5 == 1, row[2] == "1")
		}
	}
	f, err := os.Open(filepath.Join(dir, "differences.csv"))
	require.NoError(t, err)
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	require.NoError(t, err)
	assert.Equal(t, [][]string{
		{"class_a", "class_b", "kind", "value_a", "value_b"},
		{"1", "2", "eye ring", "none", "white"},
		{"1", "3", "crown", "none", "black"},
		{"2", "1", "eye ring", "white", "none"},
		{"2", "3", "crown", "none", "black"},
		{"2", "3", "eye ring", "white", "none"},
		{"3", "1", "crown", "black", "none"},
		{"3", "2", "crown", "black", "none"},
		{"3", "2", "eye ring", "none", "white"},
	}, rows)
}

// A folder appears whole or not at all.
func TestWriteFails(t *testing.T) {
	parent := t.TempDir()
	dir := filepath.Join(parent, "birds")
	ended, end := context.WithCancel(t.Context())
	end()
	assert.ErrorIs(t, Write(ended, dir, small()), context.Canceled)

	change := func(f func(*Config)) Config {
		c := small()
		f(&c)
		return c
	}
	for _, f := range []struct {
		want string
		c    Config
	}{
		{"1 species: want at least 2", change(func(c *Config) { c.Species = c.Species[:1] })},
		{"0 training and 2 test images a species: want at least 1 and 0", change(func(c *Config) { c.Train = 0 })},
		{"size 20: want 32 to 1024", change(func(c *Config) { c.Size = 20 })},
		{`species 2 has the name "a/b": want one without slashes, commas, quotes, tabs and line ends`,
			change(func(c *Config) { c.Species = []Species{{Name: "a"}, {Name: "a/b"}} })},
		{`species 2 has the name "b, c": want one without slashes, commas, quotes, tabs and line ends`,
			change(func(c *Config) { c.Species = []Species{{Name: "a"}, {Name: "b", Family: "b, c"}} })},
		{`species 1 has the name "": want one without slashes, commas, quotes, tabs and line ends`,
			change(func(c *Config) { c.Species = []Species{{}, {Name: "b"}} })},
	} {
		assert.EqualError(t, Write(t.Context(), dir, f.c), "birds: write "+dir+": "+f.want)
	}
	assert.PanicsWithValue(t, "birds: trait of kind 4 has value 9: there is none", func() {
		Write(t.Context(), dir, change(func(c *Config) { c.Species[1].Traits[EyeRing] = 9 }))
	})
	entries, err := os.ReadDir(parent)
	require.NoError(t, err)
	assert.Empty(t, entries)

	require.NoError(t, os.Mkdir(dir, 0o755))
	assert.EqualError(t, Write(t.Context(), dir, small()), "birds: write "+dir+": it exists already: want a new folder")
}

// What killed processes left goes, what a live one draws stays.
func TestWriteSweeps(t *testing.T) {
	parent := t.TempDir()
	dir := filepath.Join(parent, "birds")
	left := func(name string, files ...string) string {
		for _, f := range append(files, "images/a.png") {
			path := filepath.Join(parent, name, f)
			require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
			require.NoError(t, os.WriteFile(path, nil, 0o644))
		}
		return filepath.Join(parent, name)
	}
	killed, old := left("birds.1.tmp", machine.LockFile), left("birds.2.tmp")
	require.NoError(t, os.Chtimes(old, time.Time{}, time.Now().Add(-2*abandoned)))
	alive, born := left("birds.3.tmp", machine.LockFile), left("birds.4.tmp")
	unlock, err := machine.TryLock(filepath.Join(alive, machine.LockFile))
	require.NoError(t, err)
	others := []string{left("birds.x.tmp", machine.LockFile), left("birds.5", machine.LockFile), left("other.6.tmp", machine.LockFile)}

	require.NoError(t, Write(t.Context(), dir, small()))
	assert.NoDirExists(t, killed)
	assert.NoDirExists(t, old)
	assert.NoFileExists(t, filepath.Join(dir, machine.LockFile))
	for _, path := range append(others, alive, born) {
		assert.FileExists(t, filepath.Join(path, "images", "a.png"), path)
	}
	require.NoError(t, unlock())
}

func TestScenesDiffer(t *testing.T) {
	c := DefaultConfig()
	seen := map[Scene]bool{}
	for i := range c.Species {
		for j := range c.Train + c.Test {
			seen[c.Scene(i, j)] = true
		}
	}
	assert.Equal(t, 24*(c.Train+c.Test), len(seen))
}
