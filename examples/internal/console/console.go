// Package console is how the example programs speak: lines on standard output, progress on a terminal, one
// line for an error, and an exit status for the shell.
package console

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"golang.org/x/term"

	"github.com/promptcam/promptcam/data"
)

// UsageError is a wrong command line: exit status 2.
type UsageError struct{ Err error }

func (e UsageError) Error() string { return e.Err.Error() }
func (e UsageError) Unwrap() error { return e.Err }

// Usagef returns a UsageError.
func Usagef(format string, a ...any) error { return UsageError{fmt.Errorf(format, a...)} }

// interruption is the end of a program by a signal.
type interruption struct {
	error
	saved string
}

func (i interruption) Error() string { return "interrupted; " + i.saved }
func (i interruption) Unwrap() error { return i.error }

// Interrupted returns err or, if it is due to the end of ctx, an error that says what is saved instead.
func Interrupted(ctx context.Context, err error, saved func() string) error {
	if err == nil || ctx.Err() == nil || !errors.Is(err, ctx.Err()) || errors.As(err, new(interruption)) {
		return err
	}
	return interruption{err, saved()}
}

// Line returns an error as one line that is safe to print; one that joins several faults has a line for each.
// Of a text longer than any reader wants, as a damaged file may cause, the middle is left out.
func Line(err error) string {
	const most = 4000
	text := err.Error()
	if n := len(text); n > most {
		text = fmt.Sprintf("%s ... (%d bytes left out) ... %s", text[:most/2], n-most, text[n-most/2:])
	}
	return data.Printable(strings.ReplaceAll(text, "\n", "; "))
}

// grace is how long a program may go on after a signal: not a step of training that takes minutes, say.
const grace = 2 * time.Second

// Main runs a program and ends the process. The first interrupt or SIGTERM ends the context, and the process
// if the program has not ended after the grace; the second ends the process at once. The exit status is 0, 1 for an error, which also is that standard output could not be written, 2
// for a UsageError, and 130 after an interrupt, as a shell reports it.
func Main(name string, run func(ctx context.Context, args []string, stdout, stderr io.Writer) error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, func() {
		stop()
		time.Sleep(grace)
		if term.IsTerminal(int(os.Stderr.Fd())) {
			fmt.Fprint(os.Stderr, "\r\x1b[K") // there may be a bar
		}
		fmt.Fprintln(os.Stderr, name+": interrupted within a long step, of which nothing is kept; what was saved before it is on disk")
		os.Exit(130)
	})
	out := &output{Writer: os.Stdout}
	err := run(ctx, os.Args[1:], out, os.Stderr)
	if err == nil && out.err != nil {
		err = fmt.Errorf("standard output: %w", out.err)
	}
	if err == nil {
		return
	}
	fmt.Fprintln(os.Stderr, name+": "+Line(err))
	switch {
	case errors.As(err, new(UsageError)):
		os.Exit(2)
	case errors.Is(err, context.Canceled):
		os.Exit(130)
	}
	os.Exit(1)
}

// output keeps the first error of a writer.
type output struct {
	io.Writer
	err error
}

func (o *output) Write(p []byte) (int, error) {
	n, err := o.Writer.Write(p)
	o.err = cmp.Or(o.err, err)
	return n, err
}

// Console prints lines on stdout and, if stderr is a terminal, redraws a progress bar there.
type Console struct {
	stdout, stderr io.Writer
	Quiet          bool          `knob:"quiet" group:"Results" help:"print results and warnings alone"`
	Every          time.Duration // between lines of progress or, on a terminal, moves of the bar
	width          func() int    // of the terminal; nil if stderr is none
	drawn          bool          // a bar is on the screen
	last           time.Time     // of the last bar or line of progress
}

const barEvery = 100 * time.Millisecond // often enough to look alive

// New returns a Console. A log, and a terminal that calls itself dumb, gets a line of progress every half a
// minute.
func New(stdout, stderr io.Writer) *Console {
	c := &Console{stdout: stdout, stderr: stderr, Every: 30 * time.Second, last: time.Now()}
	if f, ok := stderr.(*os.File); ok && term.IsTerminal(int(f.Fd())) && os.Getenv("TERM") != "dumb" {
		c.Every = barEvery
		c.width = func() int {
			w, _, err := term.GetSize(int(f.Fd()))
			if err != nil || w < 1 {
				return 80
			}
			return w
		}
	}
	return c
}

