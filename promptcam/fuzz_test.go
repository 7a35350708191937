package promptcam

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"maps"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/promptcam/promptcam/data"
	"github.com/promptcam/promptcam/tensor/checkpoint"
	"github.com/promptcam/promptcam/tensor/tensortest"
	"github.com/promptcam/promptcam/vit"
)

// Whatever a model's file states and holds, Load ends in an error or in a model that explains a photograph, in
// memory in proportion to the file.
func FuzzLoad(f *testing.F) {
	c := vit.Config{Name: "tiny", ImageSize: [2]int{12, 12}, PatchSize: 4, Dim: 8, Depth: 3, Heads: 2, Hidden: 12, Eps: 1e-6, Mean: [3]float32{.5, .5, .5}, Std: [3]float32{.5, .5, .5}}
	backbone, err := vit.New(c, rand.New(rand.NewPCG(1, 0)))
	require.NoError(f, err)
	var files [][]byte
	all := configs()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		m, err := New(backbone, all[name], rand.New(rand.NewPCG(1, 2)))
		require.NoError(f, err)
		m.Classes = fourNames
		for _, known := range []bool{false, true} { // with what is learned of the images after training, too
			if known {
				images := tensortest.Random(rand.New(rand.NewPCG(3, 4)), 8, 3, 12, 12)
				m.Reference, err = m.Refer(f.Context(), batches{data.Images, images, []int{0, 1, 2, 3, 0, 1, 2, 3}})
				require.NoError(f, err)
				m.Conformal = &Conformal{Level: 0.95, Images: 40, Threshold: 0.7}
			}
			var file bytes.Buffer
			require.NoError(f, m.Save(&file))
			files = append(files, file.Bytes())
		}
	}
	for i := range 32 {
		f.Add(uint64(i), uint8(i), uint8(7*i))
	}
	photo := data.NewRGB(20, 15)
	f.Fuzz(func(t *testing.T, seed uint64, which, how uint8) {
		rng, odds := rand.New(rand.NewPCG(seed, 9)), []float64{0.002, 0.01, 0.05, 0.2}[how%4]
		raw := spoiled(rng, odds, files[int(which)%len(files)], how&4 != 0, how&8 != 0, how&16 != 0)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		file, err := checkpoint.Decode(bytes.NewReader(raw), int64(len(raw)), "model")
		if err != nil {
			return
		}
		ReadInfo(file)
		m, err := Load(file, backbone)
		runtime.ReadMemStats(&after)
		require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(16<<20+100*len(raw)), "for a file of %d bytes", len(raw))
		if err != nil {
			return
		}
		e, err := m.Explain(photo)
		if err != nil {
			return
		}
		for _, p := range e.Probabilities {
			require.False(t, math.IsNaN(float64(p)) || p < 0 || p > 1, "probability %v", p)
		}
		require.NotEmpty(t, e.Rank(e.Predicted(), BlurPatches).Heads)
		require.Len(t, e.Evidence(e.Question()).Heads, 2*e.Heads())
		if classes, level := e.PredictionSet(); level > 0 {
			require.NotEmpty(t, classes)
		}
		e.Doubt()
		e.Counterfactual(e.Question(), 3)
	})
}

// spoiled returns a safetensors file with changes to the description of its model, to its header and to some of
// its numbers.
func spoiled(rng *rand.Rand, odds float64, raw []byte, description, header, numbers bool) []byte {
	n := binary.LittleEndian.Uint64(raw)
	body := slices.Clone(raw[8+n:])
	var head map[string]any
	json.Unmarshal(raw[8:8+n], &head)
	meta := head["__metadata__"].(map[string]any)
	if description {
		var info any
		json.Unmarshal([]byte(meta["promptcam"].(string)), &info)
		text, _ := json.Marshal(tensortest.Spoil(rng, odds, info))
		meta["promptcam"] = string(text)
	}
	if header {
		delete(head, "__metadata__")
		for name, entry := range head {
			head[name] = tensortest.Spoil(rng, odds, entry)
		}
		head["__metadata__"] = meta
	}
	if numbers {
		for range 1 + rng.IntN(20) {
			some := []float64{math.NaN(), math.Inf(1), math.MaxFloat32, -math.MaxFloat32, 1e-45, 1e38}
			binary.LittleEndian.PutUint32(body[4*rng.IntN(len(body)/4):], math.Float32bits(float32(some[rng.IntN(len(some))])))
		}
	}
	text, _ := json.Marshal(head)
	return slices.Concat(binary.LittleEndian.AppendUint64(nil, uint64(len(text))), text, body)
}
