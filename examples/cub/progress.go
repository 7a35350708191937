package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/promptcam/promptcam/nn/fit"
	"golang.org/x/term"
)

// console is where the program speaks: lines on stdout, and, if stderr is a
// terminal, a bar there that is drawn over and over.
type console struct {
	stdout, stderr io.Writer
	quiet          bool
	width          func() int // of the terminal; nil if stderr is none
	drawn          bool
	last           time.Time // of the last drawing or plain line of progress
}

func newConsole(stdout, stderr io.Writer, quiet bool) *console {
	c := &console{stdout: stdout, stderr: stderr, quiet: quiet}
	if f, ok := stderr.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		c.width = func() int {
			w, _, err := term.GetSize(int(f.Fd()))
			if err != nil || w < 40 {
				return 80
			}
			return w
		}
	}
	return c
}

// say prints a line about how things go.
func (c *console) say(format string, a ...any) {
	if !c.quiet {
		c.result(format, a...)
	}
}

// result prints a line that -quiet leaves.
func (c *console) result(format string, a ...any) {
	c.clear()
	fmt.Fprintf(c.stdout, format+"\n", a...)
}

// warn prints a line on stderr, whatever -quiet says.
func (c *console) warn(format string, a ...any) {
	c.clear()
	fmt.Fprintf(c.stderr, format+"\n", a...)
}

// clear takes the bar away.
func (c *console) clear() {
	if c.drawn {
		fmt.Fprint(c.stderr, "\r\x1b[K")
		c.drawn = false
	}
}

// meter shows how far a job of several parts has come.
type meter struct {
	c      *console
	began  time.Time
	all    int // images of the job
	before int // images of the parts that are done
}

func (c *console) meter(images int) *meter {
	now := time.Now()
	c.last = now // a plain line comes after plainEvery at the earliest
	return &meter{c: c, began: now, all: images}
}

// Often enough to be seen to move; and for a log, seldom enough to be read.
const (
	barEvery   = 100 * time.Millisecond
	plainEvery = 30 * time.Second
)

// show tells that done of total images of a part are done. note is shown
// beside, such as the loss so far.
func (m *meter) show(part string, done, total int, note string) {
	c, now := m.c, time.Now()
	every := plainEvery
	if c.width != nil {
		every = barEvery
	}
	if c.quiet || now.Sub(c.last) < every {
		return
	}
	c.last = now
	spent := now.Sub(m.began)
	rate := float64(m.before+done) / spent.Seconds()
	left := time.Duration(float64(m.all-m.before-done) / rate * float64(time.Second))
	text := fmt.Sprintf("%d/%d", done, total)
	if note != "" {
		text += "  " + note
	}
	text += fmt.Sprintf("  %.1f images/s  %s left", rate, clock(left))
	if c.width == nil {
		c.say("%s  %s", part, text)
		return
	}
	line := part + " " + bar(done, total, min(30, c.width()-len(part)-len(text)-5)) + " " + text
	fmt.Fprintf(c.stderr, "\r\x1b[K%.*s", c.width()-1, line)
	c.drawn = true
}

// step shows a step of training.
func (m *meter) step(s fit.Step) {
	m.show(fmt.Sprintf("epoch %d/%d", s.Epoch, s.Epochs), s.Done, s.Images, fmt.Sprintf("loss %.3f  accuracy %.1f %%", s.Loss, 100*s.Accuracy))
}

// end closes a part of so many images.
func (m *meter) end(images int) { m.before += images }

// bar draws a bar of the given width, or none where that is too small.
func bar(done, total, width int) string {
	if width < 5 || total < 1 {
		return ""
	}
	n := width * done / total
	return "[" + strings.Repeat("#", n) + strings.Repeat("-", width-n) + "]"
}

// clock writes a time to wait as 1:02:03 or 2:03.
func clock(d time.Duration) string {
	s := int(d.Seconds() + 0.5)
	if s < 3600 {
		return fmt.Sprintf("%d:%02d", s/60, s%60)
	}
	return fmt.Sprintf("%d:%02d:%02d", s/3600, s/60%60, s%60)
}
