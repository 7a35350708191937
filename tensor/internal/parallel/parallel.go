// Package parallel runs a loop on several goroutines.
package parallel

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// For calls f(from, to) for chunks that together cover [0, n) once, on at most
// GOMAXPROCS goroutines of which the caller is one, and returns when all calls
// have returned. Every chunk is grain long and starts at a multiple of grain,
// but for the last, which may be shorter: where the chunks lie depends on n and
// grain alone, so what is computed per chunk has the same bits on any number of
// processors. Chunks are handed out in order but may run in any order.
//
// f may itself call For. If calls of f panic, no further chunk is started and
// For panics with the value of one of them once the running calls are done.
// For panics if grain is not positive; n <= 0 calls nothing.
func For(n, grain int, f func(from, to int)) {
	if grain <= 0 {
		panic("parallel: For: grain must be positive")
	}
	if n <= 0 {
		return
	}
	chunks := (n-1)/grain + 1
	workers := min(chunks, runtime.GOMAXPROCS(0))
	if workers == 1 {
		for from := 0; from < n; from += grain {
			f(from, min(from+grain, n))
		}
		return
	}
	l := &loop{n: n, grain: grain, chunks: int64(chunks), f: f}
	l.helpers.Add(workers - 1)
	for range workers - 1 {
		go l.help()
	}
	l.run()
	// The caller only waits for helpers that are running or about to: none of
	// them waits for anything but its own calls of f, so nesting cannot deadlock.
	l.helpers.Wait()
	if l.panicked.Load() {
		panic(l.value)
	}
}

// loop is one call of For, shared by its goroutines.
type loop struct {
	n, grain int
	chunks   int64
	f        func(from, to int)
	next     atomic.Int64 // the first chunk not handed out
	helpers  sync.WaitGroup
	panicked atomic.Bool
	once     sync.Once
	value    any // of the first panic
}

func (l *loop) help() {
	defer l.helpers.Done()
	l.run()
}

// run takes chunks until none is left.
func (l *loop) run() {
	done := false
	defer func() {
		if done {
			return
		}
		// A panic may not leave a helper, where it would end the program
		// whatever the caller of For has deferred: the caller raises it instead.
		v := recover()
		l.once.Do(func() { l.value = v })
		l.panicked.Store(true)
		l.next.Store(l.chunks)
	}()
	for {
		i := l.next.Add(1) - 1
		if i >= l.chunks {
			break
		}
		from := int(i) * l.grain
		l.f(from, min(from+l.grain, l.n))
	}
	done = true
}
