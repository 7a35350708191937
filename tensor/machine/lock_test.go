package machine

import (
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const asHolder, asWriter = "MACHINE_TEST_HOLDS", "MACHINE_TEST_WRITES"

// TestMain makes the test binary a process that holds a lock until it is killed, or one that begins to write a
// file and goes on when its input ends.
func TestMain(m *testing.M) {
	path, written := os.Getenv(asHolder), os.Getenv(asWriter)
	switch {
	case written != "":
		if err := Replace(written, func(f *os.File) error {
			os.Stdout.WriteString("writing\n")
			io.Copy(io.Discard, os.Stdin)
			_, err := f.WriteString("child")
			return err
		}); err != nil {
			panic(err)
		}
		os.Exit(0)
	case path == "":
		os.Exit(m.Run())
	}
	if _, err := TryLock(path); err != nil {
		panic(err)
	}
	os.Stdout.WriteString("held\n")
	select {}
}

func TestLockWaits(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cache", ".lock")
	unlock, err := Lock(t.Context(), path, func() { t.Error("nothing to wait for") })
	require.NoError(t, err)

	ctx, cancel := context.WithCancel(t.Context())
	_, err = Lock(ctx, path, cancel)
	require.ErrorIs(t, err, context.Canceled, "it is held")

	waited := false
	second, err := Lock(t.Context(), path, func() { waited = true; require.NoError(t, unlock()) })
	require.NoError(t, err)
	assert.True(t, waited)
	require.NoError(t, second())
	assert.NoFileExists(t, path)

	_, err = Lock(t.Context(), t.TempDir(), nil)
	require.Error(t, err)
}

// A process that is killed leaves its lock file behind, and nobody waits for it.
func TestLockEndsWithItsProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), ".lock")
	c := exec.Command(os.Args[0])
	c.Env = append(os.Environ(), asHolder+"="+path)
	out, err := c.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, c.Start())
	_, err = out.Read(make([]byte, 5))
	require.NoError(t, err)

	_, err = TryLock(path)
	var held *HeldError
	require.ErrorAs(t, err, &held)
	assert.Equal(t, c.Process.Pid, held.Process)
	assert.Equal(t, path+" is locked by process "+strconv.Itoa(c.Process.Pid), err.Error())

	require.NoError(t, c.Process.Kill())
	_ = c.Wait() // it was killed
	assert.FileExists(t, path)
	unlock, err := TryLock(path)
	require.NoError(t, err)
	require.NoError(t, unlock())
	assert.NoFileExists(t, path)
}

// Holders remove the file while others open it, and still no two hold the lock.
func TestOneHolderAtATime(t *testing.T) {
	path := filepath.Join(t.TempDir(), ".lock")
	var wg sync.WaitGroup
	var inside sync.Mutex
	for range 8 {
		wg.Go(func() {
			for range 200 {
				unlock, err := TryLock(path)
				if err != nil {
					assert.ErrorAs(t, err, new(*HeldError))
					continue
				}
				assert.True(t, inside.TryLock(), "another holds it too")
				inside.Unlock()
				assert.NoError(t, unlock())
			}
		})
	}
	wg.Wait()
}

func TestRename(t *testing.T) {
	dir := t.TempDir()
	old, name := filepath.Join(dir, "old"), filepath.Join(dir, "new")
	require.NoError(t, os.MkdirAll(filepath.Join(old, "a", "b"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(old, "a", "f"), []byte("x"), 0o644))
	require.NoError(t, Rename(old, name))
	assert.FileExists(t, filepath.Join(name, "a", "f"))
	require.NoError(t, Rename(filepath.Join(name, "a", "f"), filepath.Join(name, "a", "g")))
	require.Error(t, Rename(old, name), "it is gone")
}

func TestRoom(t *testing.T) {
	if free, known := FreeSpace(t.TempDir()); known {
		assert.Positive(t, free)
	}
	if all, known := Memory(); known {
		assert.Greater(t, all, int64(1<<20))
	}
	_, known := FreeSpace(filepath.Join(t.TempDir(), "none"))
	assert.False(t, known)
}

// A link in the place of a lock file leads to somebody's file.
func TestLockIsNoLink(t *testing.T) {
	dir := t.TempDir()
	victim, path := filepath.Join(dir, "victim"), filepath.Join(dir, ".lock")
	require.NoError(t, os.WriteFile(victim, []byte("kept"), 0o644))
	if err := os.Symlink(victim, path); err != nil || careful == 0 {
		t.Skip("no links, or they are followed here")
	}
	_, err := TryLock(path)
	require.Error(t, err)
	text, err := os.ReadFile(victim)
	require.NoError(t, err)
	assert.Equal(t, "kept", string(text))
}
