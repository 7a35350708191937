package data

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// imagesIn makes a file system of n images in each folder of a list divided by spaces.
func imagesIn(n int, folders string) fstest.MapFS {
	files := fstest.MapFS{}
	for _, dir := range strings.Fields(folders) {
		for i := range n {
			files[fmt.Sprintf("%s/%d.jpg", dir, i)] = &fstest.MapFile{}
		}
	}
	return files
}

func counts(s *Set) [3]int { return [3]int{len(s.Train), len(s.Val), len(s.Test)} }

// Splits are known by other usual names, in any case.
func TestSplitNames(t *testing.T) {
	for _, names := range [][2]string{
		{"Train", "Test"}, {"Training", "Testing"}, {"train", "testing"}, {"train", "eval"}, {"TRAIN", "VAL"}, {"training", "validation"},
		{"train_set", "test_set"}, {"train2017", "val2017"}, {"Training Data", "Evaluation"}, {"train", "dev"}, {"train-images", "TESTS"}, {"trainval", "test"},
		{"1_train", "2-test"}, {"train (1)", "test (1)"}, {"seg_train", "seg_test"}, {"My-Train", "my-val"}, {"train_birds", "test_birds"}, {"Train Set Folder", "Test Set Folder"},
		{"seg_train/seg_train", "seg_test/seg_test"}, {"train/train", "test"}, {"train/images", "test/Images"},
	} {
		fsys := imagesIn(6, "A/cat A/dog B/cat B/dog")
		renamed := fstest.MapFS{"readme.txt": {}, "labels/x.csv": {}}
		for name, file := range fsys {
			renamed[strings.NewReplacer("A/", names[0]+"/", "B/", names[1]+"/").Replace(name)] = file
		}
		s, err := OpenFS(renamed, Options{TestShare: 0.2, Seed: 1})
		require.NoError(t, err, names)
		assert.Equal(t, []string{"cat", "dog"}, s.Classes, names)
		assert.Equal(t, [3]int{12, 0, 12}, counts(s), names)
		assert.Equal(t, strings.Split(names[1], "/")[0], s.TestFrom)
	}
	s, err := OpenFS(imagesIn(2, "Train/cat Train/dog VALID/cat VALID/dog Testing/cat Testing/dog extra/fox"), Options{})
	require.NoError(t, err)
	assert.Equal(t, [3]int{4, 4, 4}, counts(s))
	assert.Equal(t, []Skipped{{"", 1, "extra", besideSplits}}, s.Skipped)
	s, err = OpenFS(imagesIn(5, "Training/cat Training/dog"), Options{TestShare: 0.2})
	require.NoError(t, err)
	assert.Equal(t, [3]int{8, 0, 2}, counts(s))
	assert.Empty(t, s.TestFrom)
	for folders, want := range map[string]string{
		"train/cat train/dog val/cat val/dog test":        "test holds 2 images but no class folders: val is the test split",
		"train/cat train/dog val/cat val/dog test/images": "test holds 2 images but no class folders: val is the test split",
		"train/cat train/dog val test/cat test/dog":       "val holds 2 images but no class folders: they are not used",
	} {
		s, err = OpenFS(imagesIn(2, folders), Options{})
		require.NoError(t, err)
		assert.Equal(t, []string{want}, s.Remarks)
		assert.Equal(t, [3]int{4, 0, 4}, counts(s), folders)
	}
	s, err = OpenFS(imagesIn(2, "seg_train/cat seg_train/dog seg_test/cat seg_test/dog seg_pred"), Options{})
	require.NoError(t, err)
	assert.Equal(t, [3]int{4, 0, 4}, counts(s))
	assert.Equal(t, []Skipped{{"", 1, "seg_pred", besideSplits}}, s.Skipped)
	_, err = OpenFS(imagesIn(2, "train/cat train/dog test/cat test/dog eval/cat eval/dog"), Options{})
	assert.EqualError(t, err, "data: open: eval and test are names of one split: want one of them")
}

