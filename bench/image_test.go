package bench

import (
	"fmt"
	"image/jpeg"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/promptcam/promptcam/data"
	"github.com/promptcam/promptcam/nn"
	"github.com/promptcam/promptcam/tensor/checkpoint"
)

// photograph writes a JPEG file of 500x375 pixels, the usual size in
// CUB-200-2011, and returns its path: $PHOTO if that is set, for others to read too.
// Its detail falls off towards small scales as a photograph's does: clouds of
// noise, mostly grey, each half as wide and 0.7 times as strong as the one before.
func photograph(b *testing.B) string {
	const w, h = 500, 375
	rng := rand.New(rand.NewPCG(1, 3))
	sums := make([]float64, 3*w*h)
	strength, grey := 50.0, 0.0
	for cell := 128; cell >= 1; cell /= 2 {
		cols := w/cell + 2
		grid := make([]float64, 3*cols*(h/cell+2))
		for i := range grid {
			if i%3 == 0 {
				grey = strength * rng.NormFloat64()
			}
			grid[i] = grey + 0.3*strength*rng.NormFloat64()
		}
		for i := range sums {
			x, y, c := i/3%w, i/3/w, i%3
			at := func(dx, dy int) float64 { return grid[3*((y/cell+dy)*cols+x/cell+dx)+c] }
			u, v := float64(x%cell)/float64(cell), float64(y%cell)/float64(cell)
			sums[i] += (at(0, 0)*(1-u)+at(1, 0)*u)*(1-v) + (at(0, 1)*(1-u)+at(1, 1)*u)*v
		}
		strength *= 0.7
	}
	m := data.NewRGB(w, h)
	for i, s := range sums {
		m.Pix[i] = uint8(min(255, max(0, 110+s)))
	}
	path := os.Getenv("PHOTO")
	if path == "" {
		path = filepath.Join(b.TempDir(), "photograph.jpg")
	}
	f, err := os.Create(path)
	require.NoError(b, err)
	require.NoError(b, jpeg.Encode(f, m, &jpeg.Options{Quality: 90}))
	require.NoError(b, f.Close())
	return path
}

// BenchmarkImage turns a file into the network's input.
func BenchmarkImage(b *testing.B) {
	path := photograph(b)
	half := [3]float32{0.5, 0.5, 0.5}
	t := data.EvalTransform([2]int{224, 224}, half, half)
	dst := make([]float32, 3*224*224)
	b.Run("JPEG_500x375", func(b *testing.B) {
		b.ReportAllocs()
		measure(b, 1, "images/s", func() {
			photo, err := data.ReadImage(path)
			require.NoError(b, err)
			t.Normalise(dst, t.Apply(photo, nil))
		})
	})
}

// BenchmarkExplain runs examples/cub on one photograph, from the start of the
// process to its end.
func BenchmarkExplain(b *testing.B) {
	photo, dir := photograph(b), b.TempDir()
	cub := filepath.Join(dir, "cub")
	out, err := exec.Command("go", "build", "-o", cub, "../examples/cub").CombinedOutput()
	require.NoError(b, err, "%s", out)

	const classes = 200
	m := deep(b, "ViT-Ti", classes)
	weights, model := filepath.Join(dir, "deit_tiny.safetensors"), filepath.Join(dir, "model.safetensors")
	require.NoError(b, checkpoint.Save(weights, nn.State(m.Backbone), nil))
	names := make([]string, classes)
	for i := range names {
		names[i] = fmt.Sprintf("class %d", i)
	}
	m.Classes = names
	require.NoError(b, m.SaveFile(model))

	b.Run("ViT-Ti_C200", func(b *testing.B) {
		run := func() {
			cmd := exec.Command(cub, "explain", "--model", model, "--weights", weights, "--out", dir, photo)
			cmd.Env = append(os.Environ(), fmt.Sprintf("GOMAXPROCS=%d", runtime.GOMAXPROCS(0)))
			out, err := cmd.CombinedOutput()
			require.NoError(b, err, "%s", out)
		}
		run()
		for b.Loop() {
			run()
		}
		b.ReportMetric(b.Elapsed().Seconds()/float64(b.N), "s/run")
	})
}
