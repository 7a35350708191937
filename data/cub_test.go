package data

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var cubText = [4]string{
	"1 001.Auk/a.jpg\n2 001.Auk/b.jpg\n3 002.Coot/c.jpg\n10 002.Coot/d e.jpg\n",
	"1 001.Auk\n2 002.Coot\n",
	"1 1\n2 1\n3 2\n10 2\n",
	"1 1\n2 0\n3 1\n10 0\n",
}

func cubFolder(t testing.TB, text [4]string) string {
	files := map[string][]byte{"images/001.Auk/a.jpg": nil}
	for i, name := range cubLists {
		files[name] = []byte(text[i])
	}
	return write(t, files)
}

func TestOpenCUB(t *testing.T) {
	want := &Set{
		Classes: []string{"001.Auk", "002.Coot"},
		Train:   []Item{{"images/001.Auk/a.jpg", 0}, {"images/002.Coot/c.jpg", 1}},
		Test:    []Item{{"images/001.Auk/b.jpg", 0}, {"images/002.Coot/d e.jpg", 1}},

		TestFrom: "train_test_split.txt",
	}
	windows := cubText
	for i := range windows {
		windows[i] = "\ufeff" + strings.ReplaceAll(windows[i], "\n", "\r\n") + "\r\n\r\n"
	}
	shuffled := cubText
	shuffled[0] = "10  002.Coot/d e.jpg \n3 002.Coot/c.jpg\n\n2 001.Auk/b.jpg\n1 001.Auk/a.jpg"
	shuffled[1] = "2 002.Coot\n1 001.Auk"
	for _, text := range [][4]string{cubText, windows, shuffled} {
		dir := cubFolder(t, text)
		s, err := Open(dir, Options{TestShare: 0.2, Seed: 1})
		require.NoError(t, err)
		want.Root, want.FS = dir, Dir(dir)
		assert.Equal(t, want, s)
	}
}

func TestOpenCUBErrors(t *testing.T) {
	change := func(list int, old, new string) [4]string {
		text := cubText
		text[list] = strings.Replace(text[list], old, new, 1)
		if text == cubText {
			t.Fatalf("nothing changed: %q", old)
		}
		return text
	}
	for _, c := range []struct {
		want string
		text [4]string
	}{
		{`images.txt:2: "two 001.Auk/b.jpg": want a number and a value`, change(0, "2 ", "two ")},
		{`images.txt:2: "2": want a number and a value`, change(0, "2 001.Auk/b.jpg", "2")},
		{`images.txt:2: id 1 was given on line 1 already`, change(0, "2 ", "1 ")},
		{`images.txt:1: path "../001.Auk/a.jpg" leaves the folder images`, change(0, "001.Auk/a", "../001.Auk/a")},
		{`images.txt:1: path "/etc/a.jpg" leaves the folder images`, change(0, "001.Auk/a", "/etc/a")},
		{`images.txt:1: path "..\\a.jpg" leaves the folder images`, change(0, "001.Auk/a", `..\a`)},
		{`images.txt: empty`, [4]string{"\n", cubText[1], cubText[2], cubText[3]}},
		{`image_class_labels.txt: no class for image 3 (002.Coot/c.jpg)`, change(2, "3 2\n", "")},
		{`image_class_labels.txt:3: class "7" is not in classes.txt`, change(2, "3 2", "3 7")},
		{`image_class_labels.txt:3: class "x" is not in classes.txt`, change(2, "3 2", "3 x")},
		{`image_class_labels.txt:3: image 30 is not in images.txt`, change(2, "3 2", "30 2")},
		{`train_test_split.txt: no split for image 3 (002.Coot/c.jpg)`, change(3, "3 1\n", "")},
		{`train_test_split.txt:3: split "2": want 1 (training) or 0 (test)`, change(3, "3 1", "3 2")},
		{`train_test_split.txt:1: image 11 is not in images.txt`, change(3, "1 1\n", "11 1\n")},
		{`no training image in class 002.Coot, of which train_test_split.txt has some: want the same classes in all splits, or choose them by name`, change(3, "3 1", "3 0")},
		{`two classes are called 001.Auk: want different names`, change(1, "2 002.Coot", "2 001.Auk")},
		{`image_class_labels.txt:3: a value of 5000 bytes, want at most 4096`, change(2, "3 2", "3 "+strings.Repeat("2", 5000))},
		{`no training image in class 003.Owl`, change(1, "2 002.Coot", "2 002.Coot\n3 003.Owl")},
		{`1 class found (001.Auk), need at least 2`, [4]string{"1 a.jpg", "1 001.Auk", "1 1", "1 1"}},
	} {
		dir := cubFolder(t, c.text)
		_, err := Open(dir, Options{TestShare: 0.2, Seed: 1})
		assert.EqualError(t, err, "data: open "+dir+": "+c.want)
	}
	for _, name := range append(cubLists[:], "images") {
		dir := cubFolder(t, cubText)
		require.NoError(t, os.RemoveAll(filepath.Join(dir, name)))
		_, err := Open(dir, Options{TestShare: 0.2, Seed: 1})
		assert.ErrorIs(t, err, os.ErrNotExist)
		assert.ErrorContains(t, err, name)
	}
	dir := cubFolder(t, cubText)
	require.NoError(t, os.RemoveAll(filepath.Join(dir, "images")))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "images"), nil, 0o644))
	_, err := Open(dir, Options{TestShare: 0.2, Seed: 1})
	assert.EqualError(t, err, "data: open "+dir+": images is not a folder")
}

// The real thing.
func TestOpenCUB100(t *testing.T) {
	s, err := Open(shared(t, "datasets/CUB_100"), Options{TestShare: 0.2, Seed: 1})
	require.NoError(t, err)
	assert.Len(t, s.Classes, 100)
	assert.Len(t, s.Train, 2903)
	assert.Len(t, s.Test, 2999)
	ten, err := s.Select([]int{3, 4, 34})
	require.NoError(t, err)
	bad, err := Check(t.Context(), ten.FS, ten.Train, 0, nil)
	require.NoError(t, err)
	assert.Empty(t, bad)
}
