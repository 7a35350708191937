package vit

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/promptcam/promptcam/nn"
	"github.com/promptcam/promptcam/tensor"
	"github.com/promptcam/promptcam/tensor/checkpoint"
	"github.com/promptcam/promptcam/tensor/tensortest"
)

// A spoiler makes safetensors files that are nearly right.
type spoiler struct {
	*rand.Rand
	odds float64 // of each change
}

func (s spoiler) happens() bool { return s.Float64() < s.odds }

// shapes changes the shapes and names of a file's tensors, which its bytes will follow.
func (s spoiler) shapes(shapes map[string][]int) {
	names := slices.Sorted(maps.Keys(shapes))
	other := func() string { return names[s.IntN(len(names))] }
	for _, name := range names {
		shape := slices.Clone(shapes[name])
		if s.happens() && len(shape) > 0 {
			shape[s.IntN(len(shape))] = []int{0, 1, 2, 3, 5, 16, 17, 37, 100, 1000}[s.IntN(10)]
		}
		if s.happens() {
			shape = append([]int{1}, shape...)
		}
		if s.happens() && len(shape) > 0 {
			shape = shape[1:]
		}
		shapes[name] = shape
		if s.happens() {
			shapes[name] = shapes[other()]
		}
		if s.happens() {
			delete(shapes, name)
		}
		if s.happens() {
			shapes[fmt.Sprintf("blocks.%d.norm1.weight", s.IntN(2000))] = []int{8}
		}
		if s.happens() {
			words := []string{"module.", "_orig_mod.", "blocks.0.", "teacher.", "dist_token", "mlp.w12.weight", "."}
			shapes[words[s.IntN(len(words))]+name] = shape
		}
	}
}

// value changes numbers, strings and members of a JSON value.
func (s spoiler) value(v any) any { return tensortest.Spoil(s.Rand, s.odds, v) }

// file encodes tensors of the given shapes with random numbers. The header may be spoiled, and states c, which may
// be spoiled too, in its metadata.
func (s spoiler) file(shapes map[string][]int, c Config, spoilHeader, spoilConfig bool) (raw []byte, stated Config) {
	header, body := map[string]any{}, []byte(nil)
	for _, name := range slices.Sorted(maps.Keys(shapes)) {
		at, shape := len(body), []any{}
		for _, size := range shapes[name] {
			shape = append(shape, size)
		}
		for range tensor.Size("file", shapes[name]) {
			body = binary.LittleEndian.AppendUint32(body, s.Uint32()&0xbf7fffff) // finite
		}
		header[name] = map[string]any{"dtype": "F32", "shape": shape, "data_offsets": []any{at, len(body)}}
	}
	if spoilHeader {
		if h, ok := s.value(header).(map[string]any); ok {
			header = h
		}
	}
	config, _ := json.Marshal(c)
	if spoilConfig {
		var v any
		json.Unmarshal(config, &v)
		config, _ = json.Marshal(s.value(v))
	}
	json.Unmarshal(config, &stated)
	names := slices.Sorted(maps.Keys(shapes))
	metadata := map[string]any{"config": string(config)}
	if s.happens() && len(names) > 0 {
		metadata[fmt.Sprintf("blocks.%d.norm1.bias", s.IntN(9))] = names[s.IntN(len(names))]
	}
	if !s.happens() {
		header["__metadata__"] = metadata
	}
	text, _ := json.Marshal(header)
	raw = append(binary.LittleEndian.AppendUint64(nil, uint64(len(text))), text...)
	return append(raw, body...), stated
}

// Whatever a file holds and states, Detect and LoadFrom end in an error or a model that is whole, and take memory
// in proportion to the file.
func FuzzLoadFrom(f *testing.F) {
	for i := range 2 * len(conventions) {
		f.Add(uint64(i), uint8(i), uint8(i*5))
	}
	f.Fuzz(func(t *testing.T, seed uint64, which, how uint8) {
		s := spoiler{rand.New(rand.NewPCG(seed, 1)), []float64{0.002, 0.01, 0.05, 0.3}[how%4]}
		v := conventions[int(which)%len(conventions)]
		shapes := map[string][]int{}
		for name, w := range v.file(weightsOf(v.config, v.config.posRows(), 1)) {
			shapes[name] = w.Shape()
		}
		if how&4 != 0 {
			s.shapes(shapes)
		}
		size := 0
		for _, shape := range shapes {
			size += tensor.Size("file", shape)
		}
		if size > 1<<18 {
			return
		}
		raw, stated := s.file(shapes, v.config, how&8 != 0, how&16 != 0)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		file, err := checkpoint.Decode(bytes.NewReader(raw), int64(len(raw)), strings.Repeat("a", int(how>>6))+".safetensors")
		if err != nil {
			return
		}
		var models []*Model
		for _, c := range []Config{stated, v.config} {
			if m, err := LoadFrom(file, c); err == nil {
				models = append(models, m)
			}
		}
		if c, err := Detect(file); err == nil {
			if m, err := LoadFrom(file, c); err == nil {
				models = append(models, m)
			}
		}
		Aside(file)
		runtime.ReadMemStats(&after)
		require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(16<<20+100*len(raw)), "for a file of %d bytes", len(raw))
		for _, m := range models {
			for name, shape := range m.Config.shapes() {
				require.Equal(t, shape, nn.State(m)[name].Shape())
			}
		}
	})
}