// Splits may be within the classes.
func TestSplitsWithinClasses(t *testing.T) {
	s, err := OpenFS(imagesIn(3, "cat/train cat/test dog/train dog/test"), Options{TestShare: 0.2})
	require.NoError(t, err)
	assert.Equal(t, [3]int{6, 0, 6}, counts(s))
	assert.Equal(t, "CLASS/test", s.TestFrom)
	assert.Equal(t, Item{"dog/test/0.jpg", 1}, s.Test[3])
	s, err = OpenFS(imagesIn(3, "cat/Train cat/val dog/Train dog/val/deep fox/Train"), Options{})
	require.NoError(t, err)
	assert.Equal(t, [3]int{9, 0, 6}, counts(s))
	_, err = OpenFS(imagesIn(3, "cat/train cat/test dog/train dog/more"), Options{})
	assert.ErrorContains(t, err, "dog/more is no split, but the folders of other classes are, such as cat/test")
	_, err = OpenFS(imagesIn(3, "cat/train cat/test dog"), Options{})
	assert.ErrorContains(t, err, "dog holds images beside the folders of its splits")
}

// What cannot be what it looks like is refused, and read if the classes are named.
func TestFoldersOfNoClass(t *testing.T) {
	for _, c := range []struct{ folders, want, classes string }{
		{"cat dog test", "test holds 3 images but no class folders: want test/CLASS/IMAGE beside train/CLASS/IMAGE", "cat dog"},
		{"cat dog Validation", "Validation holds 3 images but no class folders", "cat dog Validation"},
		{"cat dog test/cat test/dog", "test is named like a split, but the folders beside it are not", "cat dog"},
		{"cat dog train/cat train/dog", "train is named like a split", "cat dog"},
		{"train test/cat", "train holds 3 images but no class folders: want train/CLASS/IMAGE, or", "train test"},
		{"train valid", "train holds 3 images but no class folders: want train/CLASS/IMAGE, or to have it moved away", "train valid"},
		{"train test1", "test1 holds 3 images but no class folders", "train test1"},
		{"Birds/crow Birds/jay Plants/rose Plants/oak", "Birds holds the folders crow, jay, Plants holds oak, rose, and no image is in Birds, Plants themselves", "Birds Plants"},
		{"Aves/1 Aves/2 Mammalia/3", "Aves holds the folders 1, 2, Mammalia holds 3", "Aves Mammalia"},
	} {
		_, err := OpenFS(imagesIn(3, c.folders), Options{TestShare: 0.2})
		assert.ErrorContains(t, err, c.want, c.folders)
		assert.NotContains(t, err.Error(), "\n")
		s, err := OpenFS(imagesIn(3, c.folders), Options{TestShare: 0.2, Classes: strings.Fields(c.classes)})
		require.NoError(t, err, c.folders)
		assert.Len(t, s.Classes, len(strings.Fields(c.classes)))
	}
	for _, c := range []struct{ folders, want string }{
		{"train_val2019/Aves/1 train_val2019/Aves/2 train_val2019/Fungi/3 train_val2019/Fungi/4", "Aves holds the folders 1, 2, Fungi holds 3, 4"},
		{"train/cat train/dog test/unknown", "test/unknown holds 3 images but no class folders"},
		{"train/cat train/dog test", "test holds 3 images but no class folders: want test/CLASS/IMAGE; without it a share of the training images is held out"},
		{"Train/cat Train/dog VAL", "VAL holds 3 images but no class folders: want VAL/CLASS/IMAGE"},
		{"train/cat/images train/dog/images val/images", "val/images holds 3 images but no class folders: want val/CLASS/IMAGE"},
		{"train/cat train/dog test/all_classes", "test/all_classes holds 3 images but no class folders"},
		{"train/cat train/dog test/test", "test/test holds 3 images but no class folders: want test/CLASS/IMAGE"},
		{"train/cat train/dog test/cat test/fox", "no training image in class fox, of which test has some: want the same classes in all splits"},
		{"test/cat test/dog", "no training images: all are of the split test"},
		{"CUB/images/001.Crow", "1 class found (CUB), need at least 2; images are found at CUB/images/001.Crow: open CUB/images"},
		{"photos/train/cat photos/train/dog", "1 class found (photos), need at least 2; images are found at photos/train/cat: open photos"},
	} {
		_, err := OpenFS(imagesIn(3, c.folders), Options{TestShare: 0.2})
		assert.ErrorContains(t, err, c.want, c.folders)
	}
	nested := imagesIn(1, "archive/CUB_200_2011/images/001.Crow segmentations/001.Crow")
	nested["archive/CUB_200_2011/images.txt"] = &fstest.MapFile{}
	nested["CUB/images.txt"], nested["CUB/images/a.jpg"] = &fstest.MapFile{}, &fstest.MapFile{}
	_, err := OpenFS(nested, Options{})
	assert.EqualError(t, err, "data: open: CUB's lists are in CUB: open CUB")
	deep := imagesIn(1, "archive/CUB_200_2011/images/001.Crow archive/CUB_200_2011/images/002.Jay")
	deep["archive/CUB_200_2011/images.txt"] = &fstest.MapFile{}
	_, err = OpenFS(deep, Options{})
	assert.EqualError(t, err, "data: open: 1 class found (archive), need at least 2; CUB's lists are in archive/CUB_200_2011: open archive/CUB_200_2011")
}

