package parallel

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// processors sets GOMAXPROCS for the length of a test.
func processors(t *testing.T, n int) {
	before := runtime.GOMAXPROCS(n)
	t.Cleanup(func() { runtime.GOMAXPROCS(before) })
}

// chunks returns the chunks that For hands out, in order of their start.
func chunks(n, grain int) [][2]int {
	var mu sync.Mutex
	var got [][2]int
	For(n, grain, func(from, to int) {
		mu.Lock()
		defer mu.Unlock()
		got = append(got, [2]int{from, to})
	})
	slices.SortFunc(got, func(a, b [2]int) int { return a[0] - b[0] })
	return got
}

func TestChunksDependOnLengthAndGrainAlone(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		n, grain := rng.IntN(300), 1+rng.IntN(50)
		var want [][2]int
		for from := 0; from < n; from += grain {
			want = append(want, [2]int{from, min(from+grain, n)})
		}
		for _, p := range []int{1, 2, 5} {
			processors(t, p)
			require.Equal(t, want, chunks(n, grain), "n %d, grain %d on %d processors", n, grain, p)
		}
	}
}

func TestNothingToDo(t *testing.T) {
	assert.Empty(t, chunks(0, 3))
	assert.Empty(t, chunks(-1, 3))
	assert.PanicsWithValue(t, "parallel: Run: grain must be positive", func() { For(1, 0, nil) })
}

func TestSeveralGoroutinesTakePart(t *testing.T) {
	processors(t, 3)
	var met sync.WaitGroup // ends only when three calls run at once
	met.Add(3)
	For(3, 1, func(int, int) {
		met.Done()
		met.Wait()
	})
}

func TestOneChunkRunsInline(t *testing.T) {
	processors(t, 4)
	var calls int // not atomic: the race detector would tell
	f := func(from, to int) { calls += to - from }
	assert.Zero(t, testing.AllocsPerRun(10, func() { For(7, 7, f) }))
	assert.Equal(t, 11*7, calls)
}

func TestNested(t *testing.T) {
	processors(t, 3)
	var count atomic.Int64
	For(20, 1, func(int, int) {
		For(20, 3, func(from, to int) {
			For(to-from, 1, func(int, int) { count.Add(1) })
		})
	})
	assert.EqualValues(t, 400, count.Load())
}

func TestPanicReachesTheCaller(t *testing.T) {
	for _, p := range []int{1, 4} {
		processors(t, p)
		for at := range 30 {
			assert.PanicsWithValue(t, "chunk", func() {
				For(30, 1, func(from, to int) {
					if from >= at {
						panic("chunk")
					}
				})
			})
		}
		assert.PanicsWithValue(t, "inner", func() {
			For(5, 1, func(int, int) { For(5, 1, func(int, int) { panic("inner") }) })
		})
	}
}

func TestPanicStopsTheLoop(t *testing.T) {
	processors(t, 2)
	var calls atomic.Int64
	assert.Panics(t, func() {
		For(1_000_000, 1, func(from, to int) {
			calls.Add(1)
			panic(from)
		})
	})
	assert.LessOrEqual(t, calls.Load(), int64(2), "each goroutine stops at its first panic")
}

// counter is a task whose calls nest, to a depth.
type counter struct {
	depth int
	inner *counter
	count atomic.Int64
}

func newCounter(depth int) *counter {
	c := &counter{depth: depth}
	if depth > 0 {
		c.inner = newCounter(depth - 1)
	}
	return c
}

func (c *counter) Do(from, to int) {
	c.count.Add(int64(to - from))
	if c.depth > 0 {
		Run(to-from, 1, c.inner)
	}
}

// total is how often the innermost task was called.
func (c *counter) total() int64 {
	if c.depth > 0 {
		return c.inner.total()
	}
	return c.count.Load()
}

func TestLoopsDoNotAllocate(t *testing.T) {
	for _, p := range []int{1, 2, 4} {
		processors(t, p)
		c := newCounter(1)
		loops := func() uint64 { // not AllocsPerRun, which sets GOMAXPROCS to 1
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			for range 100 {
				Run(100, 3, c)
			}
			runtime.ReadMemStats(&after)
			return after.Mallocs - before.Mallocs
		}
		loops() // starts the helpers
		assert.Less(t, loops(), uint64(20), "%d processors", p)
	}
}

