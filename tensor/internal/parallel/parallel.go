// Package parallel runs a loop on several goroutines.
//
// The goroutines that help a caller are started when they are first needed, serve all loops of the program,
// and stay: an idle one sleeps and costs its stack. So a loop neither starts a goroutine nor allocates, and
// loops of some microseconds are worth sharing.
package parallel

import (
	"runtime"
	"sync/atomic"
)

// Task is what a loop does for the elements [from, to).
type Task interface{ Do(from, to int) }

// Func is a function as a Task.
type Func func(from, to int)

// Do calls f.
func (f Func) Do(from, to int) { f(from, to) }

// For is Run for a function.
func For(n, grain int, f func(from, to int)) { Run(n, grain, Func(f)) }

// Run calls t.Do(from, to) for chunks that together cover [0, n) once, on at most GOMAXPROCS goroutines of
// which the caller is one, and returns when all calls have returned. Every chunk is grain long and starts at
// a multiple of grain, but for the last, which may be shorter: where the chunks lie depends on n and grain
// alone, so what is computed per chunk has the same bits on any number of processors. Chunks are handed out
// in order but may run in any order.
//
// t.Do may itself call Run; all loops of the program, nested ones too, have GOMAXPROCS-1 helpers together. If
// calls of t.Do panic, no further chunk is started and Run panics with the value of one of them once the
// running calls are done. A call of t.Do that ends its goroutine (runtime.Goexit, as a test's FailNow does)
// likewise ends the loop: if it was the caller's, the caller ends once the running calls are done, whatever
// becomes of them; if it was a helper's, Run panics and says so. Run panics if grain is not positive; n <= 0
// calls nothing.
func Run(n, grain int, t Task) {
	if grain <= 0 {
		panic("parallel: Run: grain must be positive")
	}
	if n <= 0 {
		return
	}
	workers := min((n-1)/grain+1, runtime.GOMAXPROCS(0))
	if workers == 1 {
		for from := 0; from < n; from += grain {
			t.Do(from, min(from+grain, n))
		}
		return
	}
	l := helpers.open(t, n, grain, workers-1)
	defer helpers.close(l)
	l.run(false)
}

// loop is one call of Run, shared by its goroutines.
type loop struct {
	task     Task
	n, grain int
	chunks   int64
	use      int           // helpers it can use
	next     atomic.Int64  // the first chunk not handed out
	inside   atomic.Int32  // goroutines that have not left, of which the caller is one
	empty    chan struct{} // told by the last to leave if that is a helper
	panicked atomic.Bool
	value    any  // of the first panic
	ended    bool // the caller's goroutine ends
}

// run takes chunks until none is left, for the caller or for a helper.
func (l *loop) run(helper bool) {
	done := false
	defer func() {
		if done {
			return
		}
		// A panic may not leave a helper, where it would end the program whatever the caller of Run has
		// deferred: the caller raises it instead.
		v := recover()
		switch {
		case v != nil:
		case helper: // no panic, even of nil, but runtime.Goexit
			v = "parallel: a task ended its goroutine"
		default:
			l.ended = true
		}
		if l.panicked.CompareAndSwap(false, true) {
			l.value = v
		}
		l.next.Store(l.chunks)
	}()
	for {
		i := l.next.Add(1) - 1
		if i >= l.chunks {
			break
		}
		from := int(i) * l.grain
		l.task.Do(from, min(from+l.grain, l.n))
	}
	done = true
}
