//go:build unix

package data

import (
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// To open a pipe that nobody writes to would wait for ever.
func TestReadImageRefusesAPipe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bird.jpg")
	require.NoError(t, syscall.Mkfifo(path, 0o600))
	_, err := ReadImage(path)
	assert.EqualError(t, err, "data: "+path+": not a file, but a device, pipe or socket")
}

// So would to read a list or to look at the first bytes of a file that may be an image.
func TestPipesInFolders(t *testing.T) {
	dir := write(t, map[string][]byte{"images/a.jpg": nil, "images.txt": nil, "photos/a/1.jpg": nil, "photos/b/1.jpg": nil})
	for _, name := range []string{"classes.txt", "photos/a/noext", "photos/b/2.jpg"} {
		require.NoError(t, syscall.Mkfifo(filepath.Join(dir, filepath.FromSlash(name)), 0o600))
	}
	_, err := Open(dir, Options{})
	assert.ErrorContains(t, err, filepath.Join(dir, "classes.txt")+": not a file, but a device, pipe or socket")
	s, err := Open(filepath.Join(dir, "photos"), Options{})
	require.NoError(t, err)
	assert.Len(t, s.Train, 3)
	groups, err := Duplicates(t.Context(), s.FS, s.Train)
	require.NoError(t, err)
	assert.Empty(t, groups)
}