func TestManyCallers(t *testing.T) {
	for _, p := range []int{2, 3, 16} {
		processors(t, p)
		var callers sync.WaitGroup
		for range 20 {
			callers.Go(func() {
				for range 50 {
					c := newCounter(2)
					Run(30, 4, c)
					assert.EqualValues(t, 30, c.total())
				}
			})
		}
		callers.Wait()
	}
}

func TestNoMoreHelpersThanProcessors(t *testing.T) {
	processors(t, 3)
	var now, most atomic.Int64
	var callers sync.WaitGroup
	for range 5 {
		callers.Go(func() {
			For(40, 1, func(int, int) {
				n := now.Add(1)
				for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
				}
				runtime.Gosched()
				now.Add(-1)
			})
		})
	}
	callers.Wait()
	assert.LessOrEqual(t, most.Load(), int64(5+2), "callers and helpers")
}

// A task may end its goroutine, as a test's FailNow does: the caller's ends the
// caller, a helper's is a panic. Others take the place of helpers lost.
func TestTaskEndsItsGoroutine(t *testing.T) {
	processors(t, 3)
	for _, c := range []struct {
		name            string
		caller, helpers func()
		want            any
	}{
		{"all", runtime.Goexit, runtime.Goexit, nil},
		{"the caller", runtime.Goexit, func() {}, nil},
		{"the caller, and helpers panic", runtime.Goexit, func() { panic("helper") }, nil},
		{"helpers", func() {}, runtime.Goexit, "parallel: a task ended its goroutine"},
	} {
		for range 5 {
			ended := make(chan any)
			returned := false
			go func() {
				defer func() { ended <- recover() }()
				caller := goroutine()
				var met sync.WaitGroup
				met.Add(3)
				For(3, 1, func(int, int) {
					met.Done()
					met.Wait()
					if goroutine() == caller {
						c.caller()
					} else {
						c.helpers()
					}
				})
				returned = true
			}()
			require.Equal(t, c.want, <-ended, c.name)
			require.False(t, returned, c.name)
		}
	}
	assert.Equal(t, [][2]int{{0, 2}, {2, 3}}, chunks(3, 2), "as before")
}

// goroutine is what tells the goroutine that calls it from others: the first line of its stack.
func goroutine() string {
	var line [30]byte
	runtime.Stack(line[:], false)
	id, _, _ := bytes.Cut(line[:], []byte("["))
	return string(id)
}

// Helpers woken for one loop are not counted on for the next, which opens before they run.
func TestLoopsThatOpenTogetherHaveTheirHelpers(t *testing.T) {
	processors(t, 5)
	for range 50 {
		c := newCrew()
		for _, loops := range []int{1, 2} { // the second time two helpers sleep, and two are wanting
			var met sync.WaitGroup // ends only when each loop has two helpers
			met.Add(2 * loops)
			meet := Func(func(int, int) {
				met.Done()
				met.Wait()
			})
			open := make([]*loop, loops)
			for i := range open {
				open[i] = c.open(meet, 2, 1, 2)
			}
			met.Wait()
			for _, l := range open {
				c.close(l)
			}
			require.Eventually(t, func() bool {
				c.mu.Lock()
				defer c.mu.Unlock()
				return c.size == 2*loops && c.asleep == c.size
			}, 10*time.Second, 100*time.Microsecond)
		}
	}
}

// work is a task of some microseconds in all, such as a small layer norm.
type work [4096]float32

func (w *work) Do(from, to int) {
	for i := from; i < to; i++ {
		x := w[i]
		for range 8 {
			x = x*0.999 + 0.001
		}
		w[i] = x
	}
}

func BenchmarkRun(b *testing.B) {
	b.Run("empty", func(b *testing.B) {
		c := newCounter(0)
		b.ReportAllocs()
		for b.Loop() {
			Run(64, 1, c)
		}
	})
	for _, chunks := range []int{1, 2, 8} {
		b.Run(fmt.Sprintf("small in %d chunks", chunks), func(b *testing.B) {
			w := new(work)
			for b.Loop() {
				Run(len(w), len(w)/chunks, w)
			}
		})
	}
}
