package data

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestOpenClassFolders(t *testing.T) {
	files := map[string][]byte{
		"wren/.hidden.jpg": nil, "wren/._a.jpg": nil, "wren/Thumbs.db": nil, "wren/notes.txt": nil, ".git/a.jpg": nil,
		"__MACOSX/wren/a.jpg": nil, ".DS_Store": nil, "top.jpg": nil, "wren/more/deep.PNG": nil, "wren/.trash/a.png": nil,
	}
	for i := range 10 {
		files[fmt.Sprintf("wren/%02d.jpg", i)] = nil
		files[fmt.Sprintf("auk/%02d.%s", i, []string{"JPEG", "webp", "tif", "TIFF", "bmp", "Gif"}[i%6])] = nil
	}
	dir := write(t, files)
	s, err := Open(dir, Options{TestShare: 0.2, Seed: 1})
	require.NoError(t, err)
	assert.Equal(t, dir, s.Root)
	assert.Equal(t, []string{"auk", "wren"}, s.Classes)
	assert.Len(t, s.Train, 8+9)
	assert.Len(t, s.Test, 2+2)
	assert.Empty(t, s.Val)
	assert.Equal(t, []Skipped{{"", 1, "__MACOSX", systemFolder}, {".jpg", 1, "top.jpg", outside}}, s.Skipped)
	all := append(slices.Clone(s.Train), s.Test...)
	assert.Contains(t, all, Item{"wren/more/deep.PNG", 1})
	assert.Contains(t, all, Item{"auk/00.JPEG", 0})
	for _, it := range all {
		assert.FileExists(t, filepath.Join(s.Root, it.Path))
	}

	again, err := Open(dir, Options{TestShare: 0.2, Seed: 1})
	require.NoError(t, err)
	assert.Equal(t, s, again)
	other, err := Open(dir, Options{TestShare: 0.2, Seed: 2})
	require.NoError(t, err)
	assert.NotEqual(t, s.Test, other.Test)
	whole, err := Open(dir, Options{})
	require.NoError(t, err)
	assert.Len(t, whole.Train, 21)
	assert.Empty(t, whole.Test)
}

func TestOpenSplitFolders(t *testing.T) {
	files := map[string][]byte{
		"train/b/1.jpg": nil, "train/a/1.jpg": nil, "train/c/1.jpg": nil, "train/c/2.jpg": nil,
		"val/c/3.jpg": nil, "val/b/3.jpg": nil,
	}
	s, err := Open(write(t, files), Options{TestShare: 0.2, Seed: 1})
	require.NoError(t, err)
	assert.Equal(t, []string{"a", "b", "c"}, s.Classes)
	assert.Equal(t, []Item{{"train/a/1.jpg", 0}, {"train/b/1.jpg", 1}, {"train/c/1.jpg", 2}, {"train/c/2.jpg", 2}}, s.Train)
	assert.Equal(t, []Item{{"val/b/3.jpg", 1}, {"val/c/3.jpg", 2}}, s.Test, "a is missing, yet b and c keep their numbers")
	assert.Empty(t, s.Val)

	files["test/a/4.jpg"] = nil
	s, err = Open(write(t, files), Options{TestShare: 0.2, Seed: 1})
	require.NoError(t, err)
	assert.Equal(t, []Item{{"test/a/4.jpg", 0}}, s.Test)
	assert.Equal(t, []Item{{"val/b/3.jpg", 1}, {"val/c/3.jpg", 2}}, s.Val)

	files["test/d/4.jpg"] = nil
	_, err = Open(write(t, files), Options{TestShare: 0.2, Seed: 1})
	assert.ErrorContains(t, err, ": no training image in class d")

	// Only training images: they are divided.
	s, err = Open(write(t, map[string][]byte{"train/b/1.jpg": nil, "train/b/2.jpg": nil, "train/a/1.jpg": nil, "train/a/2.jpg": nil}), Options{TestShare: 0.2, Seed: 1})
	require.NoError(t, err)
	assert.Equal(t, []string{"a", "b"}, s.Classes)
	assert.Len(t, s.Train, 2)
	assert.Len(t, s.Test, 2)

	// Classes that are called train and test: to be sure, they must be named.
	dir := write(t, map[string][]byte{"train/1.jpg": nil, "train/2.jpg": nil, "test/1.jpg": nil, "test/2.jpg": nil})
	_, err = Open(dir, Options{TestShare: 0.2, Seed: 1})
	assert.ErrorContains(t, err, "test holds 2 images but no class folders: want test/CLASS/IMAGE")
	s, err = Open(dir, Options{TestShare: 0.2, Seed: 1, Classes: []string{"train", "test"}})
	require.NoError(t, err)
	assert.Equal(t, []string{"test", "train"}, s.Classes)
}

