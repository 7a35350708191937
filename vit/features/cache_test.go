package features

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/promptcam/promptcam/autograd"
	"github.com/promptcam/promptcam/data"
	"github.com/promptcam/promptcam/tensor"
	"github.com/promptcam/promptcam/tensor/checkpoint"
	"github.com/promptcam/promptcam/vit"
)

var half = [3]float32{0.5, 0.5, 0.5}

// tiny has 1 + 9 tokens of 8 channels.
var tiny = vit.Config{
	Name: "tiny", ImageSize: [2]int{12, 12}, PatchSize: 4, Dim: 8, Depth: 3, Heads: 2, Hidden: 12, Registers: 1,
	Eps: 1e-6, Mean: half, Std: half,
}

func backbone(t testing.TB, seed uint64) *vit.Model {
	b, err := vit.New(tiny, rand.New(rand.NewPCG(seed, 0)))
	require.NoError(t, err)
	return b
}

func source(b *vit.Model, d checkpoint.DType) Source {
	drawn := data.TrainTransform([2]int{12, 12}, half, half)
	drawn.ResizeHeight, drawn.ResizeWidth = 16, 16
	drawn.Brightness = 0.4
	return Source{
		Backbone: b.SHA256, Arch: b.Config, Layer: 2, Plain: data.EvalTransform([2]int{12, 12}, half, half),
		Augmented: drawn, Seed: 7, Type: d,
	}
}

func paint(t testing.TB, root, path string, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 1))
	m := image.NewRGBA(image.Rect(0, 0, 17, 14))
	for y := range 14 {
		for x := range 17 {
			m.Set(x, y, color.RGBA{uint8(rng.Uint32()), uint8(rng.Uint32()), uint8(rng.Uint32()), 255})
		}
	}
	var b bytes.Buffer
	require.NoError(t, png.Encode(&b, m))
	path = filepath.Join(root, path)
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o777))
	require.NoError(t, os.WriteFile(path, b.Bytes(), 0o666))
}

// photographs makes n of them; the first lies in a folder of its own.
func photographs(t testing.TB, n int) (root string, items []data.Item) {
	root = t.TempDir()
	for i := range n {
		path := fmt.Sprintf("%d.png", i)
		if i == 0 {
			path = "a folder/0.png"
		}
		paint(t, root, path, uint64(i))
		items = append(items, data.Item{Path: path, Class: i % 3})
	}
	return root, items
}

func open(t testing.TB, path string, s Source, records []Record) *Cache {
	c, err := Open(path, s, records)
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	return c
}

func fill(t testing.TB, c *Cache, root string, b *vit.Model) Stats {
	bad, err := c.Fill(t.Context(), data.Dir(root), b, FillConfig{Batch: 3})
	require.NoError(t, err)
	require.Empty(t, bad)
	return c.Stats()
}

// filled makes a cache of the first views of items in a new file.
func filled(t testing.TB, s Source, b *vit.Model, root string, views int, items []data.Item) *Cache {
	c := open(t, filepath.Join(t.TempDir(), "cache.safetensors"), s, Records(views, items))
	assert.Equal(t, Stats{Made: views * len(items)}, fill(t, c, root, b))
	return c
}

func record(t testing.TB, c *Cache, path string, v int) []float32 {
	row, ok := c.row(Record{path, v})
	require.True(t, ok)
	dst, n := make([]float32, c.source.bytes()/c.source.Type.Size()), c.source.bytes()
	require.NoError(t, c.numbers(dst, row, [32]byte{}, make([]byte, n)))
	return dst
}

func tokensOf(b *vit.Model, images *tensor.Tensor, layer int) []float32 {
	tp := &autograd.Tape{NoGrad: true}
	return b.Tokens(tp.Const(images), layer).Value().Contig().Data()
}

