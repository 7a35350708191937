package promptcam

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/promptcam/promptcam/autograd"
	"github.com/promptcam/promptcam/nn"
	"github.com/promptcam/promptcam/nn/optim"
	"github.com/promptcam/promptcam/tensor"
	"github.com/promptcam/promptcam/tensor/tensortest"
	"github.com/promptcam/promptcam/vit"
)

// A training step of a deep model of twelve layers, after the first, allocates next to nothing.
func TestStepsAllocateNearlyNothing(t *testing.T) {
	if poisoned() {
		t.Skip("a poisoned tape forgets its Vars")
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	small := vit.Config{ImageSize: [2]int{64, 64}, PatchSize: 16, Dim: 96, Depth: 12, Heads: 3, Hidden: 384, Eps: 1e-6, Std: [3]float32{1, 1, 1}}
	for name, c := range map[string]Config{
		"deep":          {Mode: Deep, Classes: 10, Agnostic: 10},
		"deep dropping": {Mode: Deep, Classes: 10, Agnostic: 10, PromptDropout: 0.1, DropPath: 0.1},
		"shallow":       {Mode: Shallow, Classes: 10},
		"last":          {Mode: Last, Classes: 10, PatchesOnly: true, PatchDropout: 0.75},
		"last adapted":  {Mode: Last, Classes: 10, PatchesOnly: true, PatchDropout: 0.75, Rank: 8},
		"from:10":       {Mode: FromLayer(10), Classes: 10, PatchDropout: 0.75},
	} {
		for _, processors := range []int{1, 2} {
			t.Run(fmt.Sprintf("%s on %d", name, processors), func(t *testing.T) {
				runtime.GOMAXPROCS(processors)
				rng := rand.New(rand.NewPCG(1, 2))
				b, err := vit.New(small, rng)
				require.NoError(t, err)
				m, err := New(b, c, rng)
				require.NoError(t, err)
				images, labels := tensortest.Random(rng, 4, 3, 64, 64), []int{1, 3, 5, 7}
				teacher, weight := tensortest.Random(rng, 4, 10), tensor.New().Fill(0.5)
				opt := optim.SGD{Momentum: 0.9}.New(nn.Params(m))
				tape := &autograd.Tape{Rand: rng}
				step := func() (bytes, count uint64) {
					runtime.GC() // what is used again outlives it
					var before, after runtime.MemStats
					runtime.ReadMemStats(&before)
					scores := m.Scores(tape.Const(images))
					far := autograd.Mul(autograd.Distill(scores, teacher, 2), tape.Const(weight))
					opt.Step(1e-3, tape.Backward(autograd.Add(autograd.CrossEntropy(scores, labels), far)))
					tape.Reset()
					runtime.ReadMemStats(&after)
					return after.TotalAlloc - before.TotalAlloc, after.Mallocs - before.Mallocs
				}
				bytes, count := step()
				t.Logf("first step: %d bytes in %d allocations", bytes, count)
				for range 5 { // more may meet at the scratch memory than before: the best step counts
					b, c := step()
					bytes, count = min(bytes, b), min(count, c)
				}
				t.Logf("later: %d in %d", bytes, count)
				assert.Less(t, count, uint64(100))
				assert.Less(t, bytes, uint64(100_000))
			})
		}
	}
}

// poisoned tells whether tapes fill memory that they take back with NaN.
func poisoned() bool {
	tape := &autograd.Tape{}
	x := tape.Const(tensor.New(1))
	sum := autograd.Add(x, x).Value().Data()
	tape.Reset()
	return math.IsNaN(float64(sum[0]))
}
