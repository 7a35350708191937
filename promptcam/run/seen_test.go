package run

import (
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/promptcam/promptcam/data"
	"github.com/promptcam/promptcam/data/datatest"
)

// tester returns a job that tests the model of another one, and what it says.
func tester(t *testing.T, trained *Job) (*Job, *[]string) {
	j := NewJob(Quick(), nil, t.TempDir())
	j.ModelDir = trained.Out
	var said *[]string
	j.Observer, said = lines()
	return j, said
}

// A trained model is tested on all images of a folder but those that it was trained on.
func TestOpenTest(t *testing.T) {
	dir := photographs(t, 10)
	_, trained, _ := trained(t, backbone(t), dir, nil)
	rows, err := readImages(trained.Out)
	require.NoError(t, err)
	assert.Len(t, rows, 30)
	assert.Equal(t, "train", rows[0][1])

	// The folder of the training, whatever seed and share it had; in it the held-out images alone are new.
	j, said := tester(t, trained)
	j.Seed, j.Test = 7, 0.5
	require.NoError(t, j.OpenTest(t.Context(), dir, 0))
	assert.Equal(t, trained.Set.Test, j.Set.Test)
	assert.Equal(t, []string{"6 of 30 images of " + dir + " are tested: the model was trained on the others", "! 6 test images are few: each is 17 points of accuracy"}, *said)

	// Renamed and moved they are the same.
	moved := t.TempDir()
	require.NoError(t, os.CopyFS(filepath.Join(moved, "test"), os.DirFS(dir)))
	j, said = tester(t, trained)
	require.NoError(t, j.OpenTest(t.Context(), moved, 0))
	assert.Len(t, j.Set.Test, 30, "it has a test split of its own")
	assert.Contains(t, (*said)[0], "! the model was trained on 24 of the 30 test images, such as test/blue/0.jpg (blue/0.jpg): its accuracy on new ones is lower")
	assert.Contains(t, (*said)[1], "30 of 30 images of "+moved+" are tested: its own test split, test")

	// New ones, though they have the names of those.
	for name, classes := range map[string][]string{"all": datatest.Classes, "one class": {"green"}, "other case": {"GREEN", "Red"}} {
		t.Run(name, func(t *testing.T) {
			fresh := t.TempDir()
			for i, class := range classes {
				for k := range 10 {
					datatest.Photograph(t, filepath.Join(fresh, class, fmt.Sprintf("%d.jpg", k)), i, 100+k)
				}
			}
			j, said := tester(t, trained)
			require.NoError(t, j.OpenTest(t.Context(), fresh, 0))
			n := 10 * len(classes)
			assert.Len(t, j.Set.Test, n)
			assert.Equal(t, []string{fmt.Sprintf("%d of %d images of %s are tested: it has no test split", n, n, fresh)}, *said)
			result, err := j.Evaluate(t.Context(), load(t, trained, backbone(t)))
			require.NoError(t, err)
			assert.Len(t, result.Test.Predictions, n)
			assert.Equal(t, datatest.Classes, result.Set.Classes)
			j, said = tester(t, trained)
			require.NoError(t, j.OpenTest(t.Context(), fresh, 0.2))
			assert.Len(t, j.Set.Test, n/5)
			assert.Contains(t, (*said)[0], "--test 0.2 of each class")
		})
	}

	one := t.TempDir()
	datatest.Photograph(t, filepath.Join(one, "red", "x.png"), 2, 77)
	j, _ = tester(t, trained)
	require.NoError(t, j.OpenTest(t.Context(), one, 0))
	assert.Len(t, j.Set.Test, 1)

	// All of them known; a table that is not there or no table.
	known := t.TempDir()
	require.NoError(t, os.CopyFS(filepath.Join(known, "green"), only(dir, "green", trained.Set.Train)))
	j, _ = tester(t, trained)
	assert.EqualError(t, j.OpenTest(t.Context(), known, 0), known+": the model was trained on all of its 8 images: --test 1 tests them nevertheless")
	require.NoError(t, j.OpenTest(t.Context(), known, 1))
	assert.Len(t, j.Set.Test, 8)
	j, said = tester(t, trained)
	j.ModelDir = t.TempDir()
	require.NoError(t, j.OpenTest(t.Context(), dir, 0))
	assert.Contains(t, (*said)[0], "! images.csv is not beside the model")
	for _, text := range []string{"", "path,split\na,b\n", "path,split,bytes,sha256\na,train,1,zz\n", "path,split,bytes,sha256\n\"a"} {
		write(t, filepath.Join(j.ModelDir, ImagesFile), text)
		assert.ErrorContains(t, j.OpenTest(t.Context(), dir, 0), ImagesFile)
	}
}

