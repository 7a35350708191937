package features

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestBorrow(t *testing.T) {
	b := backbone(t, 1)
	root, items := photographs(t, 4)
	s := source(b, "")
	lender := filled(t, s, b, root, 2, items[:3])
	whole := contents(t, filled(t, s, b, root, 2, items).path)
	borrow := func(s Source, views int, path string) (*Cache, error) {
		c := open(t, filepath.Join(t.TempDir(), "cache"), s, Records(views, items))
		return c, c.Borrow(path)
	}

	c, err := borrow(s, 2, lender.path)
	require.NoError(t, err)
	assert.Equal(t, Stats{Reused: 6, Made: 2}, fill(t, c, root, b))
	assert.Equal(t, whole, contents(t, c.path))

	for name, path := range map[string]string{"no file": filepath.Join(root, "none"), "of another layer": lender.path} {
		other := s
		if path == lender.path {
			other.Layer = 1
		}
		c, err := borrow(other, 2, path)
		require.NoError(t, err, name)
		assert.Equal(t, Stats{Made: 8}, fill(t, c, root, b), name)
	}

	paint(t, root, items[1].Path, 99)
	damaged := contents(t, lender.path)
	damaged[lender.tokens] ^= 1
	require.NoError(t, os.WriteFile(lender.path, damaged, 0o666))
	c, err = borrow(s, 2, lender.path)
	require.NoError(t, err)
	assert.Equal(t, Stats{Reused: 3, Made: 5, Changed: 2}, fill(t, c, root, b), "but for a photograph that changed and a damaged record")

	_, err = borrow(s, 2, filepath.Join(root, items[0].Path))
	assert.ErrorContains(t, err, "borrow")
}