// A record has the bits of the tokens of the image that a data.Loader makes; of view 1, of that image mirrored.
func TestRecordsAreTheBackbonesTokens(t *testing.T) {
	b := backbone(t, 1)
	root, items := photographs(t, 5)
	for layer := range tiny.Depth + 1 {
		s := source(b, checkpoint.F32)
		s.Layer = layer
		exact := filled(t, s, b, root, 4, items)
		s.Type = checkpoint.F16
		rounded := filled(t, s, b, root, 4, items)
		l, err := data.NewLoader(data.Dir(root), items, data.LoaderConfig{Transform: s.Plain, Batch: 1})
		require.NoError(t, err)
		for batch, err := range l.Epoch(t.Context(), data.Plan{}) {
			require.NoError(t, err)
			path := items[batch.Index[0]].Path
			assert.Equal(t, tokensOf(b, batch.Values, layer), record(t, exact, path, 0))
			mirrored := batch.Values.Clone()
			for y, d := 0, mirrored.Data(); y < len(d); y += 12 {
				for x := range 6 {
					d[y+x], d[y+11-x] = d[y+11-x], d[y+x]
				}
			}
			assert.Equal(t, tokensOf(b, mirrored, layer), record(t, exact, path, 1))
			for v := range 4 {
				want, got := record(t, exact, path, v), record(t, rounded, path, v)
				for i := range want {
					assert.InDelta(t, want[i], got[i], max(1e-7, abs(want[i])/2048)) // 11 bits, rounded to nearest
				}
			}
		}
	}
}

func abs(x float32) float64 { return float64(max(x, -x)) }

// Views differ from each other and from photograph to photograph; the odd ones mirror the even ones.
func TestAugmentedViews(t *testing.T) {
	b := backbone(t, 1)
	root, items := photographs(t, 2)
	s := source(b, checkpoint.F32)
	c := filled(t, s, b, root, 6, items)
	seen := map[string]Record{}
	for _, r := range Records(6, items) {
		key := fmt.Sprint(record(t, c, r.Path, r.View))
		assert.NotContains(t, seen, key)
		seen[key] = r
	}
	photo, err := data.ReadImage(filepath.Join(root, items[1].Path))
	require.NoError(t, err)
	m, tr := s.see(photo, items[1].Path, 4)
	pixels := tensor.New(1, 3, 12, 12)
	tr.Normalise(pixels.Data(), m)
	assert.Equal(t, tokensOf(b, pixels, 2), record(t, c, items[1].Path, 4))
	for row := range slices.Chunk(pixels.Data(), 12) {
		slices.Reverse(row)
	}
	assert.Equal(t, tokensOf(b, pixels, 2), record(t, c, items[1].Path, 5))

	s.Seed++
	assert.NotEqual(t, record(t, c, "1.png", 2), record(t, filled(t, s, b, root, 3, items), "1.png", 2))
}

// A record has the same bits whatever else is in the file, in whatever order, and however it is made.
func TestRecordsDoNotDependOnTheList(t *testing.T) {
	b := backbone(t, 1)
	root, items := photographs(t, 5)
	s := source(b, checkpoint.F16)
	c := filled(t, s, b, root, 4, items)
	path := filepath.Join(t.TempDir(), "other")
	other := open(t, path, s, []Record{{"3.png", 3}, {"1.png", 2}, {"3.png", 3}})
	bad, err := other.Fill(t.Context(), data.Dir(root), b, FillConfig{Batch: 1, Workers: 7})
	require.NoError(t, err)
	assert.Empty(t, bad)
	assert.Equal(t, Stats{Made: 2}, other.Stats())
	assert.Equal(t, record(t, c, "3.png", 3), record(t, other, "3.png", 3))
	assert.Equal(t, record(t, c, "1.png", 2), record(t, other, "1.png", 2))

	// A part of a file is filled by itself, and then reused.
	part := open(t, filepath.Join(t.TempDir(), "whole"), s, Records(4, items))
	part = open(t, part.path, s, Records(2, items[1:3]))
	assert.Equal(t, Stats{Made: 4}, fill(t, part, root, b))
	rest := open(t, part.path, s, Records(4, items))
	assert.Equal(t, Stats{Reused: 4, Made: 16}, fill(t, rest, root, b))
	assert.Equal(t, contents(t, c.path), contents(t, part.path), "the same bytes")
}

