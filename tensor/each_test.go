package tensor_test

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/promptcam/promptcam/tensor"
)

// Calls may use operations that share their work, and wait for the calls before them.
func TestEach(t *testing.T) {
	for _, procs := range []int{1, 2, 5} {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
		var order []int
		done := make([]chan struct{}, 20)
		for i := range done {
			done[i] = make(chan struct{})
		}
		tensor.Each(len(done), func(i int) {
			defer close(done[i])
			a := tensor.New(70, 80).Fill(float32(i))
			sum := a.MatMul(a.Transpose()).At(3, 4)
			if i > 0 {
				<-done[i-1]
			}
			order = append(order, int(sum)/80)
		})
		for i, v := range order {
			assert.Equal(t, i*i, v)
		}
		assert.Len(t, order, len(done))
		assert.PanicsWithValue(t, "five", func() {
			tensor.Each(9, func(i int) {
				if i == 5 {
					panic("five")
				}
			})
		})
	}
	tensor.Each(0, func(int) { t.Error("nothing to do") })
}
