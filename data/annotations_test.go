package data

import (
	"bytes"
	"encoding/binary"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// annotated is a folder of four images, of three classes, in which everything is told.
func annotated() map[string]string {
	return map[string]string{
		"images.txt":           "1 001.Auk/a.png\n2 001.Auk/b c.png\n3 002.Coot/c.png\n10 003.Owl/d.png\n",
		"classes.txt":          "1 001.Auk\n2 002.Coot\n3 003.Owl\n",
		"parts/parts.txt":      "1 back\n2 left eye\n4 place of eye ring\n5 place of crown\n",
		"parts/part_locs.txt":  "1 1 10.5 20.0 1\n1 2 0.0 0.0 0\n1 5 3 4 1\n10 4 7.25 8 1\n",
		"bounding_boxes.txt":   "1 60.0 27.0 325.0 304.0\n3 1 2 3 4\n",
		"differences.csv":      "class_a,class_b,kind,value_a,value_b\n1,2,eye ring,none,white\n2,1,eye ring,white,none\n1,3,crown,\"a \"\"b\"\"\",c\n3,1,crown,c,b\n2,3,crown,b,c\n2,3,eye ring,x,y\n3,2,crown,b,c\n3,2,eye ring,y,x\n",
		"scenes.txt":           "1 18446744073709551615\n3 0\n",
		"masks/parts/keep.txt": "",
	}
}

func annotations(t testing.TB, files map[string]string) (dir string, a *Annotations, err error) {
	contents := map[string][]byte{}
	for name, text := range files {
		contents[name] = []byte(text)
	}
	dir = write(t, contents)
	a, err = OpenAnnotations(dir)
	return dir, a, err
}

func TestAnnotations(t *testing.T) {
	windows := annotated()
	for name, text := range windows {
		windows[name] = "\ufeff" + strings.ReplaceAll(text, "\n", "\r\n") + "\r\n"
	}
	for _, files := range []map[string]string{annotated(), windows} {
		_, a, err := annotations(t, files)
		require.NoError(t, err)
		assert.Equal(t, []string{"back", "left eye"}, a.Parts)
		assert.Equal(t, []string{"eye ring", "crown"}, a.Places)
		assert.False(t, a.Empty())
		parts, places := a.Points("images/001.Auk/a.png")
		assert.Equal(t, []Point{{10.5, 20, true}, {}}, parts)
		assert.Equal(t, []Point{{}, {3, 4, true}}, places)
		parts, places = a.Points("images/003.Owl/d.png")
		assert.Equal(t, []Point{{}, {}}, parts)
		assert.Equal(t, []Point{{7.25, 8, true}, {}}, places)
		parts, _ = a.Points("images/001.Auk/b c.png")
		assert.Equal(t, []Point{{}, {}}, parts, "listed nowhere: not visible")
		parts, places = a.Points("images/none.png")
		assert.Nil(t, append(parts, places...))

		box, ok := a.Box("images/001.Auk/a.png")
		assert.True(t, ok)
		assert.Equal(t, Box{60, 27, 325, 304}, box)
		_, ok = a.Box("images/003.Owl/d.png")
		assert.False(t, ok)
		seed, ok := a.Seed("images/001.Auk/a.png")
		assert.True(t, ok)
		assert.EqualValues(t, uint64(1<<64-1), seed)
		_, ok = a.Seed("images/none.png")
		assert.False(t, ok)
		assert.Equal(t, Difference{"001.Auk", "003.Owl", 1, `a "b"`, "c"}, a.Differences[2])
	}
}

func TestLookAlikes(t *testing.T) {
	_, a, err := annotations(t, annotated())
	require.NoError(t, err)
	// Coot and owl differ in two kinds, the auk from either in one.
	assert.Equal(t, [][]LookAlike{
		{{1, []int{0}}, {2, []int{1}}},
		{{0, []int{0}}},
		{{0, []int{1}}},
	}, a.LookAlikes([]string{"001.Auk", "002.Coot", "003.Owl"}))
	assert.Equal(t, [][]LookAlike{{{1, []int{1, 0}}}, {{0, []int{1, 0}}}}, a.LookAlikes([]string{"003.Owl", "002.Coot"}), "only among those asked for")
	assert.Equal(t, [][]LookAlike{nil, nil}, a.LookAlikes([]string{"002.Coot", "what"}))
}

func TestAnnotationsAreOptional(t *testing.T) {
	_, a, err := annotations(t, map[string]string{"train/auk/a.png": ""})
	require.NoError(t, err)
	assert.True(t, a.Empty())
	assert.Empty(t, a.LookAlikes(nil))

	for name := range annotated() {
		if name == "images.txt" || name == "parts/parts.txt" || name == "classes.txt" {
			continue
		}
		files := annotated()
		delete(files, name)
		_, a, err := annotations(t, files)
		require.NoError(t, err, name)
		assert.False(t, a.Empty())
	}
	_, a, err = annotations(t, map[string]string{"images.txt": annotated()["images.txt"], "parts/parts.txt": "1 back"})
	require.NoError(t, err)
	assert.True(t, a.Empty(), "names alone tell nothing")
	parts, places := a.Points("images/001.Auk/a.png")
	assert.Nil(t, append(parts, places...))
}

func TestAnnotationErrors(t *testing.T) {
	for _, c := range []struct{ file, old, new, want string }{
		{"images.txt", "1 001.Auk/a.png", "one", `images.txt:1: "one": want a number and a value`},
		{"images.txt", "002.Coot/c.png", "001.Auk/a.png", `images.txt:3: 001.Auk/a.png was given on line 1 already`},
		{"parts/parts.txt", "2 left eye", "2", `parts/parts.txt:2: "2": want a number and a value`},
		{"parts/parts.txt", "", "-", "parts/parts.txt is missing, which names the parts"},
		{"classes.txt", "", "-", "classes.txt is missing, which names the classes of differences.csv"},
		{"parts/part_locs.txt", "1 2 0.0 0.0 0", "1 2 0.0 0.0", `parts/part_locs.txt:2: "1 2 0.0 0.0": want image, part, x, y and 1 or 0 for visible or not`},
		{"parts/part_locs.txt", "10 4", "11 4", `parts/part_locs.txt:4: image "11" is not in images.txt`},
		{"parts/part_locs.txt", "10 4", "10 3", `parts/part_locs.txt:4: part "3" is not in parts/parts.txt`},
		{"parts/part_locs.txt", "10.5", "NaN", `parts/part_locs.txt:1: "NaN": want a number of pixels`},
		{"parts/part_locs.txt", "10.5", "1e300", `parts/part_locs.txt:1: "1e300": want a number of pixels`},
		{"parts/part_locs.txt", "20.0 1", "20.0 2", `parts/part_locs.txt:1: "2": want 1 (visible) or 0`},
		{"parts/part_locs.txt", "1 2 0.0", "1 1 0.0", `parts/part_locs.txt:2: part 1 of image 1 was given already`},
		{"bounding_boxes.txt", "325.0", "-1", `bounding_boxes.txt:1: -1 x 304.0: want a box whose sides are not negative`},
		{"bounding_boxes.txt", "3 1 2 3 4", "1 1 2 3 4", `bounding_boxes.txt:2: image 1 was given already`},
		{"bounding_boxes.txt", "3 1 2 3 4", "3 1 2 3", `bounding_boxes.txt:2: "3 1 2 3": want image, x, y, width and height`},
		{"bounding_boxes.txt", "60.0", "x", `bounding_boxes.txt:1: "x": want a number of pixels`},
		{"bounding_boxes.txt", "3 1", "4 1", `bounding_boxes.txt:2: image "4" is not in images.txt`},
		{"scenes.txt", "3 0", "3 -1", `scenes.txt:2: seed "-1": want a number from 0 to 2^64-1`},
		{"scenes.txt", "3 0", "1 0", `scenes.txt:2: image 1 was given already`},
		{"scenes.txt", "3 0", "x 0", `scenes.txt:2: image "x" is not in images.txt`},
		{"scenes.txt", "3 0", "3", `scenes.txt:2: "3": want image and seed`},
		{"differences.csv", "class_a", "class", `differences.csv:1: "class,class_b,kind,value_a,value_b": want class_a,class_b,kind,value_a,value_b`},
		{"differences.csv", "1,2,", "1,9,", `differences.csv:2: class "9" is not in classes.txt`},
		{"differences.csv", "1,3,crown", "1,3,tail", `differences.csv:4: kind "tail": parts/parts.txt has no part "place of tail"`},
		{"differences.csv", "2,1,eye ring,white,none", "2,1", `differences.csv:3: wrong number of fields: want class_a,class_b,kind,value_a,value_b`},
		{"differences.csv", "2,1,eye ring", `2,1,"eye ring`, `differences.csv:`},
	} {
		files := annotated()
		switch {
		case c.new == "-":
			delete(files, c.file)
		default:
			require.Contains(t, files[c.file], c.old)
			files[c.file] = strings.Replace(files[c.file], c.old, c.new, 1)
		}
		dir, a, err := annotations(t, files)
		assert.Nil(t, a)
		assert.ErrorContains(t, err, "data: annotations of "+dir+": "+c.want)
	}
	files := annotated()
	files["differences.csv"] = ""
	_, _, err := annotations(t, files)
	assert.ErrorContains(t, err, `differences.csv:1: "": want class_a`)
}

func TestMasks(t *testing.T) {
	dir, _, err := annotations(t, annotated())
	require.NoError(t, err)
	stack := image.NewGray(image.Rect(0, 0, 5, 8))
	for i := range stack.Pix {
		stack.Pix[i] = uint8(i)
	}
	var file bytes.Buffer
	require.NoError(t, png.Encode(&file, stack))
	at := filepath.Join(dir, "masks", "parts", "001.Auk", "a.png")
	require.NoError(t, os.MkdirAll(filepath.Dir(at), 0o755))
	require.NoError(t, os.WriteFile(at, file.Bytes(), 0o644))
	a, err := OpenAnnotations(dir)
	require.NoError(t, err)
	parts, places, err := a.Masks("images/001.Auk/a.png", image.Pt(5, 4))
	require.NoError(t, err)
	assert.Nil(t, places, "there is no such folder")
	require.Len(t, parts, 2)
	for i, m := range parts {
		assert.Equal(t, image.Rect(0, 0, 5, 4), m.Rect)
		assert.Equal(t, uint8(20*i+7), m.GrayAt(2, 1).Y)
	}
	_, _, err = a.Masks("images/001.Auk/a.png", image.Pt(5, 5))
	assert.EqualError(t, err, "data: "+at+": 5x8 pixels, want 5x10: 2 parts of an image of 5x5")
	_, _, err = a.Masks("images/002.Coot/c.png", image.Pt(5, 4))
	assert.ErrorIs(t, err, os.ErrNotExist)
	require.NoError(t, os.WriteFile(at, file.Bytes()[:40], 0o644))
	_, _, err = a.Masks("images/001.Auk/a.png", image.Pt(5, 4))
	assert.ErrorContains(t, err, "a.png")
}

func TestReadSize(t *testing.T) {
	jpg := jpegOf(t, picture(9, 5))
	dir := write(t, map[string][]byte{"a.jpg": jpg, "b.txt": []byte("hello"), "c.jpg": jpg[:20]})
	size, err := ReadSize(nil, filepath.Join(dir, "a.jpg"))
	require.NoError(t, err)
	assert.Equal(t, image.Pt(9, 5), size)
	for _, name := range []string{"b.txt", "c.jpg", "d.jpg"} {
		_, err = ReadSize(Dir(dir), name)
		assert.ErrorContains(t, err, name)
	}
	turned := filepath.Join(dir, "turned.jpg")
	require.NoError(t, os.WriteFile(turned, withExif(jpg, exifBlock(binary.BigEndian, 6)), 0o644))
	size, err = ReadSize(nil, turned)
	require.NoError(t, err)
	assert.Equal(t, image.Pt(5, 9), size)
}

func FuzzAnnotations(f *testing.F) {
	seed := func(files map[string]string) {
		f.Add(files["images.txt"], files["classes.txt"], files["parts/parts.txt"], files["parts/part_locs.txt"],
			files["bounding_boxes.txt"], files["differences.csv"], files["scenes.txt"])
	}
	seed(annotated())
	f.Fuzz(func(t *testing.T, images, classes, parts, points, boxes, differences, scenes string) {
		text := map[string][]byte{}
		for i, s := range []string{images, classes, parts, points, boxes, differences, scenes} {
			if s != "" {
				text[annotationLists[i]] = []byte(s)
			}
		}
		a := new(Annotations)
		if err := a.parse(text); err != nil {
			require.NotEmpty(t, err.Error())
			return
		}
		lines := strings.Count(points, "\n") + 1
		require.LessOrEqual(t, len(a.points), lines)
		require.Equal(t, len(a.Parts)+len(a.Places), len(a.numbers))
		var names []string
		for _, d := range a.Differences {
			require.True(t, d.Kind >= 0 && d.Kind < len(a.Places))
			names = append(names, d.A, d.B)
		}
		for i, of := range a.LookAlikes(names) {
			for _, other := range of {
				require.NotEmpty(t, other.Kinds)
				require.NotEqual(t, i, other.Class)
			}
		}
		for path := range a.images {
			p, k := a.Points(path)
			for _, q := range append(p, k...) {
				require.False(t, q.X != q.X || q.Y != q.Y)
			}
			if b, ok := a.Box(path); ok {
				require.True(t, b.Width >= 0 && b.Height >= 0)
			}
			a.Seed(path)
		}
	})
}