func contents(t testing.TB, path string) []byte {
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	return raw
}

// Other tools read the file as what doc.go says it is.
func TestTheFileIsSafetensors(t *testing.T) {
	b := backbone(t, 1)
	root, items := photographs(t, 2)
	c := filled(t, source(b, ""), b, root, 2, items)
	f, err := checkpoint.Open(c.path)
	require.NoError(t, err)
	defer f.Close()
	assert.Equal(t, []string{"crc32c", "records", "sha256", "tokens"}, f.Names())
	x, err := f.Tensor("tokens")
	require.NoError(t, err)
	assert.Equal(t, []int{4, 11, 8}, x.Shape())
	assert.Equal(t, record(t, c, "1.png", 1), x.Select(0, 3).Clone().Data())
	offset, _, _ := f.Place("tokens")
	assert.Zero(t, offset%8)
	list, err := f.Tensor("records")
	require.NoError(t, err)
	var text []byte
	for _, b := range list.Data() {
		text = append(text, byte(b))
	}
	assert.Equal(t, "0,1 a folder/0.png\x000,1 1.png", strings.TrimRight(string(text), "\x00"))
}

func TestOpenTellsEveryMismatch(t *testing.T) {
	b := backbone(t, 1)
	_, items := photographs(t, 3)
	path := filepath.Join(t.TempDir(), "cache")
	s := source(b, "")
	open(t, path, s, Records(4, items))
	for _, test := range []struct {
		change func(*Source)
		what   string
		want   string
	}{
		{func(s *Source) { s.Backbone = strings.Repeat("5", 64) }, "another backbone", "made by backbone " + b.SHA256[:12] + ", want 555555555555"},
		{func(s *Source) { s.Backbone, s.Arch.Hidden = strings.Repeat("5", 64), 16 }, "another backbone", "made by backbone " + b.SHA256[:12] + ", want 555555555555"},
		{func(s *Source) { s.Arch.Hidden = 16 }, "another architecture", "architecture with Hidden 12, want 16"},
		{func(s *Source) { s.Layer = 1 }, "another layer", "tokens that enter block 2, want block 1"},
		{func(s *Source) { s.Plain.ShortSide = 20 }, "another image size or normalisation", "plain transform with ShortSide 0, want 20"},
		{func(s *Source) { s.Augmented.Hue = 0.25 }, "another augmentation", "augmented transform with Hue 0, want 0.25"},
		{func(s *Source) { s.Seed = -1 }, "another augmentation", "augmentation drawn by seed 7, want -1"},
		{func(s *Source) { s.Type = checkpoint.F32 }, "another type of number", "numbers of type F16, want F32"},
	} {
		other := s
		test.change(&other)
		_, err := Open(path, other, Records(4, items))
		var mismatch *MismatchError
		require.ErrorAs(t, err, &mismatch)
		assert.Equal(t, MismatchError{path, test.what, []string{test.want}}, *mismatch)
	}
	_, err := Open(path, s, append(Records(4, items), Record{"new.png", 0}, Record{"1.png", 4}))
	assert.EqualError(t, err, "features: "+path+" holds features for other photographs: 2 of 14 records are not there, such as new.png, view 0")
	both := s
	both.Layer, both.Seed = 0, 1
	_, err = Open(path, both, Records(3, items))
	assert.EqualError(t, err, "features: "+path+" holds features for another layer: tokens that enter block 2, want block 0; augmentation drawn by seed 7, want 1")

	// What the records do not depend on may differ.
	other := s
	other.Arch.Name, other.Arch.Labels, other.Arch.Mean = "other", 10, [3]float32{}
	open(t, path, other, Records(4, items))
	other.Seed, other.Augmented = 8, data.Transform{}
	open(t, path, other, Records(2, items))
}

