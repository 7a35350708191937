package parallel

import (
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// linger is how long a helper without work looks out for the next loop before it sleeps, and how long a
// caller looks out for the last of its helpers: the operations of a training step follow each other closely,
// and to wake a goroutine takes about as long. Both let other goroutines pass meanwhile.
const linger = 30 * time.Microsecond

// crew is the helpers of all loops. A helper is at work on a loop, on the lookout for one, or asleep.
type crew struct {
	mu      sync.Mutex
	loops   []*loop   // open ones, outer before inner
	idle    []*loop   // to be used again
	wake    sync.Cond // for those asleep
	size    int       // all helpers
	working int
	asleep  int           // those whom no loop has woken
	most    int           // that may be at work: GOMAXPROCS-1, as the latest loop found it
	opened  atomic.Uint32 // counts loops, for those on the lookout
}

var helpers = newCrew()

func newCrew() *crew {
	c := new(crew)
	c.wake.L = &c.mu
	return c
}

// open offers a loop to the helpers, of whom it can use so many.
func (c *crew) open(t Task, n, grain, use int) *loop {
	c.mu.Lock()
	defer c.mu.Unlock()
	var l *loop
	if last := len(c.idle) - 1; last >= 0 {
		l, c.idle = c.idle[last], c.idle[:last]
	} else {
		l = &loop{empty: make(chan struct{}, 1)}
	}
	l.task, l.n, l.grain, l.chunks, l.use = t, n, grain, int64((n-1)/grain+1), use
	l.next.Store(0)
	l.inside.Store(1)
	c.loops = append(c.loops, l)
	c.opened.Add(1)
	c.most = runtime.GOMAXPROCS(0) - 1
	wanted := 0
	for _, l := range c.loops {
		wanted += l.use
	}
	// Those at work, on the lookout or just woken come by themselves.
	for missing := min(wanted, c.most) - (c.size - c.asleep); missing > 0; missing-- {
		if c.asleep > 0 {
			c.asleep-- // not once it runs: the next loop may want another before
			c.wake.Signal()
		} else {
			c.size++
			go c.help()
		}
	}
	return l
}

// close waits until no helper runs l any more.
func (c *crew) close(l *loop) {
	c.mu.Lock()
	c.loops = slices.Delete(c.loops, slices.Index(c.loops, l), slices.Index(c.loops, l)+1)
	c.mu.Unlock()
	if l.inside.Add(-1) > 0 {
		// Helpers wait for nothing but their own calls of the task, in which they may in turn be callers that
		// wait for helpers of theirs: nesting cannot deadlock.
		lookout(func() bool { return len(l.empty) > 0 })
		<-l.empty
	}
	panicked, value := l.panicked.Load() && !l.ended, l.value
	l.task, l.value, l.ended = nil, nil, false
	l.panicked.Store(false)
	c.mu.Lock()
	c.idle = append(c.idle, l)
	c.mu.Unlock()
	if panicked {
		panic(value)
	}
}

// help is the life of a helper.
func (c *crew) help() {
	for {
		l, opened := c.next()
		c.serve(l)
		lookout(func() bool { return c.opened.Load() != opened })
	}
}

// next enters the outermost loop that has chunks left, and sleeps until there is one.
func (c *crew) next() (l *loop, opened uint32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		for _, l := range c.loops {
			if c.working < c.most && l.next.Load() < l.chunks {
				c.working++
				l.inside.Add(1)
				return l, c.opened.Load()
			}
		}
		c.asleep++
		c.wake.Wait()
	}
}

// serve runs chunks of l and leaves it.
func (c *crew) serve(l *loop) {
	ends := true // unless the task leaves its goroutine alive
	defer func() {
		c.mu.Lock()
		c.working--
		if ends { // before the loop does: the next one must not count on this helper
			c.size--
		}
		c.mu.Unlock()
		if l.inside.Add(-1) == 0 {
			l.empty <- struct{}{}
		}
	}()
	l.run(true)
	ends = false
}

// lookout waits for something to happen, but not long.
func lookout(happened func() bool) {
	for start := time.Now(); !happened() && time.Since(start) < linger; {
		runtime.Gosched()
	}
}
