package data

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// memory is a folder's files in memory, as they are for go:embed.
func memory(t testing.TB, dir string) fstest.MapFS {
	files := fstest.MapFS{}
	require.NoError(t, fs.WalkDir(os.DirFS(dir), ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := os.ReadFile(filepath.Join(dir, name))
		files[name] = &fstest.MapFile{Data: b}
		return err
	}))
	return files
}

// A set in memory is that of the same files in a folder, and its images have the same bits.
func TestOpenFS(t *testing.T) {
	files := map[string][]byte{}
	for _, class := range []string{"wren", "auk"} {
		for i := range 4 {
			files[class+"/"+string('a'+rune(i))+".jpg"] = jpegOf(t, noise(12, 10, uint64(len(files))))
		}
	}
	dir := write(t, files)
	want, err := Open(dir, Options{TestShare: 0.2, Seed: 1})
	require.NoError(t, err)
	fsys := memory(t, dir)
	got, err := OpenFS(fsys, Options{TestShare: 0.2, Seed: 1})
	require.NoError(t, err)
	assert.Equal(t, &Set{FS: fsys, Classes: want.Classes, Train: want.Train, Test: want.Test}, got)
	load := func(s *Set) seen {
		l, err := NewLoader(s.FS, s.Train, LoaderConfig{Transform: EvalTransform([2]int{8, 8}, half, half), Batch: 3})
		require.NoError(t, err)
		return run(t, l, 0)
	}
	assert.Equal(t, load(want), load(got))

	delete(fsys, got.Train[1].Path)
	bad, err := Check(t.Context(), fsys, got.Train, 0, nil)
	require.NoError(t, err)
	require.Len(t, bad, 1)
	assert.EqualError(t, bad[0].Err, "data: "+got.Train[1].Path+": file does not exist")
	_, err = OpenFS(fstest.MapFS{}, Options{TestShare: 0.2, Seed: 1})
	assert.ErrorContains(t, err, "data: open: no class folders in it")
}

func TestAnnotationsFS(t *testing.T) {
	dir, want, err := annotations(t, annotated())
	require.NoError(t, err)
	fsys := memory(t, dir)
	got, err := OpenAnnotationsFS(fsys)
	require.NoError(t, err)
	want.fsys = fsys
	assert.Equal(t, want, got)
	fsys["parts/parts.txt"].Data = []byte("2")
	_, err = OpenAnnotationsFS(fsys)
	assert.EqualError(t, err, `data: annotations: parts/parts.txt:1: "2": want a number and a value`)
}

// A Dir takes names that io/fs does not, and its errors have full paths.
func TestDir(t *testing.T) {
	dir := write(t, map[string][]byte{"a.jpg": jpegOf(t, noise(4, 4, 1))})
	for _, fsys := range []fs.FS{Dir(dir), Dir(""), nil} {
		name := "../" + filepath.Base(dir) + "/a.jpg"
		if fsys == nil || fsys == Dir("") {
			name = filepath.Join(dir, "a.jpg")
		}
		_, err := ReadImageFS(fsys, name)
		assert.NoError(t, err)
	}
	_, err := ReadImageFS(Dir(dir), "b/c.jpg")
	assert.ErrorIs(t, err, fs.ErrNotExist)
	assert.ErrorContains(t, err, "data: "+filepath.Join(dir, "b", "c.jpg")+": ")
	_, err = Open("", Options{TestShare: 0.2, Seed: 1})
	assert.ErrorIs(t, err, fs.ErrNotExist)
	_, err = Open(filepath.Join(dir, "none"), Options{TestShare: 0.2, Seed: 1})
	assert.EqualError(t, err, "data: open "+filepath.Join(dir, "none")+": no such file or directory")
}

func TestReadSizeIsOfTheImage(t *testing.T) {
	for _, name := range []string{"lzw.tif", "orientation6.jpg", "lossy.webp"} {
		m, err := ReadImageFS(Dir("testdata"), name)
		require.NoError(t, err)
		size, err := ReadSize(Dir("testdata"), name)
		require.NoError(t, err)
		assert.Equal(t, m.Bounds().Max, size, name)
	}
}
