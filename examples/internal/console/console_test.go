package console

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// terminal returns a console on a terminal of 90 columns that is due for a bar.
func terminal(screen *bytes.Buffer) *Console {
	return &Console{stdout: screen, stderr: screen, width: func() int { return 90 }}
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