// Unambiguous folders with images at depth are read.
func TestImagesAtDepth(t *testing.T) {
	for folders, remarks := range map[string]int{
		"bus car train": 0, "cat/images dog/images": 0, "train/cat/images train/dog/images": 0, "cat cat/more dog/a dog/b": 1, "cat cat/more cat/extra dog/a": 0,
		"cat/2020 dog/2021": 0, "cat/2020 cat/2021 dog/2020 dog/2021": 1, "site1/cat site1/dog site2/cat site2/dog": 1,
	} {
		s, err := OpenFS(imagesIn(3, folders), Options{TestShare: 0.2})
		require.NoError(t, err, folders)
		assert.Len(t, s.Remarks, remarks, folders)
		assert.Len(t, append(s.Train, s.Test...), 3*len(strings.Fields(folders)))
	}
}

// A folder on which a model is tested needs nothing that training does.
func TestOpenTested(t *testing.T) {
	for folders, want := range map[string][3]int{
		"cat dog": {0, 0, 20}, "cat": {0, 0, 10}, "test/cat test/dog": {0, 0, 20}, "train/cat train/dog": {0, 0, 20},
		"train/cat test/cat test/dog": {10, 0, 20}, "train/cat val/dog": {10, 0, 10}, "cat/train cat/test": {10, 0, 10}, "Birds/crow Birds/jay Plants/rose": {0, 0, 30},
	} {
		fsys := imagesIn(10, folders)
		fsys["cat/notes.txt"], fsys["empty/notes.txt"] = &fstest.MapFile{}, &fstest.MapFile{}
		s, err := OpenFS(fsys, Options{Tested: true})
		require.NoError(t, err, folders)
		assert.Equal(t, want, counts(s), folders)
		assert.NotContains(t, s.Classes, "empty")
	}
	s, err := OpenFS(imagesIn(1, "cat"), Options{Tested: true})
	require.NoError(t, err)
	assert.Equal(t, [3]int{0, 0, 1}, counts(s))
	s, err = OpenFS(imagesIn(10, "cat dog"), Options{Tested: true, TestShare: 0.2, Seed: 1})
	require.NoError(t, err)
	trained, err := OpenFS(imagesIn(10, "cat dog"), Options{TestShare: 0.2, Seed: 1})
	require.NoError(t, err)
	assert.Equal(t, trained.Test, s.Test)
	_, err = OpenFS(fstest.MapFS{"cat/notes.txt": {}}, Options{Tested: true})
	assert.EqualError(t, err, "data: open: no test images")
	dir := cubFolder(t, cubText)
	s, err = Open(dir, Options{Tested: true})
	require.NoError(t, err)
	assert.Equal(t, [3]int{2, 0, 2}, counts(s))
}

