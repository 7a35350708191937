package main

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/promptcam/promptcam/data/datatest"
)

// evaluate tests all of a folder of new photographs, and says so.
func TestEvaluateNewPhotographs(t *testing.T) {
	trained := datatest.Photographs(t, t.TempDir(), 6)
	model, weights := trainedModel(t, trained)
	fresh := t.TempDir()
	for i, class := range datatest.Classes {
		for k := range 4 {
			datatest.Photograph(t, filepath.Join(fresh, class, fmt.Sprintf("%d.jpg", k)), i, 50+k)
		}
	}
	args := []string{"evaluate", "--model", model, "--weights", weights, "--data", fresh}
	stdout := must(t, append(args, "--out", t.TempDir())...)
	assert.Contains(t, stdout, "12 of 12 images of "+fresh+" are tested: it has no test split")
	assert.Contains(t, stdout, "of 12 images")
	assert.Contains(t, must(t, append(args, "--out", t.TempDir(), "--test", "0.25")...), "3 of 12 images")
	assert.Contains(t, must(t, append(args, "--out", t.TempDir(), "--classes", "green")...), "4 of 4 images")
	assert.Contains(t, must(t, append(args, "--data", trained, "--out", t.TempDir(), "--test", "1")...), "18 of 18 images")
	assert.Contains(t, must(t, append(args, "--data", trained, "--out", t.TempDir(), "--seed", "9")...), "3 of 18 images of "+trained+" are tested: the model was trained on the others")
	fails(t, []string{"train", "--data", trained, "--weights", weights, "--test", "1", "--out", t.TempDir()}, "--test 1 leaves no images to train on")
}

// What was found in a folder is said in a line.
func TestFoldersAreDescribed(t *testing.T) {
	dir := datatest.Photographs(t, t.TempDir(), 5)
	for name, text := range map[string]string{"red/a.heic": "", "red/b.HEIC": "", "blue/@eaDir/0.jpg/SYNOFILE_THUMB_M.jpg": "", "top.jpg": "", "red/Thumbs.db": ""} {
		write(t, filepath.Join(dir, filepath.FromSlash(name)), text)
	}
	write(t, filepath.Join(dir, "red", "copy.png"), read(t, dir, "red/1.png"))
	stdout, stderr, err := cub(t, t.Context(), "data", dir)
	require.NoError(t, err)
	all := stdout + stderr
	assert.Contains(t, all, "3 files left out: 2 .heic, such as red/a.heic (cannot be read: save as JPEG); 1 .jpg, top.jpg (outside the class folders); 1 system folder, blue/@eaDir\n")
	assert.Contains(t, all, "copies of", "the same photograph twice")
	near := dir + "x"
	fails(t, []string{"data", near}, "--data "+near+": no such folder, the nearest is "+dir)
	if filepath.Separator == '/' {
		fails(t, []string{"data", `C:\Users\me\photographs`}, "no such folder, and here folders are divided by /")
	}
}

// A description of an architecture that never ends is refused.
func TestArchIsAFile(t *testing.T) {
	if _, err := os.Stat("/dev/zero"); err != nil {
		t.Skip("no /dev/zero here")
	}
	dir := datatest.Photographs(t, t.TempDir(), 3)
	weights, _ := tinyBackbone(t, nil)
	arch := filepath.Join(t.TempDir(), "x.json")
	require.NoError(t, os.Symlink("/dev/zero", arch))
	fails(t, []string{"train", "--data", dir, "--weights", weights, "--arch", arch, "--out", t.TempDir()}, arch+": not a file, but a device, pipe or socket")
}

// Names with commas can be listed.
func TestWords(t *testing.T) {
	for text, want := range map[string]words{
		"": nil, "a": {"a"}, " 4, 5 ,Jay": {"4", "5", "Jay"}, `"Jay, blue",4`: {"Jay, blue", "4"}, `a"b,c`: {`a"b`, "c"}, "a,,b": {"a", "b"}, "Jay, blue": {"Jay", "blue"},
	} {
		var got words
		require.NoError(t, got.Set(text), text)
		assert.Equal(t, want, got, text)
		var again words
		require.NoError(t, again.Set(got.String()))
		assert.Equal(t, got, again)
	}
	dir := datatest.Photographs(t, t.TempDir(), 3)
	require.NoError(t, os.Rename(filepath.Join(dir, "blue"), filepath.Join(dir, "Jay, blue")))
	for _, list := range []string{"Jay, blue,red", `red,"Jay, blue"`, "1,red"} {
		assert.Contains(t, must(t, "data", dir, "--classes", list), "2 classes\n  Jay, blue: ")
	}
	model, weights := trainedModel(t, dir)
	photo := filepath.Join(dir, "red", "0.jpg")
	must(t, "explain", "--model", model, "--weights", weights, "--compare", "Jay, blue", "--out", t.TempDir(), photo)
}
