package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/promptcam/promptcam/promptcam/run"
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
	began          time.Time // the job that it was of
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

// observer returns what shows the work of package run.
func (c *console) observer() run.Observer { return run.Observer{Line: c.line, Progress: c.progress} }

// line prints a line: warnings on stderr, whatever -quiet says, and outcomes despite it.
func (c *console) line(kind run.Kind, text string) {
	switch {
	case kind == run.Warning:
		c.clear()
		fmt.Fprintln(c.stderr, text)
	case kind == run.Outcome || !c.quiet:
		c.clear()
		fmt.Fprintln(c.stdout, text)
	}
}

// say prints a line about how things go.
func (c *console) say(format string, a ...any) { c.line(run.Note, fmt.Sprintf(format, a...)) }

// clear takes the bar away.
func (c *console) clear() {
	if c.drawn {
		fmt.Fprint(c.stderr, "\r\x1b[K")
		c.drawn = false
	}
}

// Often enough to be seen to move; and for a log, seldom enough to be read.
const (
	barEvery   = 100 * time.Millisecond
	plainEvery = 30 * time.Second
)

// due says whether it is time to show a job's progress again.
func (c *console) due(began time.Time) bool {
	now := time.Now()
	if began != c.began {
		c.began, c.last = began, began
	}
	every := plainEvery
	if c.width != nil {
		every = barEvery
	}
	if c.quiet || now.Sub(c.last) < every {
		return false
	}
	c.last = now
	return true
}

// progress shows how far a job has come.
func (c *console) progress(p run.Progress) {
	if !c.due(p.Began) {
		return
	}
	text := fmt.Sprintf("%d/%d", p.Done, p.Total)
	if p.Remark != "" {
		text += "  " + p.Remark
	}
	c.draw(p.Part, p.Done, p.Total, text+fmt.Sprintf("  %.1f images/s  %s left", p.Rate(), clock(p.Left())))
}

// draw draws a bar, or prints a line where there is no terminal.
func (c *console) draw(part string, done, total int, text string) {
	if c.width == nil {
		c.say("%s  %s", part, text)
		return
	}
	line := part + " " + bar(done, total, min(30, c.width()-len(part)-len(text)-5)) + " " + text
	fmt.Fprintf(c.stderr, "\r\x1b[K%.*s", c.width()-1, line)
	c.drawn = true
}

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