// only is the folder of a class with the training images alone.
func only(dir, class string, train []data.Item) fs.FS {
	return filtered{os.DirFS(filepath.Join(dir, class)), class, train}
}

type filtered struct {
	fs.FS
	class string
	train []data.Item
}

func (f filtered) ReadDir(name string) (kept []fs.DirEntry, err error) {
	all, err := fs.ReadDir(f.FS, name)
	for _, e := range all {
		for _, it := range f.train {
			if it.Path == f.class+"/"+e.Name() {
				kept = append(kept, e)
			}
		}
	}
	return kept, err
}

// Copies of training images among those of the test, and in two classes, are warned of.
func TestDuplicatesAreWarnedOf(t *testing.T) {
	dir := t.TempDir()
	for _, split := range []string{"train", "test"} {
		photo := photographs(t, 4)
		require.NoError(t, os.CopyFS(filepath.Join(dir, split), os.DirFS(photo)))
	}
	set, err := OpenSet(dir, Quick())
	require.NoError(t, err)
	got, err := Duplicates(t.Context(), set)
	require.NoError(t, err)
	assert.Equal(t, []string{"12 of 12 test photographs are copies of training ones, such as train/blue/0.jpg and test/blue/0.jpg: the accuracy on new ones is lower"}, got)

	dir = photographs(t, 6)
	twice := func(from, to string) {
		write(t, filepath.Join(dir, to), read(t, filepath.Join(dir, from)))
	}
	twice("blue/0.jpg", "red/same.jpg")
	twice("green/1.png", "green/more.png")
	twice("green/1.png", "green/third.png")
	r := short()
	r.Test = 0.4
	j := job(t, dir, r)
	got, err = Duplicates(t.Context(), j.Set)
	require.NoError(t, err)
	all := strings.Join(got, "\n")
	assert.Contains(t, all, "2 photographs with the same contents are in different classes, such as ")
	assert.NotContains(t, all, "green/2.jpg")
	assert.Contains(t, all, "green/")
	j.Epochs, j.Samples = 1, 0
	var said *[]string
	j.Observer, said = lines()
	_, err = j.Train(t.Context(), backbone(t))
	require.NoError(t, err)
	assert.Contains(t, strings.Join(*said, "\n"), "! "+got[0])
}

// A rare class counts like others in the mean over classes.
func TestClassMean(t *testing.T) {
	dir := t.TempDir()
	for i, class := range datatest.Classes[:2] {
		for k := range []int{40, 4}[i] {
			datatest.Photograph(t, filepath.Join(dir, class, fmt.Sprintf("%d.jpg", k)), i, k)
		}
	}
	datatest.Photograph(t, filepath.Join(dir, "red", "0.jpg"), 2, 0)
	datatest.Photograph(t, filepath.Join(dir, "red", "1.jpg"), 2, 1)
	r := short()
	r.Epochs, r.Test = 1, 0.5
	j := job(t, dir, r)
	j.Samples = 0
	var said *[]string
	j.Observer, said = lines()
	done, err := j.Train(t.Context(), backbone(t))
	require.NoError(t, err)
	sum := 0.0
	for _, c := range done.Metrics.PerClass {
		sum += *c.Top1
	}
	assert.InDelta(t, sum/3, done.Metrics.ClassMean, 1e-9)
	line := fmt.Sprintf("mean of the classes: top-1 %.1f %%", sum/3)
	differ := math.Abs(done.Metrics.Test.Top1-sum/3) >= 1
	assert.Equal(t, differ, strings.Contains(strings.Join(*said, "\n"), line))
	zero, all := 0.0, 100.0
	assert.Equal(t, 50.0, classMean([]ClassAccuracy{{Top1: &zero}, {}, {Top1: &all}}))
}

// A test of one class of a set with the name in another Unicode form is of that class.
func TestRenumberUnicodeForms(t *testing.T) {
	nfd, nfc := "Ha\u0308her", "H\u00e4her"
	set := &data.Set{Classes: []string{nfc}, Test: []data.Item{{Path: "x"}}}
	got, err := renumber(set, []string{"dog", nfd})
	require.NoError(t, err)
	assert.Equal(t, 1, got.Test[0].Class)
	_, err = renumber(&data.Set{Classes: strings.Fields("a b c d e f g")}, []string{"dog", "a"})
	assert.EqualError(t, err, "the model knows 2 classes, and 6 of the folder's 7 are not among them: b, c, d, e, f, ...: move them out of the folder, or name those to use in --classes")
}
