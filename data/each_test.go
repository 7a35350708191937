package data

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestEach(t *testing.T) {
	for _, workers := range []int{0, 1, 3, 50} {
		for _, n := range []int{0, 1, 20} {
			times, of := make([]atomic.Int32, n), make([]atomic.Int32, max(n, 1))
			assert.NoError(t, Each(t.Context(), n, workers, func(worker, i int) error {
				assert.EqualValues(t, 1, of[worker].Add(1), "a worker does one thing at a time")
				times[i].Add(1)
				of[worker].Add(-1)
				return nil
			}))
			for i := range times {
				assert.EqualValues(t, 1, times[i].Load())
			}
		}
	}
}

// The error of the lowest index wins, though it comes last.
func TestEachError(t *testing.T) {
	for range 20 {
		var calls atomic.Int32
		err := Each(t.Context(), 1000, 5, func(_, i int) error {
			calls.Add(1)
			if i < 3 {
				return nil
			}
			if i == 3 {
				time.Sleep(time.Millisecond)
			}
			return fmt.Errorf("%d fails", i)
		})
		assert.EqualError(t, err, "3 fails")
		assert.Less(t, calls.Load(), int32(20))
	}
}

func TestEachContext(t *testing.T) {
	for _, workers := range []int{1, 4} {
		ctx, cancel := context.WithCancel(t.Context())
		var calls atomic.Int32
		err := Each(ctx, 1000, workers, func(_, i int) error {
			if calls.Add(1) == 9 {
				cancel()
			}
			return nil
		})
		assert.ErrorIs(t, err, context.Canceled)
		assert.Less(t, calls.Load(), int32(20))
		assert.ErrorIs(t, Each(ctx, 1, workers, func(_, _ int) error { t.Error("called"); return nil }), context.Canceled)
	}
	ctx, cancel := context.WithCancel(t.Context())
	assert.NoError(t, Each(ctx, 4, 1, func(_, i int) error {
		if i == 3 {
			cancel()
		}
		return nil
	}), "nothing was left undone")
}
