package pretrain

import (
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/promptcam/promptcam/data"
)

// What is left out of a folder is said.
func TestFolderSkips(t *testing.T) {
	f, err := OpenFolder(fstest.MapFS{"a/1.jpg": {}, "a/2.jfif": {}, "a/3.heic": {}, "@eaDir/1.jpg": {}, "notes.txt": {}})
	require.NoError(t, err)
	assert.Equal(t, 2, f.Len())
	assert.Equal(t, "1 file left out: 1 .heic, a/3.heic (cannot be read: save as JPEG); 1 system folder, @eaDir", data.LeftOut(f.Skipped))
}
