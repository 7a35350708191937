package main

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/promptcam/promptcam/data/datatest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// asProgram makes the test binary the program itself. Its value is the size in
// bytes beyond which no file can grow, as if the disk were full.
const asProgram = "CUB_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	limit, err := strconv.ParseUint(os.Getenv(asProgram), 10, 64)
	if err != nil {
		os.Exit(m.Run())
	}
	signal.Ignore(syscall.SIGXFSZ) // a write then fails with EFBIG
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: limit, Max: limit}); err != nil {
		panic(err)
	}
	main()
	os.Exit(0)
}

// program returns a process of its own.
func program(limit int, args ...string) *exec.Cmd {
	c := exec.Command(os.Args[0], args...)
	c.Env = append(os.Environ(), fmt.Sprintf("%s=%d", asProgram, limit))
	return c
}

func TestExitCodes(t *testing.T) {
	weights, arch := tinyBackbone(t, nil)
	data, out := datatest.Photographs(t, t.TempDir(), 20), t.TempDir()
	exit := func(c *exec.Cmd, code int) string {
		var stderr strings.Builder
		c.Stderr = &stderr
		err := c.Run()
		var failed *exec.ExitError
		require.ErrorAs(t, err, &failed)
		assert.Equal(t, code, failed.ExitCode(), stderr.String())
		assert.Equal(t, 1, strings.Count(stderr.String(), "\n"), stderr.String())
		return stderr.String()
	}
	assert.Contains(t, exit(program(1<<30, "-weights", weights), 2), "cub: --data is missing")
	assert.Contains(t, exit(program(1<<30, "-data", filepath.Join(data, "none"), "-weights", weights, "-out", out), 1), "none")

	c := program(1<<30, "-data", data, "-weights", weights, "-arch", arch, "-mode", "deep", "-epochs", "10000", "-out", out)
	var once sync.Once // a second signal would end it at once
	c.Stdout = watcher{func(lines string) {
		if strings.Contains(lines, "epoch 2/") {
			once.Do(func() { assert.NoError(t, c.Process.Signal(os.Interrupt)) })
		}
	}}
	assert.Contains(t, exit(c, 130), " of 10000 is on disk in "+filepath.Join(out, "state.safetensors"))
	assert.Equal(t, []string{"state.safetensors"}, files(t, out))
}

// A disk that is full ends the run with an error that names the file, leaves
// no temporary one, and what was saved before can be resumed.
func TestFullDisk(t *testing.T) {
	weights, arch := tinyBackbone(t, nil)
	data, out, want := datatest.Photographs(t, t.TempDir(), 6), t.TempDir(), t.TempDir()
	args := []string{"-data", data, "-weights", weights, "-arch", arch, "-mode", "deep", "-epochs", "2", "-out"}
	must(t, append(args, want)...)

	limited := func(limit int, more ...string) string {
		text, err := program(limit, append(append(args, out), more...)...).CombinedOutput()
		require.Error(t, err)
		_, message, _ := strings.Cut(string(text), "cub: ")
		assert.Contains(t, message, syscall.EFBIG.Error())
		return message
	}
	assert.Contains(t, limited(4096), "state.safetensors")
	assert.Empty(t, files(t, out))
	assert.Contains(t, limited(4096, "-mode", "last"), "features.safetensors")
	assert.Empty(t, files(t, out))

	page, err := os.Stat(filepath.Join(want, "report", "index.html"))
	require.NoError(t, err)
	assert.Contains(t, limited(int(page.Size())-1), "index.html")
	assert.Equal(t, []string{"curves.png", "history.csv", "images.csv", "model.safetensors", "predictions.csv", "state.safetensors"}, files(t, out))

	must(t, append(args, out, "-resume")...)
	sameResults(t, want, out)
}

// A command whose output cannot be written says so, whatever it has done.
func TestOutputThatCannotBeWritten(t *testing.T) {
	weights, arch := tinyBackbone(t, nil)
	data, out := datatest.Photographs(t, t.TempDir(), 6), t.TempDir()
	must(t, "-data", data, "-weights", weights, "-arch", arch, "-epochs", "1", "-out", out)
	photo := filepath.Join(data, "red", "1.png")
	for _, args := range [][]string{
		{"version"}, {"-h"}, {"inspect", weights}, {"data", data},
		{"predict", "-model", out, "-weights", weights, photo},
		{"explain", "-model", out, "-weights", weights, photo, "-out", t.TempDir()},
		{"-data", data, "-weights", weights, "-arch", arch, "-epochs", "1", "-out", t.TempDir()},
	} {
		full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
		require.NoError(t, err)
		c := program(1<<30, args...)
		var stderr strings.Builder
		c.Stdout, c.Stderr = full, &stderr
		var failed *exec.ExitError
		require.ErrorAs(t, c.Run(), &failed, "%v", args)
		assert.Equal(t, 1, failed.ExitCode(), "%v", args)
		assert.Contains(t, stderr.String(), "no space left on device", "%v", args)
		require.NoError(t, full.Close())
	}
}
