package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

const limitEnv = "CUB_TEST_FILE_SIZE"

// TestMain lets a test run the program as a process of its own, in which no
// file can grow beyond a limit.
func TestMain(m *testing.M) {
	limit, err := strconv.ParseUint(os.Getenv(limitEnv), 10, 64)
	if err != nil {
		os.Exit(m.Run())
	}
	signal.Ignore(syscall.SIGXFSZ) // a write then fails with EFBIG
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: limit, Max: limit}); err != nil {
		panic(err)
	}
	if err := run(context.Background(), os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, oneLine(err))
		os.Exit(1)
	}
	os.Exit(0)
}

// A disk that is full ends the run with an error that names the file, leaves
// no temporary one, and what was saved before can be resumed.
func TestFullDisk(t *testing.T) {
	weights, arch := backbone(t, nil)
	data, out, want := photographs(t, t.TempDir(), 6), t.TempDir(), t.TempDir()
	args := []string{"-data", data, "-weights", weights, "-arch", arch, "-epochs", "2", "-out"}
	must(t, append(args, want)...)

	limited := func(limit int, more ...string) string {
		c := exec.Command(os.Args[0], append(append(args, out), more...)...)
		c.Env = append(os.Environ(), fmt.Sprintf("%s=%d", limitEnv, limit))
		text, err := c.CombinedOutput()
		require.Error(t, err)
		lines := strings.Split(strings.TrimSpace(string(text)), "\n")
		last := lines[len(lines)-1]
		assert.Contains(t, last, syscall.EFBIG.Error())
		return last
	}
	assert.Contains(t, limited(4096), "state.safetensors")
	assert.Empty(t, files(t, out))

	page, err := os.Stat(filepath.Join(want, "report", "index.html"))
	require.NoError(t, err)
	assert.Contains(t, limited(int(page.Size())-1), "index.html")
	assert.Equal(t, []string{"curves.png", "history.csv", "model.safetensors", "predictions.csv", "state.safetensors"}, files(t, out))

	must(t, append(args, out, "-resume")...)
	sameResults(t, want, out)
}
