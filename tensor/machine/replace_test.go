package machine

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// writing starts a process that is writing path. finish lets it end, kill kills it.
func writing(t *testing.T, path string) (finish, kill func()) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), asWriter+"="+path)
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "writing\n", line)
	return func() {
			require.NoError(t, in.Close())
			require.NoError(t, cmd.Wait())
		}, func() {
			require.NoError(t, cmd.Process.Kill())
			assert.Error(t, cmd.Wait())
		}
}

func write(t *testing.T, path, text string) {
	require.NoError(t, Replace(path, func(f *os.File) error {
		_, err := f.WriteString(text)
		return err
	}))
}

func TestTemporaryFilesOfTheDeadAreSwept(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no locks tell the living from the dead")
	}
	dir := t.TempDir()
	path, other := filepath.Join(dir, "a"), filepath.Join(dir, "a.b")
	temporary := func() (names []string) {
		list, err := os.ReadDir(dir)
		require.NoError(t, err)
		for _, e := range list {
			if strings.HasPrefix(e.Name(), ".") {
				names = append(names, e.Name()[:max(0, len(e.Name())-26)])
			}
		}
		return names
	}
	finish, _ := writing(t, path)
	_, kill := writing(t, path)
	_, killOther := writing(t, other)
	write(t, path, "parent")
	assert.Equal(t, []string{".a.b.tmp-", ".a.tmp-", ".a.tmp-"}, temporary(), "the living keep theirs")
	kill()
	killOther()
	assert.Len(t, temporary(), 3)
	write(t, path, "parent")
	assert.Equal(t, []string{".a.b.tmp-", ".a.tmp-"}, temporary(), "that of the dead writer of a is gone")
	finish()
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, "child", string(raw))
	assert.Equal(t, []string{".a.b.tmp-"}, temporary())

	// Sweep takes all names, but nothing that is not a temporary file.
	mine := []string{".a.tmp-short", ".tmp-ABCDEFGHIJKLMNOPQRSTUVWXYZ", "a.tmp-ABCDEFGHIJKLMNOPQRSTUVWXYZ", ".a.tmp-abcdefghijklmnopqrstuvwxyz"}
	for _, name := range mine {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), nil, 0o666))
	}
	require.NoError(t, os.Mkdir(filepath.Join(dir, ".d.tmp-ABCDEFGHIJKLMNOPQRSTUVWXYZ"), 0o777))
	Sweep(dir)
	for _, name := range append(mine, ".d.tmp-ABCDEFGHIJKLMNOPQRSTUVWXYZ") {
		_, err := os.Stat(filepath.Join(dir, name))
		assert.NoError(t, err, name)
	}
	assert.Len(t, temporary(), len(mine))
	Sweep(filepath.Join(dir, "none"))
}

// Many that write one file at once, and sweep, take nothing from each other.
func TestWritersAtOnce(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a")
	done := make(chan error)
	for range 8 {
		go func() {
			var err error
			for range 20 {
				if e := Replace(path, func(f *os.File) error { _, err := f.WriteString("x"); return err }); e != nil {
					err = e
				}
			}
			done <- err
		}()
	}
	for range 8 {
		assert.NoError(t, <-done)
	}
	list, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Len(t, list, 1)
}