func TestOpenRefusesBadSettings(t *testing.T) {
	b := backbone(t, 1)
	path := filepath.Join(t.TempDir(), "cache")
	for _, test := range []struct {
		change  func(*Source)
		records []Record
		want    string
	}{
		{nil, nil, "0 records, want at least 1"},
		{nil, []Record{{"a", -1}}, `a record of path "a", view -1`},
		{nil, []Record{{"", 0}}, `a record of path "", view 0`},
		{nil, []Record{{"a\x00", 0}}, `a record of path "a\x00", view 0`},
		{func(s *Source) { s.Layer = 4 }, nil, "tokens that enter block 4, want 0 to 3"},
		{func(s *Source) { s.Type = "I8" }, nil, `tokens of type "I8", want F16 or F32`},
		{func(s *Source) { s.Arch.Depth = 0 }, nil, "Depth is 0"},
		{func(s *Source) { s.Plain.Height = 13 }, nil, "transform to images of 13x12 pixels, the backbone wants 12x12"},
		{func(s *Source) { s.Augmented.Flip = 2 }, nil, "flip 2 is not a probability"},
	} {
		s, records := source(b, ""), test.records
		if test.change != nil {
			test.change(&s)
			records = []Record{{"a", 2}}
		}
		_, err := Open(path, s, records)
		assert.ErrorContains(t, err, "features: open "+path+": ")
		assert.ErrorContains(t, err, test.want)
	}
	_, err := os.Stat(path)
	assert.ErrorIs(t, err, os.ErrNotExist, "nothing was made")
	_, err = Open(filepath.Join(path, "cache"), source(b, ""), []Record{{"a", 0}})
	assert.ErrorContains(t, err, path)
}

// cut is a small file and the source it is from.
func cut(t testing.TB) (raw []byte, s Source, records []Record) {
	b := backbone(t, 1)
	root, items := photographs(t, 2)
	c := filled(t, source(b, ""), b, root, 3, items)
	return contents(t, c.path), c.source, c.records
}

func TestOpenRefusesDamagedFiles(t *testing.T) {
	raw, s, records := cut(t)
	path := filepath.Join(t.TempDir(), "cache")
	refused := func(raw []byte, words string) {
		require.NoError(t, os.WriteFile(path, raw, 0o666))
		_, err := Open(path, s, records)
		assert.ErrorContains(t, err, path)
		assert.ErrorContains(t, err, words)
		var mismatch *MismatchError
		assert.False(t, errors.As(err, &mismatch))
	}
	refused(nil, "empty file")
	refused([]byte("hello, this is no cache"), "neither safetensors nor a PyTorch file")
	for _, n := range []int{4, 20, 300, len(raw) / 2, len(raw) - 1} {
		refused(raw[:n], "")
	}
	refused(append(bytes.Clone(raw), 0), "tensors end at byte")
	header := 8 + int(binary.LittleEndian.Uint64(raw))
	replaced := func(old, new string) []byte {
		at := bytes.Index(raw, []byte(old))
		require.GreaterOrEqual(t, at, 0, old)
		require.Equal(t, len(old), len(new))
		out := bytes.Clone(raw)
		copy(out[at:], new)
		return out
	}
	refused(replaced("features 1", "features 2"), `its metadata says promptcam "features 2", want "features 1"`)
	refused(replaced(`Seed\":7`, `Seed\":8`), "its source and list of records have checksum")
	refused(replaced("0,1,2 1.png", "0,1,2 9.png"), "its source and list of records have checksum")
	refused(replaced(`"sha256":{"dtype":"U8"`, `"sha256":{"dtype":"I8"`), "tensor sha256 is I8 [6 32], want U8 [6 32]")
	assert.Less(t, header, len(raw))

	require.NoError(t, checkpoint.Save(path, map[string]*tensor.Tensor{"tokens": tensor.New(2)}, nil))
	_, err := Open(path, s, records)
	assert.ErrorContains(t, err, `its metadata says promptcam "", want "features 1"`)
}

