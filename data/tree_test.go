package data

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Contents decide what is a photograph where the name does not.
func TestImagesByContents(t *testing.T) {
	jpg := jpegOf(t, picture(9, 5))
	heic := []byte("\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic")
	tif, err := os.ReadFile("testdata/lzw.tif")
	require.NoError(t, err)
	webp, err := os.ReadFile("testdata/lossy.webp")
	require.NoError(t, err)
	fsys := fstest.MapFS{}
	images := map[string][]byte{
		"a.jfif": jpg, "b.JPE": jpg, "c.jif": nil, "noext": jpg, "IMG_1.HEIC": jpg, "wrong.txt": jpg, "d.raw": jpg, "e": webp, "f.dat": tif, "dots.1.2": jpg,
	}
	others := map[string][]byte{
		"g.heic": heic, "h.AVIF": []byte("x"), "i.nef": tif, "j": heic, "k.bin": []byte("\x00\x00\x00\x0cJXL \r\n\x87\n"), "l.CR2": nil,
		"Thumbs.db": []byte("\xd0\xcf\x11\xe0"), "desktop.ini": []byte("[.ShellClassInfo]"), "LICENSE.txt": []byte("BMW and others"), "empty": nil,
		".p.jpg.icloud": nil, "two": []byte("\xff\xd8"), "x.jpg_original": jpg, "x.jpg~": jpg, "y.jpg.part": jpg, ".hidden": jpg, "z.xmp": []byte("<?xml"),
	}
	for name, contents := range images {
		fsys["cat/"+name] = &fstest.MapFile{Data: contents}
	}
	for name, contents := range others {
		fsys["cat/"+name] = &fstest.MapFile{Data: contents}
	}
	items, skipped, err := ImageFiles(fsys)
	require.NoError(t, err)
	var names []string
	for _, it := range items {
		names = append(names, strings.TrimPrefix(it.Path, "cat/"))
	}
	for name := range images {
		assert.Contains(t, names, name)
	}
	assert.Len(t, names, len(images))
	assert.ElementsMatch(t, []Skipped{
		{".heic", 1, "cat/g.heic", unreadable}, {".avif", 1, "cat/h.AVIF", unreadable}, {".nef", 1, "cat/i.nef", unreadable}, {".cr2", 1, "cat/l.CR2", unreadable},
		{".icloud", 1, "cat/.p.jpg.icloud", notHere}, {"HEIC", 1, "cat/j", unreadable}, {"JPEG XL", 1, "cat/k.bin", unreadable},
	}, skipped)
	assert.Contains(t, LeftOut(skipped), "7 files left out: ")
	assert.Equal(t, "", LeftOut(nil))
	assert.Equal(t, "left out: 2 system folders, such as @eaDir; 1 link to a folder, x", LeftOut([]Skipped{{"", 2, "@eaDir", systemFolder}, {"", 1, "x", linkedFolder}}))
}

// Folders of systems are no classes and hold no photographs, at any depth and in any case.
func TestSystemFolders(t *testing.T) {
	for _, name := range []string{"@eaDir", "@EADIR", "#recycle", "#snapshot", "@Recycle", "$RECYCLE.BIN", "$Recycle.Bin", "System Volume Information", "lost+found", ".Trashes", ".AppleDouble", "__MACOSX", "Network Trash Folder", ".thumbnails", ".@__thumb", "@tmp", "FOUND.000", "~snapshot", "#Trash", "Thumbs", "thumbnails", "Lightroom Previews.lrdata"} {
		fsys := imagesIn(3, "cat dog")
		for _, in := range []string{"", "cat/", "cat/deep/"} {
			fsys[in+name+"/0.jpg/SYNOFILE_THUMB_M.jpg"] = &fstest.MapFile{}
		}
		s, err := OpenFS(fsys, Options{})
		require.NoError(t, err, name)
		assert.Equal(t, []string{"cat", "dog"}, s.Classes, name)
		assert.Len(t, s.Train, 6, name)
		if !strings.HasPrefix(name, ".") {
			assert.Equal(t, "left out: 3 system folders, such as "+s.Skipped[0].Example, LeftOut(s.Skipped))
		}
	}
}