// No photograph vanishes without a word.
func TestOpenNotesWhatItSkips(t *testing.T) {
	files := map[string][]byte{
		"a/1.jpg": nil, "a/2.jpg": nil, "b/1.jpg": nil, "b/2.jpg": nil, "a/3.HEIC": nil, "b/deep/4.heic": nil, "b/5.NEF": nil,
		"top.jpg": nil, "top.heic": nil, "b/notes.txt": nil, "b/._5.heic": nil,
	}
	want := []Skipped{{".heic", 3, "a/3.HEIC", unreadable}, {".nef", 1, "b/5.NEF", unreadable}, {".jpg", 1, "top.jpg", outside}}
	s, err := Open(write(t, files), Options{TestShare: 0.2, Seed: 1})
	require.NoError(t, err)
	assert.Equal(t, want, s.Skipped)
	assert.Equal(t, "5 files left out: 3 .heic, such as a/3.HEIC (cannot be read: save as JPEG); 1 .nef, b/5.NEF (cannot be read: save as JPEG); 1 .jpg, top.jpg (outside the class folders)", LeftOut(s.Skipped))

	split := map[string][]byte{"test/a/1.jpg": nil, "test/x.png": nil, "readme.png": nil}
	for name := range files {
		split["train/"+name] = nil
	}
	s, err = Open(write(t, split), Options{TestShare: 0.2, Seed: 1})
	require.NoError(t, err)
	assert.Equal(t, []Skipped{
		{".heic", 3, "train/a/3.HEIC", unreadable}, {".nef", 1, "train/b/5.NEF", unreadable}, {".png", 2, "readme.png", outside}, {".jpg", 1, "train/top.jpg", outside},
	}, s.Skipped)
}

func TestOpenFollowsLinks(t *testing.T) {
	dir := write(t, map[string][]byte{"set/a/1.jpg": nil, "set/a/2.jpg": nil, "set/b/1.jpg": nil, "elsewhere/x.jpg": nil, "folder.jpg/x.txt": nil})
	if err := os.Symlink(filepath.Join(dir, "elsewhere/x.jpg"), filepath.Join(dir, "set/b/2.jpg")); err != nil {
		t.Skipf("no symbolic links here: %v", err)
	}
	require.NoError(t, os.Symlink(filepath.Join(dir, "elsewhere"), filepath.Join(dir, "set/c")))
	require.NoError(t, os.Symlink(filepath.Join(dir, "folder.jpg"), filepath.Join(dir, "set/b/folder.jpg")))
	require.NoError(t, os.Symlink(filepath.Join(dir, "nowhere"), filepath.Join(dir, "set/a/dangling.jpg")))
	s, err := Open(filepath.Join(dir, "set"), Options{})
	require.NoError(t, err)
	assert.Equal(t, []Item{{"a/1.jpg", 0}, {"a/2.jpg", 0}, {"a/dangling.jpg", 0}, {"b/1.jpg", 1}, {"b/2.jpg", 1}, {"c/x.jpg", 2}}, s.Train)
}

