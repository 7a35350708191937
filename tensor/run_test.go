package tensor_test

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/promptcam/promptcam/tensor"
	"github.com/promptcam/promptcam/tensor/tensortest"
)

// What a training step does again and again allocates nothing.
func TestOperationsDoNotAllocate(t *testing.T) {
	const rows, width = 1100, 96 // several pieces of work
	rng := newRand()
	x, y, dst := tensortest.Random(rng, rows, width), tensortest.Random(rng, rows, width), tensor.New(rows, width)
	part, wide := tensor.New(rows, 2*width).Slice(1, width, 2*width), tensor.New(rows, 2*width)
	w, b, dw, db := tensortest.Random(rng, width), tensor.New(width), tensor.New(width), tensor.New(width)
	column, stats := tensor.New(rows, 1), tensor.New(rows, 2)
	labels, kept := make([]int, rows), make([]int, rows/2)
	images, gathered := x.Reshape(10, rows/10, width), tensor.New(10, rows/20, width)
	operations := map[string]func(){
		"AddTo":                  func() { tensor.AddTo(dst, x, y) },
		"AddTo broadcast":        func() { tensor.AddTo(dst, x, w) },
		"MulTo with gaps":        func() { tensor.MulTo(part, x, column) },
		"ScaleTo":                func() { tensor.ScaleTo(dst, 2, x) },
		"Axpy":                   func() { tensor.Axpy(dst, 2, x) },
		"Axpy with gaps":         func() { tensor.Axpy(part, 2, x) },
		"CopyTo":                 func() { tensor.CopyTo(part, w) },
		"Fill":                   func() { wide.Fill(1) },
		"SumTo":                  func() { tensor.SumTo(dst, x) },
		"AddSumTo rows":          func() { tensor.AddSumTo(dw, x) },
		"AddSumTo columns":       func() { tensor.AddSumTo(column, x) },
		"GELU.To":                func() { tensor.GELU.To(dst, x) },
		"GELU.BackwardTo":        func() { tensor.GELU.BackwardTo(dst, x, y) },
		"SoftmaxTo":              func() { tensor.SoftmaxTo(dst, x) },
		"LayerNormTo":            func() { tensor.LayerNormTo(dst, stats, x, w, b, 1e-6) },
		"LayerNormBackwardTo":    func() { tensor.LayerNormBackwardTo(dst, dw, db, y, x, w, stats) },
		"GatherTo":               func() { tensor.GatherTo(gathered, images, kept) },
		"GatherBackwardTo":       func() { tensor.GatherBackwardTo(images, gathered, kept) },
		"CrossEntropyTo":         func() { tensor.CrossEntropyTo(dst, x, labels) },
		"CrossEntropyBackwardTo": func() { tensor.CrossEntropyBackwardTo(dst, x, labels, 1) },
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	for _, processors := range []int{1, 2} {
		runtime.GOMAXPROCS(processors)
		for name, do := range operations {
			t.Run(fmt.Sprintf("%s on %d", name, processors), func(t *testing.T) {
				times := func(n int) uint64 {
					var before, after runtime.MemStats
					runtime.ReadMemStats(&before)
					for range n {
						do()
					}
					runtime.ReadMemStats(&after)
					return after.Mallocs - before.Mallocs
				}
				times(3)
				assert.Less(t, times(50), uint64(25)) // the runtime allocates now and then
			})
		}
	}
}