// The classes are chosen before the folder is checked.
func TestOpenClasses(t *testing.T) {
	files := map[string][]byte{"a/1.jpg": nil, "a/2.jpg": nil, "b/1.jpg": nil, "b/2.jpg": nil, "H/x.txt": nil, "c/1.jpg": nil, "test/1.jpg": nil}
	for _, classes := range [][]string{{"a", "b"}, {"b", "2"}} { // H is 1
		s, err := Open(write(t, files), Options{TestShare: 0.2, Classes: classes})
		require.NoError(t, err)
		assert.Equal(t, []string{"a", "b"}, s.Classes)
		assert.Equal(t, [3]int{2, 0, 2}, counts(s))
	}
	_, err := Open(write(t, map[string][]byte{"a/1.jpg": nil, "b/1.jpg": nil}), Options{Classes: []string{"a", "x"}})
	assert.ErrorContains(t, err, `no class "x" among the 2; nearest is a`)

	text := cubText
	text[1] += "3 003.Owl\n"
	s, err := Open(cubFolder(t, text), Options{Classes: []string{"1", "Coot"}})
	require.NoError(t, err)
	assert.Equal(t, []string{"001.Auk", "002.Coot"}, s.Classes)
}

// Names of classes are compared in Unicode's form NFC, and between splits in one case.
func TestClassNames(t *testing.T) {
	nfd, nfc := "Ha\u0308her", "H\u00e4her"
	s, err := OpenFS(imagesIn(2, "train/"+nfd+" train/dog test/"+nfc+" test/dog"), Options{})
	require.NoError(t, err)
	assert.Equal(t, []string{nfd, "dog"}, s.Classes)
	assert.Empty(t, s.Remarks)
	c, err := s.Find(nfc)
	require.NoError(t, err)
	assert.Equal(t, 0, c)

	s, err = OpenFS(imagesIn(2, "train/Cat train/dog test/cat test/dog"), Options{})
	require.NoError(t, err)
	assert.Equal(t, []string{"Cat", "dog"}, s.Classes)
	assert.Equal(t, [3]int{4, 0, 4}, counts(s))
	assert.Equal(t, []string{"test/cat is read as the class Cat, which differs in case"}, s.Remarks)
	s, err = OpenFS(imagesIn(2, "val/Cat test/cat"), Options{Tested: true})
	require.NoError(t, err)
	assert.Equal(t, [3]int{0, 2, 2}, counts(s))
	_, err = OpenFS(imagesIn(2, "train/Cat train/CAT train/dog test/cat"), Options{})
	assert.ErrorContains(t, err, "no training image in class cat")
	s, err = OpenFS(imagesIn(2, "Cat cat CAT"), Options{})
	require.NoError(t, err)
	assert.Len(t, s.Classes, 3)
	_, err = OpenFS(imagesIn(2, nfd+" "+nfc), Options{})
	assert.ErrorContains(t, err, `are one name in two Unicode forms, "Ha\u0308her" and "H\u00e4her"`)

	for _, name := range []string{"H\xe4her", "K\xfcfer", "\xff"} {
		dir := t.TempDir()
		for _, class := range []string{name, "dog"} {
			if err := os.Mkdir(filepath.Join(dir, class), 0o755); err != nil {
				t.Skipf("no such names here: %v", err)
			}
			require.NoError(t, os.WriteFile(filepath.Join(dir, class, "1.jpg"), nil, 0o644))
		}
		_, err := Open(dir, Options{})
		assert.ErrorContains(t, err, fmt.Sprintf("the name of class %q is not UTF-8: rename it", name))
	}
	assert.Equal(t, 1, Same([]string{"a", "B", "c", "C"}, "b"))
	assert.Equal(t, 3, Same([]string{"a", "B", "c", "C"}, "C"))
	assert.Equal(t, -1, Same([]string{"a", "B", "cc", "Cc"}, "CC"))
}

// A name with a comma is found though the list was divided there.
func TestFindAll(t *testing.T) {
	s := &Set{Classes: []string{"Häher, blau", "a", "a,b", "b,c, d"}}
	for list, want := range map[string][]int{"Häher|blau": {0}, "a|Häher|blau": {1, 0}, "a|a,b": {1, 2}, "b|c|d": nil, "b,c|d|1": {3, 0}, "b|c, d": {3}} {
		got, err := s.FindAll(strings.Split(list, "|"))
		if want == nil {
			assert.ErrorContains(t, err, `no class "b"`)
			continue
		}
		require.NoError(t, err, list)
		assert.Equal(t, want, got, list)
	}
}
