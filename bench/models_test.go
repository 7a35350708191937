package bench

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/promptcam/promptcam/autograd"
	"github.com/promptcam/promptcam/data"
	"github.com/promptcam/promptcam/nn"
	"github.com/promptcam/promptcam/nn/optim"
	"github.com/promptcam/promptcam/promptcam"
	"github.com/promptcam/promptcam/vit"
)

var presets = map[string]string{"ViT-Ti": "deit-vitti16", "ViT-S": "deit-vits16", "ViT-B": "deit-vitb16"}

// backbone returns a vision transformer of random weights, for images of 224x224 pixels. With -short it skips
// the rest of a benchmark at ViT-B, which all of them have last.
func backbone(b *testing.B, name string) *vit.Model {
	if testing.Short() && name == "ViT-B" {
		b.Skip("ViT-B takes long")
	}
	c, err := vit.Preset(presets[name])
	require.NoError(b, err)
	c.Labels = 0
	m, err := vit.New(c, rand.New(rand.NewPCG(1, 1)))
	require.NoError(b, err)
	return m
}

// deep returns an untrained Prompt-CAM in the paper's mode, with as many agnostic
// prompts as classes, as the authors' code has it.
func deep(b *testing.B, name string, classes int) *promptcam.Model {
	c := promptcam.Config{Mode: promptcam.Deep, Classes: classes, Agnostic: classes}
	m, err := promptcam.New(backbone(b, name), c, rand.New(rand.NewPCG(1, 2)))
	require.NoError(b, err)
	return m
}

func BenchmarkBlock(b *testing.B) {
	const batch, rows, d = 8, 197, 384
	block, frozen := backbone(b, "ViT-S").Blocks[0], backbone(b, "ViT-S").Blocks[0]
	nn.Freeze(frozen) // as it is without training
	x, g := random(batch, rows, d), random(1, batch*rows*d)
	gflop := 1e-9 * (batch*rows*24*d*d + batch*4*rows*rows*d)
	b.Run("forward/ViT-S_b8", func(b *testing.B) {
		tape := &autograd.Tape{NoGrad: true}
		measure(b, gflop, "GFLOP/s", func() {
			frozen.Forward(tape.Const(x), nil)
			tape.Reset()
		})
	})
	// Gradients of all weights and of x. The loss is the sum of y·g, so that y's gradient is g.
	b.Run("forward+backward/ViT-S_b8", func(b *testing.B) {
		tape, in := &autograd.Tape{}, &autograd.Param{Value: x}
		b.ReportAllocs()
		measure(b, 3*gflop, "GFLOP/s", func() {
			y := block.Forward(tape.Param(in), nil)
			tape.Backward(autograd.Linear(autograd.Reshape(y, 1, -1), tape.Const(g), nil))
			tape.Reset()
		})
	})
}

func BenchmarkViT(b *testing.B) {
	for _, c := range []struct {
		name    string
		batches []int
	}{{"ViT-Ti", []int{1, 8, 16}}, {"ViT-S", []int{1, 8}}, {"ViT-B", []int{1, 8}}} {
		m := backbone(b, c.name)
		nn.Freeze(m)
		for _, n := range c.batches {
			x := random(n, 3, 224, 224)
			b.Run(fmt.Sprintf("forward/%s_b%d", c.name, n), func(b *testing.B) {
				tape := &autograd.Tape{NoGrad: true}
				measure(b, float64(n), "images/s", func() {
					m.Features(tape.Const(x))
					tape.Reset()
				})
			})
		}
	}
}

// sizes are those at which the authors' way is timed.
var sizes = []struct {
	name           string
	classes, batch int
}{{"ViT-Ti", 100, 16}, {"ViT-S", 200, 8}, {"ViT-B", 200, 8}}

func BenchmarkPromptCAM(b *testing.B) {
	for _, c := range sizes {
		m := deep(b, c.name, c.classes)
		b.Run(fmt.Sprintf("forward/%s_C%d_b%d", c.name, c.classes, c.batch), func(b *testing.B) {
			measure(b, float64(c.batch), "images/s", forward(m, c.batch))
		})
		b.Run(fmt.Sprintf("train/%s_C%d_b%d", c.name, c.classes, c.batch), func(b *testing.B) {
			b.ReportAllocs()
			measure(b, float64(c.batch), "images/s", step(m, c.batch))
		})
	}
}

