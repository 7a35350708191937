package run

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/promptcam/promptcam/data"
)

// OpenSet opens a folder of photographs with the recipe's hold-out, and keeps only the given classes, by name
// or number; none means all.
func OpenSet(dir string, r Recipe, classes ...string) (*data.Set, error) {
	if r.Test == 1 {
		return nil, errors.New("--test 1 leaves no images to train on")
	}
	set, err := data.Open(dir, data.Options{TestShare: r.Test, Seed: r.Seed, Classes: classes})
	if err != nil {
		return nil, err
	}
	if len(set.Test) == 0 {
		return nil, fmt.Errorf("%s: no test images", dir)
	}
	return set, nil
}

// enough returns an error unless a set can be trained on and tested, which skipping images may have made
// impossible.
func enough(set *data.Set) error {
	for class, name := range set.Classes {
		if !slices.ContainsFunc(set.Train, func(it data.Item) bool { return it.Class == class }) {
			return fmt.Errorf("no training image of class %s is left", name)
		}
	}
	return testable(set)
}

func testable(set *data.Set) error {
	if len(set.Test) == 0 {
		return errors.New("no test image is left")
	}
	return nil
}

// parts are the set's training images by their use.
type parts struct {
	train       []data.Item // trained on
	val         []data.Item // choose the best epoch: the folder's own if it has them
	calibration []data.Item // held out to calibrate prediction sets
}

// holdOut divides the set's training images.
func (r Recipe) holdOut(set *data.Set) (parts, error) {
	p := parts{train: set.Train, val: set.Val}
	if len(set.Val) == 0 && r.Val > 0 {
		if p.train, p.val = data.Split(set.Train, r.Val, r.Seed); len(p.val) == 0 {
			return p, errors.New("every class has one training image, so none can be held out to choose the best epoch: --val 0 takes the last")
		}
	}
	if r.Calibrate > 0 {
		if p.train, p.calibration = data.Split(p.train, r.Calibrate, r.Seed); len(p.calibration) == 0 {
			return p, errors.New("every class has one training image, so none can be held out to calibrate prediction sets: want --calibrate 0")
		}
	}
	return p, nil
}

// fingerprint distinguishes sets of classes, images and, where features are cached, their contents.
func (im *images) fingerprint(set *data.Set) string {
	lists := [][]data.Item{set.Train, set.Val, set.Test}
	h := sha256.New()
	json.NewEncoder(h).Encode([]any{set.Classes, lists}) // strings and numbers have JSON
	for _, it := range slices.Concat(lists...) {
		if im.cache != nil {
			of := im.cache.Hash(it.Path)
			h.Write(of[:])
		}
	}
	return fmt.Sprintf("%x", h.Sum(nil))
}

// contents distinguishes the files of a set's images, where features, whose fingerprint does, are not cached.
func (im *images) contents(ctx context.Context, set *data.Set) (string, error) {
	if im.cache != nil {
		return "", nil
	}
	items := slices.Concat(set.Train, set.Val, set.Test)
	hashes := make([][32]byte, len(items))
	err := data.Each(ctx, len(items), im.Workers, func(_, i int) error {
		p, err := data.ReadFingerprint(im.fsys, items[i].Path)
		hashes[i] = p.SHA256
		return err
	})
	if err != nil {
		return "", err
	}
	all := sha256.New()
	for _, h := range hashes {
		all.Write(h[:])
	}
	return fmt.Sprintf("%x", all.Sum(nil)), nil
}

// renumber returns set with its classes numbered as a trained model numbers them, by name, be it in another case
// or Unicode form.
func renumber(set *data.Set, classes []string) (*data.Set, error) {
	number := make([]int, len(set.Classes))
	var unknown []string
	for i, name := range set.Classes {
		if number[i] = data.Same(classes, name); number[i] < 0 {
			unknown = append(unknown, name)
		}
	}
	if len(unknown) > 0 {
		names := strings.Join(unknown[:min(5, len(unknown))], ", ")
		if len(unknown) > 5 {
			names += ", ..."
		}
		return nil, fmt.Errorf("the model knows %d classes, and %d of the folder's %d are not among them: %s: move them out of the folder, or name those to use in --classes",
			len(classes), len(unknown), len(set.Classes), names)
	}
	again := *set
	again.Classes = classes
	for _, items := range []*[]data.Item{&again.Train, &again.Val, &again.Test} {
		*items = slices.Clone(*items)
		for i, it := range *items {
			(*items)[i].Class = number[it.Class]
		}
	}
	return &again, nil
}

// OpenNotes reads where things are in the images of a folder; nil if the folder does not tell.
func OpenNotes(dir string) (*data.Annotations, error) {
	notes, err := data.OpenAnnotations(dir)
	if err != nil || notes.Empty() {
		return nil, err
	}
	return notes, nil
}