func TestOpenErrors(t *testing.T) {
	for _, c := range []struct {
		name, want string
		files      []string
		share      float64
	}{
		{"empty", ": no class folders in it: want CLASS/IMAGE, or train/CLASS/IMAGE and test/CLASS/IMAGE, or CUB's images.txt", nil, 0.2},
		{"only images", ": no class folders in it: want CLASS/IMAGE, or train/CLASS/IMAGE and test/CLASS/IMAGE, or CUB's images.txt; 1 file left out: 1 .jpg, a.jpg (outside the class folders)", []string{"a.jpg"}, 0.2},
		{"one class", ": 1 class found (x), need at least 2", []string{"x/a.jpg"}, 0.2},
		{"one training class", ": 1 class found (x), need at least 2", []string{"train/x/a.jpg", "val/x/b.jpg"}, 0.2},
		{"no images", ": no training image in class y", []string{"x/a.jpg", "x/b.jpg", "y/a.txt"}, 0.2},
		{"many without", ": no training image in 6 classes (a, b, c, d, e, ...)", []string{"a/1.md", "b/1.md", "c/1.md", "d/1.md", "e/1.md", "f/1.md", "g/1.png"}, 0.2},
		{"single", ": only one image in class y: it cannot be divided into training and test images", []string{"x/a.jpg", "x/b.jpg", "y/a.jpg"}, 0.2},
		{"HEIC", ": no training image in 2 classes (x, y); 3 files left out: 2 .heic, such as x/a.HEIC (cannot be read: save as JPEG); 1 .jpg, top.jpg (outside the class folders)", []string{"x/a.HEIC", "y/b.heic", "top.jpg"}, 0.2},
		{"one too deep", ": 1 class found (2024), need at least 2; images are found at 2024/site1/speciesA: open DIR/2024/site1", []string{"2024/site1/speciesA/a.jpg", "2024/site1/speciesB/a.jpg"}, 0.2},
		{"deep and empty", ": no training image in class y; images are found at x/a: open DIR/x", []string{"x/a/1.jpg", "x/b/1.jpg", "y/a.txt"}, 0.2},
		{"share", ": test share 1: want 0 <= share < 1", []string{"x/a.jpg", "y/b.jpg"}, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			files := make(map[string][]byte)
			for _, f := range c.files {
				files[f] = nil
			}
			dir := write(t, files)
			_, err := Open(dir, Options{TestShare: c.share})
			assert.EqualError(t, err, "data: open "+dir+strings.ReplaceAll(c.want, "DIR", dir))
		})
	}
	_, err := Open(filepath.Join(t.TempDir(), "none"), Options{TestShare: 0.2, Seed: 1})
	assert.ErrorIs(t, err, os.ErrNotExist)
	assert.ErrorContains(t, err, "none")
	dir := write(t, map[string][]byte{"file": nil})
	_, err = Open(filepath.Join(dir, "file"), Options{TestShare: 0.2, Seed: 1})
	assert.ErrorContains(t, err, "file")
}

func TestSelect(t *testing.T) {
	s := &Set{
		Root:    "birds",
		Classes: []string{"001.Auk", "004.Coot", "005.Dove", "010.Egret", "owl"},
		Train:   []Item{{"a", 0}, {"b", 1}, {"c", 2}, {"d", 3}, {"e", 4}},
		Val:     []Item{{"v", 3}},
		Test:    []Item{{"f", 4}, {"g", 1}},
	}
	got, err := s.Select([]int{4, 1, 3})
	require.NoError(t, err)
	assert.Equal(t, &Set{
		Root: "birds", Classes: []string{"004.Coot", "010.Egret", "owl"},
		Train: []Item{{"b", 0}, {"d", 1}, {"e", 2}}, Val: []Item{{"v", 1}}, Test: []Item{{"f", 2}, {"g", 0}},
	}, got)

	_, err = s.Select([]int{2})
	assert.EqualError(t, err, "data: select: 1 classes of birds, need at least 2")
	_, err = s.Select([]int{2, 5})
	assert.EqualError(t, err, "data: select of birds: class 5: want 0 to 4")
	_, err = s.Select([]int{2, 1, 2})
	assert.EqualError(t, err, "data: select of birds: class 2 (005.Dove) is listed twice")
}

func TestFind(t *testing.T) {
	s := &Set{Root: "birds", Classes: []string{"001.Auk", "004.Coot", "005.Dove", "010.Egret", "owl"}}
	for name, want := range map[string]int{"004.Coot": 1, "Coot": 1, "4": 1, "004": 1, "10": 3, "owl": 4} {
		got, err := s.Find(name)
		require.NoError(t, err)
		assert.Equal(t, want, got, name)
	}
	for name, hint := range map[string]string{
		"40": "classes are 1 to 10", "0": "classes are 1 to 10", "coot": "nearest is 004.Coot", "Coo": "nearest is 004.Coot", "004.Cot": "nearest is 004.Coot",
		"egert": "nearest is 010.Egret", "2": "nearest is ", "04": "nearest is ", "": "nearest is ",
	} {
		_, err := s.Find(name)
		assert.ErrorContains(t, err, fmt.Sprintf("no class %q among the 5 of birds; %s", name, hint))
	}

	s = &Set{Classes: []string{"auk", "coot", "été"}}
	for name, want := range map[string]int{"auk": 0, "1": 0, "3": 2} {
		got, err := s.Find(name)
		require.NoError(t, err)
		assert.Equal(t, want, got, name)
	}
	for name, hint := range map[string]string{"4": "; classes are 1 to 3", "0": "; classes are 1 to 3", "02": "; nearest is auk", "ete": "; nearest is été", "ÉTE": "; nearest is été"} {
		_, err := s.Find(name)
		assert.EqualError(t, err, fmt.Sprintf("no class %q among the 3%s", name, hint))
	}
	_, err := new(Set).Find("auk")
	assert.EqualError(t, err, `no class "auk" among the 0`)
}

