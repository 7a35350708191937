package run

import (
	"bytes"
	"cmp"
	"context"
	"encoding/csv"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"

	"github.com/promptcam/promptcam/data"
)

// ImagesFile is the table of the images of a training, in its Out: path, split (train, val, test or calibration), bytes and
// SHA-256. By it a test knows what the model has seen.
const ImagesFile = "images.csv"

// splitNames are the splits in ImagesFile.
var splitNames = [4]string{"train", "val", "test", "calibration"}

// An origin is where an image of a training was.
type origin struct{ path, split string }

// listImages returns the rows of the images of the splits, without those that can no longer be read.
func (im *images) listImages(ctx context.Context, splits [4][]data.Item) ([][]string, error) {
	var rows [][]string
	for i, items := range splits {
		of := make([][]string, len(items))
		err := data.Each(ctx, len(items), im.Workers, func(_, k int) error {
			if p, err := im.print(items[k].Path); err == nil {
				of[k] = []string{items[k].Path, splitNames[i], strconv.FormatInt(p.Bytes, 10), hex.EncodeToString(p.SHA256[:])}
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		rows = append(rows, slices.DeleteFunc(of, func(row []string) bool { return row == nil })...)
	}
	return rows, nil
}

// print returns what an image's file is known by, from the cache if that has read it.
func (im *images) print(path string) (p data.Fingerprint, err error) {
	if im.cache == nil {
		return data.ReadFingerprint(im.fsys, path)
	}
	info, err := fs.Stat(im.fsys, path)
	if err != nil {
		return p, err
	}
	return data.Fingerprint{Bytes: info.Size(), SHA256: im.cache.Hash(path)}, nil
}

func (j *Job) writeImages(rows [][]string) error {
	return j.writeCSV(ImagesFile, slices.Values(append([][]string{{"path", "split", "bytes", "sha256"}}, rows...)))
}

// readImages reads the table of the training in dir; nil if it has none.
func readImages(dir string) ([][]string, error) {
	if dir == "" || !exists(dir, ImagesFile) {
		return nil, nil
	}
	text, err := data.ReadText(data.Dir(dir), ImagesFile)
	if err != nil {
		return nil, err
	}
	rows, err := csv.NewReader(bytes.NewReader(text)).ReadAll()
	if err == nil && (len(rows) == 0 || len(rows[0]) != 4) {
		err = errors.New("want path, split, bytes, sha256")
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", data.PathOf(data.Dir(dir), ImagesFile), err)
	}
	return rows[1:], nil
}

// seen tells the images that a model was trained or chosen on from others.
func seen(rows [][]string) (func(fsys fs.FS, path string) (origin, bool), error) {
	known, sizes := map[data.Fingerprint]origin{}, map[int64]bool{}
	for _, row := range rows {
		n, err1 := strconv.ParseInt(row[2], 10, 64)
		sum, err2 := hex.DecodeString(row[3])
		if err := errors.Join(err1, err2); err != nil || len(sum) != 32 {
			return nil, fmt.Errorf("%s: %q: want bytes and SHA-256", ImagesFile, row[2:])
		}
		if row[1] != splitNames[2] {
			known[data.Fingerprint{Bytes: n, SHA256: [32]byte(sum)}] = origin{row[0], row[1]}
			sizes[n] = true
		}
	}
	return func(fsys fs.FS, path string) (o origin, ok bool) {
		info, err := fs.Stat(fsys, path)
		if err != nil || !sizes[info.Size()] {
			return o, false
		}
		p, err := data.ReadFingerprint(fsys, path)
		if err == nil {
			o, ok = known[p]
		}
		return o, ok
	}, nil
}

// OpenTest opens a folder to test a trained model on, and says which of its images are tested: its own test
// split or, where it has none, all images. Share, if it is not 0, is that of each class which is tested in that
// case, chosen by the recipe's seed. Without a share, images that the model was trained on are not tested: they
// are those in ImagesFile in ModelDir. Given classes, by name or number, are used alone. One class, or one image,
// is enough.
func (j *Job) OpenTest(ctx context.Context, dir string, share float64, classes ...string) error {
	o := data.Options{Tested: true, TestShare: share, Seed: j.Seed, Classes: classes}
	if share == 1 {
		o.TestShare = 0
	}
	set, err := data.Open(dir, o)
	if err != nil {
		return err
	}
	all := len(set.Train) + len(set.Val) + len(set.Test)
	why := "it has no test split"
	switch {
	case set.TestFrom != "":
		why = "its own test split, " + set.TestFrom
	case share > 0:
		why = fmt.Sprintf("--test %g of each class", share)
	}
	rows, err := readImages(j.ModelDir)
	if err != nil {
		return err
	}
	isSeen, err := seen(rows)
	if err != nil {
		return err
	}
	var fresh, known []data.Item
	var example string
	for _, it := range set.Test {
		if err := ctx.Err(); err != nil {
			return err
		}
		if from, ok := isSeen(set.FS, it.Path); ok {
			known = append(known, it)
			example = cmp.Or(example, fmt.Sprintf("%s (%s)", it.Path, from.path))
		} else {
			fresh = append(fresh, it)
		}
	}
	switch {
	case len(known) > 0 && (set.TestFrom != "" || share > 0):
		j.Observer.say(Warning, "the model was trained on %d of the %d test images, such as %s: its accuracy on new ones is lower", len(known), len(set.Test), example)
	case len(known) > 0 && len(fresh) == 0:
		return fmt.Errorf("%s: the model was trained on all of its %d images: --test 1 tests them nevertheless", dir, all)
	case len(known) > 0:
		set.Test, set.Train, why = fresh, known, "the model was trained on the others"
	case rows == nil && set.TestFrom == "" && share == 0:
		j.Observer.say(Warning, "%s is not beside the model: if it was trained on images of %s, its accuracy on new ones is lower", ImagesFile, dir)
	}
	j.Observer.say(Note, "%d of %d images of %s are tested: %s", len(set.Test), all, dir, why)
	j.warnFew(len(set.Test))
	j.Set = set
	return j.warnDuplicates(ctx, set)
}

// warnFew warns of a test that says little.
func (j *Job) warnFew(images int) {
	if images < fewTest {
		j.Observer.say(Warning, "%d test images are few: each is %.0f points of accuracy", images, 100/float64(images))
	}
}

// warnDuplicates warns of photographs whose files have the same contents.
func (j *Job) warnDuplicates(ctx context.Context, set *data.Set) error {
	lines, err := Duplicates(ctx, set)
	for _, line := range lines {
		j.Observer.say(Warning, "%s", line)
	}
	return err
}

// Duplicates says, a line for each kind, which photographs of a set have files of the same contents: in several
// classes, among test images and others, or in one class.
func Duplicates(ctx context.Context, set *data.Set) (lines []string, err error) {
	items := slices.Concat(set.Train, set.Val, set.Test)
	groups, err := data.Duplicates(ctx, set.FS, items)
	const classes, splits, copies = 0, 1, 2
	var count [3]int
	var example [3]string // the first of each kind
	note := func(kind, n, a, b int) {
		count[kind] += n
		example[kind] = cmp.Or(example[kind], items[a].Path+" and "+items[b].Path)
	}
	learned := len(set.Train) + len(set.Val)
	for _, of := range groups {
		first, last := of[0], of[len(of)-1]
		other := slices.IndexFunc(of, func(i int) bool { return items[i].Class != items[first].Class })
		tested := slices.IndexFunc(of, func(i int) bool { return i >= learned })
		if other >= 0 {
			note(classes, len(of), first, of[other])
		}
		if tested > 0 {
			note(splits, len(of)-tested, first, of[tested])
		}
		if other < 0 && tested <= 0 {
			note(copies, len(of)-1, first, last)
		}
	}
	if count[classes] > 0 {
		lines = append(lines, fmt.Sprintf("%d photographs with the same contents are in different classes, such as %s", count[classes], example[classes]))
	}
	if count[splits] > 0 {
		lines = append(lines, fmt.Sprintf("%d of %d test photographs are copies of training ones, such as %s: the accuracy on new ones is lower", count[splits], len(set.Test), example[splits]))
	}
	if count[copies] > 0 {
		lines = append(lines, fmt.Sprintf("%d photographs are copies of others of their class, such as %s", count[copies], example[copies]))
	}
	return lines, err
}