// forward returns a pass of n images through the model.
func forward(m *promptcam.Model, n int) func() {
	x, tape := random(n, 3, 224, 224), &autograd.Tape{NoGrad: true}
	return func() {
		m.Scores(tape.Const(x))
		tape.Reset()
	}
}

// step returns a step of training on n images.
func step(m *promptcam.Model, n int) func() {
	x, labels := random(n, 3, 224, 224), make([]int, n)
	for i := range labels {
		labels[i] = i % m.Config.Classes
	}
	opt := optim.SGD{Momentum: 0.9, WeightDecay: 1e-3}.New(nn.Params(m))
	tape := &autograd.Tape{}
	return func() {
		scores := m.Scores(tape.Const(x))
		opt.Step(0.005, tape.Backward(autograd.CrossEntropy(scores, labels)))
		tape.Reset()
	}
}

// BenchmarkRank runs one image through the model, and then does so again and
// ranks all heads of one class's prompt.
func BenchmarkRank(b *testing.B) {
	for _, c := range sizes {
		m := deep(b, c.name, c.classes)
		b.Run(fmt.Sprintf("forward/%s_C%d", c.name, c.classes), func(b *testing.B) {
			measure(b, 1, "images/s", forward(m, 1))
		})
		size := m.Backbone.Config.ImageSize
		photo := data.NewRGB(size[1], size[0])
		b.Run(fmt.Sprintf("heads/%s_C%d", c.name, c.classes), func(b *testing.B) {
			measure(b, 1, "images/s", func() {
				e, err := m.Explain(photo)
				require.NoError(b, err)
				e.Rank(e.Predicted(), promptcam.BlurPatches)
			})
		})
	}
}

// BenchmarkSubsets runs one image through the plain backbone, and scores one class with each subset of its heads
// blurred: 8 for a ViT-Ti, 64 for a ViT-S, 4,096 for a ViT-B; then its margin over another.
func BenchmarkSubsets(b *testing.B) {
	for _, c := range sizes {
		m := deep(b, c.name, c.classes)
		b.Run("forward/"+c.name, func(b *testing.B) {
			x, tape := random(1, 3, 224, 224), &autograd.Tape{NoGrad: true}
			measure(b, 1, "images/s", func() {
				m.Backbone.Features(tape.Const(x))
				tape.Reset()
			})
		})
		size := m.Backbone.Config.ImageSize
		e, err := m.Explain(data.NewRGB(size[1], size[0]))
		require.NoError(b, err)
		b.Run(fmt.Sprintf("heads/%s_C%d", c.name, c.classes), func(b *testing.B) {
			measure(b, 1, "images/s", func() { e.Subsets(0, promptcam.BlurPatches) })
		})
		b.Run(fmt.Sprintf("against/%s_C%d", c.name, c.classes), func(b *testing.B) {
			measure(b, 1, "images/s", func() { e.SubsetsAgainst(0, 1, promptcam.BlurPatches) })
		})
	}
}

// BenchmarkMemory reports the most memory that the process held while a model
// was made and trained on batches of the authors' size.
func BenchmarkMemory(b *testing.B) {
	b.Run("train/ViT-B_C200_b16", func(b *testing.B) {
		debug.FreeOSMemory()
		// Linux begins anew to look for the peak; where it does not, the figure
		// is right if nothing larger ran in the process before.
		_ = os.WriteFile("/proc/self/clear_refs", []byte("5"), 0)
		train := step(deep(b, "ViT-B", 200), 16)
		train()
		for b.Loop() {
			train()
		}
		status, err := os.ReadFile("/proc/self/status")
		if err != nil {
			b.Skip(err)
		}
		var kB float64
		_, line, _ := bytes.Cut(status, []byte("VmHWM:"))
		_, err = fmt.Sscan(string(line), &kB)
		require.NoError(b, err)
		b.ReportMetric(kB*1024/1e6, "peak-MB")
	})
}