// Paths are any bytes but zero, as on Unix.
func TestListOfRecords(t *testing.T) {
	list, n := listed([]Record{{"b c/\n\xff.jpg", 7}, {"a", 3}, {" ", 0}, {"b c/\n\xff.jpg", 0}, {"a", 3}})
	assert.Equal(t, 4, n)
	assert.Zero(t, (len(list)+36*n)%8)
	views, m, err := parse(string(list))
	require.NoError(t, err)
	assert.Equal(t, n, m)
	assert.Equal(t, map[string][]view{"b c/\n\xff.jpg": {{0, 0}, {7, 1}}, "a": {{3, 2}}, " ": {{0, 3}}}, views)
	for list, want := range map[string]string{
		"": `has "" after record 0`, "0": `has "0" after record 0`, "0 a\x000,1 a\x00": `has "0,1 a" after record 1`,
		"x a\x00": `a view "x" after record 0`, "0,-1 a": `a view "-1" after record 1`, "0,2147483648 a": `a view "2147483648"`, " a": `a view ""`,
	} {
		_, _, err := parse(list)
		assert.ErrorContains(t, err, want)
	}
}

func FuzzOpen(f *testing.F) {
	raw, s, records := cut(f)
	f.Add(raw)
	f.Add(raw[:len(raw)-9])
	header := 8 + int(binary.LittleEndian.Uint64(raw))
	for i := 8; i < header+60; i += 7 {
		damaged := bytes.Clone(raw)
		damaged[i] ^= 1 << (i % 8)
		f.Add(damaged)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		path := filepath.Join(t.TempDir(), "cache")
		require.NoError(t, os.WriteFile(path, raw, 0o666))
		c, err := Open(path, s, records)
		if err != nil {
			assert.ErrorContains(t, err, path)
			return
		}
		defer c.Close()
		for _, r := range records { // right, or refused
			row, ok := c.row(r)
			require.True(t, ok)
			c.numbers(make([]float32, 11*8), row, [32]byte{}, make([]byte, 2*11*8))
		}
	})
}

// memory is a File without a path.
type memory struct {
	mu    sync.Mutex
	bytes []byte
	syncs int
}

func (m *memory) ReadAt(p []byte, at int64) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return bytes.NewReader(m.bytes).ReadAt(p, at)
}

func (m *memory) WriteAt(p []byte, at int64) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if more := int(at) + len(p) - len(m.bytes); more > 0 {
		m.bytes = append(m.bytes, make([]byte, more)...)
	}
	return copy(m.bytes[at:], p), nil
}

func (m *memory) Size() (int64, error) { return int64(len(m.bytes)), nil }
func (m *memory) Sync() error          { m.syncs++; return nil }

// Photographs and tokens in memory give the same bytes as files.
func TestCacheInMemory(t *testing.T) {
	b := backbone(t, 1)
	root, items := photographs(t, 3)
	s := source(b, "")
	want := contents(t, filled(t, s, b, root, 2, items).path)
	photos := fstest.MapFS{}
	for _, it := range items {
		photos[it.Path] = &fstest.MapFile{Data: contents(t, filepath.Join(root, it.Path))}
	}
	m := new(memory)
	for _, stats := range []Stats{{Made: 6}, {Reused: 6}} {
		c, err := OpenFile(m, "memory", s, Records(2, items))
		require.NoError(t, err)
		bad, err := c.Fill(t.Context(), photos, b, FillConfig{})
		require.NoError(t, err)
		assert.Empty(t, bad)
		assert.Equal(t, stats, c.Stats())
		assert.NoError(t, c.Close())
	}
	assert.Equal(t, want, m.bytes)
	assert.Equal(t, 1, m.syncs)
	m.bytes = m.bytes[:9]
	_, err := OpenFile(m, "memory", s, Records(2, items))
	assert.ErrorContains(t, err, "memory")
}