// Links are followed to files and to class folders, but not in a circle.
func TestLinks(t *testing.T) {
	dir := write(t, map[string][]byte{"set/train/a/1.jpg": nil, "set/test/a/1.jpg": nil, "set/train/b/1.jpg": nil, "elsewhere/b/1.jpg": nil})
	link := func(to, at string) {
		if err := os.Symlink(to, filepath.Join(dir, at)); err != nil {
			t.Skipf("no symbolic links here: %v", err)
		}
	}
	link(filepath.Join(dir, "elsewhere", "b"), "set/test/b")
	link("..", "set/train/b/up")
	link("..", "set/train/circle")
	link(".", "set/test/self")
	link("self", "set/test/a/self")
	link("/", "set/all")
	s, err := Open(filepath.Join(dir, "set"), Options{})
	require.NoError(t, err)
	assert.Equal(t, []string{"a", "b"}, s.Classes)
	assert.Equal(t, [3]int{2, 0, 2}, counts(s))
	assert.Equal(t, "left out: 3 links to a folder that it is in, such as all; 1 link to a folder, train/b/up", LeftOut(s.Skipped))
}

// A link that leads to itself is a bad image, as a broken one is.
func TestLinksToNothing(t *testing.T) {
	dir := write(t, map[string][]byte{"cat/1.jpg": nil, "dog/1.jpg": nil})
	for name, to := range map[string]string{"self.jpg": "self.jpg", "broken.jpg": "nowhere"} {
		if err := os.Symlink(to, filepath.Join(dir, "cat", name)); err != nil {
			t.Skipf("no symbolic links here: %v", err)
		}
		_, err := ReadImage(filepath.Join(dir, "cat", name))
		assert.True(t, IsBad(err), err)
	}
	s, err := Open(dir, Options{})
	require.NoError(t, err)
	assert.Len(t, s.Train, 4)
}

// exhausted is a process that can open no more files.
type exhausted struct{ fstest.MapFS }

func (f exhausted) Open(name string) (fs.File, error) {
	if strings.HasSuffix(name, "noext") {
		return nil, &fs.PathError{Op: "open", Path: name, Err: errors.New("too many open files")}
	}
	return f.MapFS.Open(name)
}

// What hinders the process is no reason to leave a file out.
func TestOpenFailsWithTheProcess(t *testing.T) {
	fsys := imagesIn(2, "a b")
	fsys["a/noext"] = &fstest.MapFile{}
	_, err := OpenFS(exhausted{fsys}, Options{})
	assert.EqualError(t, err, "data: open: open a/noext: too many open files")
}

func TestDuplicates(t *testing.T) {
	dir := write(t, map[string][]byte{"a/1.jpg": []byte("one"), "a/2.jpg": []byte("two"), "b/1.jpg": []byte("two"), "b/2.jpg": []byte("three"), "b/3.jpg": []byte("one"), "b/4.jpg": []byte("one"), "e/1.jpg": nil, "e/2.jpg": nil})
	var items []Item
	for _, name := range []string{"a/1.jpg", "a/2.jpg", "b/1.jpg", "b/2.jpg", "none.jpg", "b/3.jpg", "b/4.jpg", "e/1.jpg", "e/2.jpg", "a"} {
		items = append(items, Item{Path: name})
	}
	groups, err := Duplicates(t.Context(), Dir(dir), items)
	require.NoError(t, err)
	assert.Equal(t, [][]int{{0, 5, 6}, {1, 2}}, groups)
	p, err := ReadFingerprint(Dir(dir), "a/1.jpg")
	require.NoError(t, err)
	assert.EqualValues(t, 3, p.Bytes)
	_, err = ReadFingerprint(Dir(dir), "a")
	assert.EqualError(t, err, "data: "+filepath.Join(dir, "a")+": not a file, but a folder")
}