// Table returns stdout for a command that prints a table there, and moves all lines to stderr.
func (c *Console) Table() io.Writer {
	t := table{c, c.stdout}
	c.stdout = c.stderr
	return t
}

type table struct {
	console *Console
	io.Writer
}

// Write writes after the bar is gone.
func (t table) Write(p []byte) (int, error) {
	t.console.Clear()
	return t.Writer.Write(p)
}

// Say prints a line about progress, unless the Console is quiet. Whatever names are in it, control characters
// and the like are escaped as data.Printable does; so do Result and Warn. Only line ends divide the text, so
// a name in a text of several lines must be made Printable before.
func (c *Console) Say(text string) {
	if !c.Quiet {
		c.Result(text)
	}
}

// Result prints a line that a quiet Console prints as well.
func (c *Console) Result(text string) {
	c.print(c.stdout, text)
}

// Warn prints a line on stderr.
func (c *Console) Warn(text string) {
	c.print(c.stderr, text)
}

// print prints lines without what a terminal would take for commands.
func (c *Console) print(w io.Writer, text string) {
	c.Clear()
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i] = data.Printable(line)
	}
	fmt.Fprintln(w, strings.Join(lines, "\n"))
}

// Clear removes the bar.
func (c *Console) Clear() {
	if c.drawn {
		fmt.Fprint(c.stderr, "\r\x1b[K")
		c.drawn = false
	}
}

// Progress is how far a job has come.
type Progress struct {
	Part        string // such as "epoch 3/10"
	Done, Total int64  // of the part
	Text        string // such as "12/100 images"
	Rate        string // such as "33.6 images/s"; may be empty
	Left        time.Duration
}

// Show draws a bar or, where there is no terminal, prints a line from time to time.
func (c *Console) Show(p Progress) {
	now := time.Now()
	if c.Quiet || now.Sub(c.last) < c.Every {
		return
	}
	c.last = now
	text := p.Text
	if p.Rate != "" {
		text += "  " + p.Rate + "  " + clock(p.Left) + " left"
	}
	if c.width == nil {
		c.Say(p.Part + "  " + text)
		return
	}
	line := data.Printable(p.Part + " " + bar(p.Done, p.Total, min(30, c.width()-len(p.Part)-len(text)-5)) + " " + text)
	fmt.Fprintf(c.stderr, "\r\x1b[K%.*s", c.width()-1, line)
	c.drawn = true
}

// bar draws a bar of the given width, or none where that is too small.
func bar(done, total int64, width int) string {
	if width < 5 || total < 1 {
		return ""
	}
	n := int(int64(width) * min(done, total) / total)
	return "[" + strings.Repeat("#", n) + strings.Repeat("-", width-n) + "]"
}

// clock writes a duration as 1:02:03 or 2:03.
func clock(d time.Duration) string {
	s := int(d.Seconds() + 0.5)
	if s < 3600 {
		return fmt.Sprintf("%d:%02d", s/60, s%60)
	}
	return fmt.Sprintf("%d:%02d:%02d", s/3600, s/60%60, s%60)
}

// Traffic returns a function that shows how many of a number of bytes a transfer has done.
func (c *Console) Traffic(what string) func(done, total int64) {
	var began time.Time
	skipped := int64(-1) // bytes that were there before
	return func(done, total int64) {
		if skipped < 0 {
			began, skipped = time.Now(), done
		}
		p := Progress{Part: what, Done: done, Total: total, Text: fmt.Sprintf("%.0f/%.0f MB", float64(done)/1e6, float64(total)/1e6)}
		if rate := float64(done-skipped) / time.Since(began).Seconds(); rate > 0 {
			p.Rate, p.Left = fmt.Sprintf("%.1f MB/s", rate/1e6), time.Duration(float64(total-done)/rate*float64(time.Second))
		}
		c.Show(p)
	}
}
