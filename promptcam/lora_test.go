package promptcam

import (
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/promptcam/promptcam/autograd"
	"github.com/promptcam/promptcam/autograd/gradcheck"
	"github.com/promptcam/promptcam/nn"
	"github.com/promptcam/promptcam/nn/optim"
	"github.com/promptcam/promptcam/tensor"
	"github.com/promptcam/promptcam/tensor/checkpoint"
	"github.com/promptcam/promptcam/tensor/tensortest"
)

// A model begins as what it would be without adapters, and leaves the backbone to others.
func TestNewAdaptersChangeNothing(t *testing.T) {
	for name, c := range configs() {
		if c.Rank == 0 {
			continue
		}
		t.Run(name, func(t *testing.T) {
			g := openGolden(t, "dino")
			b := g.model().Backbone
			adapted, err := New(b, c, rand.New(rand.NewPCG(1, 2)))
			require.NoError(t, err)
			c.Rank = 0
			plain, err := New(b, c, rand.New(rand.NewPCG(1, 2)))
			require.NoError(t, err)
			want, wantAttn := forward(plain, g.images.Value)
			got, attn := forward(adapted, g.images.Value)
			assert.Equal(t, want, got)
			assert.Equal(t, wantAttn, attn)

			move(adapted)
			moved, _ := forward(adapted, g.images.Value)
			assert.NotEqual(t, want, moved)
			still, _ := forward(plain, g.images.Value)
			assert.Equal(t, want, still)
			for name := range nn.Params(b) {
				assert.NotContains(t, name, "lora")
			}
		})
	}
}

// The scores are those of a backbone whose last block has the weights that W + s·B·A gives.
func TestAdaptersEqualOtherWeights(t *testing.T) {
	forEachConfig(t, func(t *testing.T, m *Model, g *golden) {
		if m.Adapters == nil {
			t.Skip("it has none")
		}
		other := g.model().Backbone
		last := other.Blocks[len(other.Blocks)-1]
		for _, l := range []struct {
			*nn.Linear
			a *nn.Adapter
		}{{last.Attn.QKV, m.Adapters.QKV}, {last.Attn.Proj, m.Adapters.Proj}, {last.MLP.FC1, m.Adapters.FC1}, {last.MLP.FC2, m.Adapters.FC2}} {
			l.Weight.Value = l.Weight.Value.Add(l.a.B.Value.MatMul(l.a.A.Value).Scale(m.Config.RankScale))
		}
		c, state := m.Config, m.Tensors()
		c.Rank = 0
		for name := range state {
			if strings.HasPrefix(name, "lora.") {
				delete(state, name)
			}
		}
		plain, err := newModel(other, c)
		require.NoError(t, err)
		require.NoError(t, nn.Load(plain, state))
		want, wantAttn := forward(plain, g.images.Value)
		got, attn := forward(m, g.images.Value)
		tensortest.Close(t, want, got, 1e-5)
		tensortest.Close(t, wantAttn.Clone(), attn.Clone(), 1e-5)
	})
}

func TestGradientOfAdapters(t *testing.T) {
	forEachConfig(t, func(t *testing.T, m *Model, g *golden) {
		if m.Adapters == nil {
			t.Skip("it has none")
		}
		params := []*autograd.Param{m.Class}
		for _, p := range nn.Params(m.Adapters) {
			params = append(params, p)
		}
		require.Len(t, params, 9)
		off, err := gradcheck.Error(rand.New(rand.NewPCG(5, 6)), func(tp *autograd.Tape) *autograd.Var {
			return m.Scores(tp.Const(g.images.Value))
		}, params...)
		require.NoError(t, err)
		assert.Less(t, off, 2e-3)
	})
}

func TestGainOfTheScale(t *testing.T) {
	assert.Equal(t, 30., gain(newScale))
	assert.Equal(t, 1., gain(1))
}

// Ten steps of AdamW at 0.06 move our adapters as ten at 0.002 move ordinary ones.
func TestAdaptersLearnAtAThirtiethOfTheRate(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	x, w := tensortest.Random(rng, 5, 8), tensortest.Random(rng, 6, 8)
	labels := []int{0, 3, 5, 1, 2}
	ordinary, ours := nn.NewLinear(8, 6), nn.NewLinear(8, 6)
	ordinary.Adapter, ours.Adapter = nn.NewAdapter(ordinary, 2, 1), nn.NewAdapter(ours, 2, newScale)
	nn.Normal(rng, ordinary.Adapter.A, 1/math.Sqrt(8))
	tensor.ScaleTo(ours.Adapter.A.Value, float32(gain(newScale)), ordinary.Adapter.A.Value)
	var after []*tensor.Tensor
	for l, rate := range map[*nn.Linear]float32{ordinary: 0.002, ours: 0.06} {
		tensor.CopyTo(l.Weight.Value, w)
		nn.Freeze(l)
		l.Adapter.A.Frozen, l.Adapter.B.Frozen = false, false
		opt, tape := optim.AdamW{Eps: 1e-12}.New(nn.Params(l)), &autograd.Tape{}
		for range 10 {
			opt.Step(rate, tape.Backward(autograd.CrossEntropy(l.Forward(tape.Const(x)), labels)))
			tape.Reset()
		}
		after = append(after, l.Forward(tape.Const(x)).Value().Clone())
	}
	tensortest.Close(t, after[0], after[1], 1e-5)
	assert.NotEqual(t, x.MatMul(w.Transpose()), after[0])
}

