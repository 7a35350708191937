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