func TestSplit(t *testing.T) {
	var items []Item
	sizes := []int{1, 2, 3, 10, 25, 40}
	for i := range 40 { // classes interleaved
		for c, n := range sizes {
			if i < n {
				items = append(items, Item{fmt.Sprintf("%d/%d", c, i), c})
			}
		}
	}
	count := func(items []Item) []int {
		n := make([]int, len(sizes))
		for _, it := range items {
			n[it.Class]++
		}
		return n
	}
	before := slices.Clone(items)
	train, held := Split(items, 0.1, 7)
	assert.Equal(t, before, items)
	assert.Equal(t, []int{0, 1, 1, 1, 3, 4}, count(held), "a tenth of each class, rounded, but some and not all")
	assert.Equal(t, []int{1, 1, 2, 9, 22, 36}, count(train))

	// Disjoint and complete, each in the order of items.
	var merged []Item
	i, j := 0, 0
	for _, it := range items {
		if i < len(train) && train[i] == it {
			i++
			merged = append(merged, it)
		} else if j < len(held) && held[j] == it {
			j++
			merged = append(merged, it)
		}
	}
	assert.Equal(t, items, merged)

	train2, held2 := Split(items, 0.1, 7)
	assert.Equal(t, train, train2)
	assert.Equal(t, held, held2)
	_, held3 := Split(items, 0.1, 8)
	assert.NotEqual(t, held, held3)

	// A class is divided alike whatever other classes there are, and whatever its number is.
	one := func(items []Item) []Item {
		items = slices.DeleteFunc(slices.Clone(items), func(it Item) bool { return it.Class != 4 })
		for i := range items {
			items[i] = Item{filepath.Join("elsewhere", filepath.Base(items[i].Path)), 9}
		}
		return items
	}
	_, alone := Split(one(items), 0.1, 7)
	assert.Equal(t, one(held), alone)

	train, _ = Split(items, 0.99, 1)
	assert.Equal(t, []int{1, 1, 1, 1, 1, 1}, count(train))
	train, held = Split(items, 0, 1)
	assert.Equal(t, items, train)
	assert.Empty(t, held)
	train, held = Split(nil, 0.5, 1)
	assert.Empty(t, train)
	assert.Empty(t, held)
	assert.Panics(t, func() { Split(items, 1, 1) })
}

func TestCheck(t *testing.T) {
	good := jpegOf(t, picture(20, 20))
	files := make(map[string][]byte)
	s := new(Set)
	for i := range 30 {
		name := fmt.Sprintf("%02d.jpg", i)
		files[name] = good
		switch i {
		case 7:
			files[name] = good[:200]
		case 20:
			files[name] = []byte("hello world")
		case 25:
			delete(files, name)
		}
		s.Train = append(s.Train, Item{name, i % 2})
	}
	s.FS = Dir(write(t, files))
	last, calls := 0, 0
	bad, err := Check(t.Context(), s.FS, s.Train, 0, func(done, total int) {
		calls++
		assert.Equal(t, last+1, done)
		assert.Equal(t, 30, total)
		last = done
	})
	require.NoError(t, err)
	assert.Equal(t, 30, calls)
	require.Len(t, bad, 3)
	for i, at := range []int{7, 20, 25} {
		assert.Equal(t, at, bad[i].Index)
		assert.Equal(t, s.Train[at], bad[i].Item)
		assert.ErrorContains(t, bad[i].Err, fmt.Sprintf("%02d.jpg", at))
	}
	assert.ErrorContains(t, bad[0].Err, "truncated JPEG")
	assert.ErrorContains(t, bad[1].Err, "not an image")
	assert.ErrorIs(t, bad[2].Err, os.ErrNotExist)

	for _, items := range [][]Item{s.Train[:7], nil} {
		bad, err := Check(t.Context(), s.FS, items, 0, nil)
		require.NoError(t, err)
		assert.Empty(t, bad)
	}

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	_, err = Check(ctx, s.FS, s.Train, 0, func(done, total int) {
		calls = done
		cancel()
	})
	assert.ErrorIs(t, err, context.Canceled)
	assert.Less(t, calls, 30, "stops when the context ends")
}