func TestSavedAdapters(t *testing.T) {
	g := openGolden(t, "dino")
	c := Config{Mode: Last, Classes: 4, Rank: 2}
	m, err := New(g.model().Backbone, c, rand.New(rand.NewPCG(1, 2)))
	require.NoError(t, err)
	m.Classes = fourNames
	path := filepath.Join(t.TempDir(), "model.safetensors")
	require.NoError(t, m.SaveFile(path))
	f := open(t, path)
	info, err := ReadInfo(f)
	require.NoError(t, err)
	c.RankScale = newScale
	assert.Equal(t, c, info.Config)
	names := f.Names()
	slices.Sort(names)
	assert.Equal(t, []string{
		"class", "head.bias", "head.weight", "lora.fc1.lora_A", "lora.fc1.lora_B", "lora.fc2.lora_A", "lora.fc2.lora_B",
		"lora.proj.lora_A", "lora.proj.lora_B", "lora.qkv.lora_A", "lora.qkv.lora_B",
	}, names)

	metadata, err := m.metadata()
	require.NoError(t, err)
	for want, rank := range map[string]string{
		"8 tensors unknown (lora.fc1.lora_A": `"Rank":0`, "lora.fc1.lora_A is [2 48], want [3 48]": `"Rank":3`,
		"adapters of rank 49, want at most the backbone's width, 48": `"Rank":49`, "adapters of rank -1": `"Rank":-1`,
		"adapters of scale -1": `"RankScale":-1,"Rank":2`,
	} {
		text := strings.Replace(metadata["promptcam"], `"RankScale":0.0011111111,`, "", 1)
		md := map[string]string{"format": format, "promptcam": strings.Replace(text, `"Rank":2`, rank, 1)}
		require.NoError(t, checkpoint.Save(path, m.Tensors(), md))
		_, err := Load(open(t, path), g.model().Backbone)
		assert.ErrorContains(t, err, want)
		assert.ErrorContains(t, err, path)
	}
}

// A model's scores do not depend on what New's scale is when it is loaded: the file says, or is older than
// such files, when the scale was 1/900.
func TestLoadKeepsTheScale(t *testing.T) {
	g := openGolden(t, "dino")
	for scale, field := range map[float32]string{1. / 900: `"RankScale":0.0011111111,`, 0.5: `"RankScale":0.5,`} {
		m, err := New(g.model().Backbone, Config{Mode: Last, Classes: 4, Rank: 2, RankScale: scale}, rand.New(rand.NewPCG(1, 2)))
		require.NoError(t, err)
		move(m)
		want, _ := forward(m, g.images.Value)
		metadata, err := m.metadata()
		require.NoError(t, err)
		require.Contains(t, metadata["promptcam"], field)
		load := func() *Model {
			path := filepath.Join(t.TempDir(), "model.safetensors")
			require.NoError(t, checkpoint.Save(path, m.Tensors(), metadata))
			loaded, err := Load(open(t, path), g.model().Backbone)
			require.NoError(t, err)
			return loaded
		}
		loaded := load()
		assert.Equal(t, m.Info(), loaded.Info())
		got, _ := forward(loaded, g.images.Value)
		assert.Equal(t, want, got)

		metadata["promptcam"] = strings.Replace(metadata["promptcam"], field, "", 1)
		older, _ := forward(load(), g.images.Value)
		if scale == 0.5 {
			assert.NotEqual(t, want, older)
		} else {
			assert.Equal(t, want, older)
		}
	}
}

// Files from before there were adapters and patch dropout do not have the fields.
func TestLoadAnOlderFile(t *testing.T) {
	g := openGolden(t, "dino")
	m, err := New(g.model().Backbone, Config{Mode: Last, Classes: 4}, rand.New(rand.NewPCG(1, 2)))
	require.NoError(t, err)
	metadata, err := m.metadata()
	require.NoError(t, err)
	older := metadata["promptcam"]
	for _, field := range []string{`"Rank":0,`, `"PatchDropout":0,`} {
		require.Contains(t, older, field)
		older = strings.Replace(older, field, "", 1)
	}
	metadata["promptcam"] = older
	path := filepath.Join(t.TempDir(), "model.safetensors")
	require.NoError(t, checkpoint.Save(path, m.Tensors(), metadata))
	loaded, err := Load(open(t, path), g.model().Backbone)
	require.NoError(t, err)
	assert.Equal(t, m.Info(), loaded.Info())
	assert.Equal(t, nn.State(m), nn.State(loaded))
}
