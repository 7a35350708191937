package console

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// terminal returns a console on a terminal of 90 columns that is due for a bar.
func terminal(screen *bytes.Buffer) *Console {
	return &Console{stdout: screen, stderr: screen, Every: barEvery, width: func() int { return 90 }}
}

func TestBar(t *testing.T) {
	var screen bytes.Buffer
	c := terminal(&screen)
	c.Show(Progress{Part: "epoch 1/2", Done: 50, Total: 100, Text: "50/100  loss 1.000", Rate: "10.0 images/s", Left: 5 * time.Second})
	assert.Contains(t, screen.String(), "epoch 1/2 [")
	assert.Contains(t, screen.String(), "50/100  loss 1.000")
	assert.Contains(t, screen.String(), "0:05 left")
	c.Say("done")
	assert.True(t, strings.HasSuffix(screen.String(), "\r\x1b[Kdone\n"), "the bar is gone before a line is printed")

	assert.Equal(t, "[###---]", bar(5, 10, 6))
	assert.Equal(t, "", bar(5, 10, 3))
	assert.Equal(t, "2:05", clock(125e9))
	assert.Equal(t, "1:00:01", clock(3601e9))
}

func TestTraffic(t *testing.T) {
	var screen bytes.Buffer
	c := terminal(&screen)
	c.last = time.Now()
	show := c.Traffic("downloading f")
	show(40e6, 100e6)
	assert.Empty(t, screen.String(), "not due")
	time.Sleep(barEvery)
	show(50e6, 100e6)
	assert.Contains(t, screen.String(), "downloading f [")
	assert.Contains(t, screen.String(), "50/100 MB  ")
	assert.NotContains(t, screen.String(), "0:00 left", "10 MB came now; the other 40 were there")

	c.Quiet, c.last = true, time.Time{}
	screen.Reset()
	show(60e6, 100e6)
	assert.Empty(t, screen.String())
}

// Where a command prints a table, all lines and bars are on stderr.
func TestTable(t *testing.T) {
	var stdout, stderr bytes.Buffer
	c := New(&stdout, &stderr)
	c.Every = 0
	w := c.Table()
	c.Say("reading")
	c.Result("read")
	for i := range int64(3) {
		c.Show(Progress{Part: "photographs", Done: i, Total: 3})
		fmt.Fprintln(w, "row", i)
	}
	assert.Equal(t, "row 0\nrow 1\nrow 2\n", stdout.String())
	assert.Equal(t, 5, strings.Count(stderr.String(), "\n"), stderr.String())

	var screen bytes.Buffer
	c = terminal(&screen)
	w = c.Table()
	c.Show(Progress{Part: "photographs", Done: 1, Total: 3})
	fmt.Fprintln(w, "row")
	assert.True(t, strings.HasSuffix(screen.String(), "\r\x1b[Krow\n"), "the bar is gone before a row is printed")
}

// Names of classes and files can hold what a terminal takes for commands.
func TestNothingButTextIsPrinted(t *testing.T) {
	var screen bytes.Buffer
	c := New(&screen, &screen)
	c.Say("epoch\x1b]0;title\a")
	c.Result("one\ntwo\r\u202e")
	c.Warn("\u009b31mred \xff, Käfer")
	assert.Equal(t, "epoch\\x1b]0;title\\x07\none\ntwo\\r\\u202e\n\\x9b31mred \\xff, Käfer\n", screen.String())
	assert.Equal(t, `a\x1b[2J; b`, Line(errors.Join(errors.New("a\x1b[2J"), errors.New("b"))))

	screen.Reset()
	c = terminal(&screen)
	c.Show(Progress{Part: "x\x1b[2J\n", Done: 1, Total: 2})
	assert.Equal(t, 1, strings.Count(screen.String(), "\x1b"), "the bar's own")
}

// A narrow terminal gets no more than its width.
func TestNarrow(t *testing.T) {
	for _, width := range []int{1, 5, 20, 39, 41} {
		var screen bytes.Buffer
		c := terminal(&screen)
		c.width = func() int { return width }
		c.Show(Progress{Part: "epoch 10/20", Done: 50, Total: 100, Text: "50/100  loss 1.000", Rate: "10.0 images/s", Left: time.Second})
		line, _ := strings.CutPrefix(screen.String(), "\r\x1b[K")
		assert.Less(t, len(line), width)
	}
}

func TestLine(t *testing.T) {
	assert.Equal(t, "one; two", Line(errors.Join(errors.New("one"), errors.New("two"))))
	long := Line(errors.New("begins " + strings.Repeat("\xe9", 1<<20) + " ends"))
	assert.Less(t, len(long), 20_000)
	assert.Regexp(t, `^begins .*\(1044588 bytes left out\).* ends$`, long)
}

// Paragraphs are filled; what is indented keeps its lines, which a shell takes as they are.
func TestWrap(t *testing.T) {
	text := `Some words that are
divided anyhow, and a-word-that-is-too-long-for-any-line.

  cub train --data photographs --out out
  # a comment, which is long enough for two lines
`
	assert.Equal(t, `Some words that are
divided anyhow, and
a-word-that-is-too-long-for-any-line.

  cub train --data \
      photographs \
      --out out
  # a comment, which
  # is long enough for
  # two lines
`, Wrap(text, 22))
	for width := 40; width < 200; width++ {
		for line := range strings.Lines(Wrap(text, width)) {
			assert.LessOrEqual(t, len(line), width+1)
		}
		unwrapped := strings.ReplaceAll(Wrap(text, width), " \\\n      ", " ")
		assert.Contains(t, unwrapped, "\n  cub train --data photographs --out out\n")
	}
}
