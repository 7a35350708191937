package run

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/promptcam/promptcam/data"
)

// OpenSet opens a folder of photographs with the recipe's hold-out, and keeps only the given classes,
// by name or number; none means all.
func OpenSet(dir string, r Recipe, classes ...string) (*data.Set, error) {
	set, err := data.Open(dir, data.Options{TestShare: r.Test, Seed: r.Seed})
	if err != nil {
		return nil, fmt.Errorf("--data: %w", err)
	}
	if len(classes) > 0 {
		var chosen []int
		for _, name := range classes {
			class, err := set.Find(name)
			if err != nil {
				return nil, fmt.Errorf("--classes: %w", err)
			}
			chosen = append(chosen, class)
		}
		if set, err = set.Select(chosen); err != nil {
			return nil, fmt.Errorf("--classes: %w", err)
		}
	}
	if len(set.Test) == 0 {
		return nil, fmt.Errorf("--data %s: no test images", dir)
	}
	return set, nil
}

// outside returns an error if what is written to Out or Cache would be read as a class of the
// set the next time it is opened. CUB's lists and train name what is read.
func (j *Job) outside(set *data.Set) error {
	if exists(set.Root, "images.txt") || exists(set.Root, "train") {
		return nil
	}
	for _, f := range []struct{ flag, dir string }{{"out", j.Out}, {"cache", j.Cache}} {
		if f.dir != "" && f.dir != noCache && within(set.Root, f.dir) {
			return fmt.Errorf("--%s %s is in --data %s, whose folders are the classes: want a folder outside", f.flag, f.dir, set.Root)
		}
	}
	return nil
}

// within says whether a path is in a folder, or is the folder.
func within(folder, path string) bool {
	a, err1 := filepath.Abs(folder)
	b, err2 := filepath.Abs(path)
	rel, err3 := filepath.Rel(a, b)
	return cmp.Or(err1, err2, err3) == nil && filepath.IsLocal(rel)
}

// A BadImagesError says that images cannot be read, each of which the observer was warned of.
type BadImagesError struct {
	Bad []data.BadImage
	All int // images in all
}

func (e *BadImagesError) Error() string {
	return fmt.Sprintf("%d of %d images cannot be read, listed above: --skip-bad goes on without them", len(e.Bad), e.All)
}

// leaveOut handles unreadable images: with SkipBad they leave the lists, else they are an error. It
// returns how many left.
func (j *Job) leaveOut(bad []data.BadImage, lists ...*[]data.Item) (int, error) {
	if len(bad) == 0 {
		return 0, nil
	}
	all, drop := 0, map[string]bool{}
	for _, b := range bad {
		j.Observer.warn("%v", b.Err)
		drop[b.Item.Path] = true
	}
	for _, l := range lists {
		all += len(*l)
		if j.SkipBad {
			*l = slices.DeleteFunc(slices.Clone(*l), func(it data.Item) bool { return drop[it.Path] })
		}
	}
	if !j.SkipBad {
		return 0, &BadImagesError{bad, all}
	}
	j.Observer.note("going on without %d of %d images, which cannot be read", len(bad), all)
	return len(bad), nil
}

// enough says whether a set can be trained on and tested, which skipping images
// may have made impossible.
func enough(set *data.Set) error {
	n := make([]int, len(set.Classes))
	for _, it := range set.Train {
		n[it.Class]++
	}
	for class, images := range n {
		if images == 0 {
			return fmt.Errorf("--data %s: no training image of class %s is left", set.Root, set.Classes[class])
		}
	}
	if len(set.Test) == 0 {
		return fmt.Errorf("--data %s: no test image is left", set.Root)
	}
	return nil
}

// holdOut divides the set's training images into those trained on and those that
// choose the best epoch: the folder's own if it has them.
func (r Recipe) holdOut(set *data.Set) (train, val []data.Item, err error) {
	switch {
	case len(set.Val) > 0:
		return set.Train, set.Val, nil
	case r.Val == 0:
		return set.Train, nil, nil
	}
	train, val = data.Split(set.Train, r.Val, r.Seed)
	if len(val) == 0 {
		return nil, nil, fmt.Errorf("--data %s: every class has one training image, so none can be held out to choose the best epoch: --val 0 takes the last", set.Root)
	}
	return train, val, nil
}

// fingerprint distinguishes lists of images and classes.
func fingerprint(classes []string, lists ...[]data.Item) (string, error) {
	text, err := json.Marshal([]any{classes, lists})
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:]), err
}

// renumber returns set with its classes numbered as a trained model numbers them, by name.
func renumber(set *data.Set, classes []string) (*data.Set, error) {
	number := make([]int, len(set.Classes))
	var unknown []string
	for i, name := range set.Classes {
		if number[i] = slices.Index(classes, name); number[i] < 0 {
			unknown = append(unknown, name)
		}
	}
	if len(unknown) > 0 {
		return nil, fmt.Errorf("the model knows %d classes, and %d of the folder's %d are not among them (--classes leaves classes out): %s",
			len(classes), len(unknown), len(set.Classes), strings.Join(unknown, ", "))
	}
	again := func(items []data.Item) []data.Item {
		items = slices.Clone(items)
		for i := range items {
			items[i].Class = number[items[i].Class]
		}
		return items
	}
	return &data.Set{Root: set.Root, FS: set.FS, Classes: classes, Train: again(set.Train), Val: again(set.Val), Test: again(set.Test)}, nil
}

// OpenNotes reads where things are in the images of a folder; nil if the folder does not tell.
func OpenNotes(dir string) (*data.Annotations, error) {
	notes, err := data.OpenAnnotations(dir)
	if err != nil {
		return nil, fmt.Errorf("--data: %w: --traits off goes without", err)
	}
	if notes.Empty() {
		return nil, nil
	}
	return notes, nil
}
