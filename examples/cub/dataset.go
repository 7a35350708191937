package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/promptcam/promptcam/data"
	"github.com/promptcam/promptcam/vit"
)

// openData opens -data and keeps -classes of it.
func openData(s *settings, c *console) (*data.Set, error) {
	for _, f := range []struct{ name, dir string }{{"out", s.out}, {"cache", filepath.Dir(featuresPath(s))}} {
		if err := outside(s.data, f.name, f.dir); err != nil {
			return nil, err
		}
	}
	if dir := filepath.Dir(filepath.Clean(s.data)); filepath.Base(s.data) == "images" && exists(dir, "images.txt") {
		c.warn("-data %s: read as class folders, of which -test are held out; -data %s has the published test images", s.data, dir)
	}
	set, err := data.Open(s.data, data.Options{TestShare: s.Test, Seed: s.Seed})
	if err != nil {
		return nil, fmt.Errorf("-data: %w", err)
	}
	if len(s.classes) > 0 {
		var chosen []int
		for _, name := range s.classes {
			class, err := set.Find(name)
			if err != nil {
				return nil, fmt.Errorf("-classes: %w", err)
			}
			chosen = append(chosen, class)
		}
		if set, err = set.Select(chosen); err != nil {
			return nil, fmt.Errorf("-classes: %w", err)
		}
	}
	if len(set.Test) == 0 {
		return nil, fmt.Errorf("-data %s: no test images", s.data)
	}
	return set, nil
}

// outside returns an error if what a flag puts into dir out would be read as a class of the
// photographs in dir the next time. CUB's lists and train name what is read.
func outside(dir, flag, out string) error {
	root, err := filepath.Abs(dir)
	if err != nil {
		return fmt.Errorf("-data: %w", err)
	}
	at, err := filepath.Abs(out)
	if err != nil {
		return fmt.Errorf("-%s: %w", flag, err)
	}
	within, err := filepath.Rel(root, at)
	if err != nil || !filepath.IsLocal(within) || exists(dir, "images.txt") || exists(dir, "train") {
		return nil
	}
	return fmt.Errorf("-%s %s is in -data %s, whose folders are the classes: want a folder outside", flag, out, dir)
}

func exists(path ...string) bool {
	_, err := os.Stat(filepath.Join(path...))
	return err == nil
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && !info.IsDir()
}

// check decodes the images of all the lists, which point into set. Images that cannot be read are an
// error that lists them, or with -skip-bad leave the lists; check returns how many did.
func check(ctx context.Context, s *settings, c *console, set *data.Set, lists ...*[]data.Item) (skipped int, err error) {
	all := 0
	for _, l := range lists {
		all += len(*l)
	}
	m := c.meter(all)
	var bad []data.BadImage
	for _, l := range lists {
		found := data.Check(ctx, set.FS, *l, func(done, total int) { m.show("checking images", m.before+done, all, "") })
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		m.end(len(*l))
		bad = append(bad, found...)
	}
	return leaveOut(s, c, bad, lists...)
}

// leaveOut tells of images that cannot be read: an error, or with -skip-bad they leave the
// lists. It returns how many did.
func leaveOut(s *settings, c *console, bad []data.BadImage, lists ...*[]data.Item) (int, error) {
	if len(bad) == 0 {
		return 0, nil
	}
	all, drop := 0, map[string]bool{}
	for _, b := range bad {
		c.warn("%v", b.Err)
		drop[b.Item.Path] = true
	}
	for _, l := range lists {
		all += len(*l)
		if s.skipBad {
			*l = slices.DeleteFunc(slices.Clone(*l), func(it data.Item) bool { return drop[it.Path] })
		}
	}
	if !s.skipBad && s.draws != "" {
		return 0, fmt.Errorf("%d of %d drawn birds cannot be read, listed above: delete the folder %s, and they are drawn again", len(bad), all, s.draws)
	}
	if !s.skipBad {
		return 0, fmt.Errorf("%d of %d images cannot be read, listed above: -skip-bad goes on without them", len(bad), all)
	}
	c.say("going on without %d of %d images, which cannot be read", len(bad), all)
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
			return fmt.Errorf("-data %s: no training image of class %s is left", set.Root, set.Classes[class])
		}
	}
	if len(set.Test) == 0 {
		return fmt.Errorf("-data %s: no test image is left", set.Root)
	}
	return nil
}

// holdOut divides set's training images into those trained on and those that
// choose the best epoch: the folder's own if it has them.
func holdOut(s *settings, set *data.Set) (train, val []data.Item, err error) {
	switch {
	case len(set.Val) > 0:
		return set.Train, set.Val, nil
	case s.Val == 0:
		return set.Train, nil, nil
	}
	train, val = data.Split(set.Train, s.Val, s.Seed)
	if len(val) == 0 {
		return nil, nil, fmt.Errorf("-data %s: every class has one training image, so none can be held out to choose the best epoch: -val 0 takes the last", s.data)
	}
	return train, val, nil
}

// fingerprint tells lists of images and classes from others.
func fingerprint(classes []string, lists ...[]data.Item) (string, error) {
	text, err := json.Marshal([]any{classes, lists})
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:]), err
}

// matchClasses renumbers set's classes as a trained model has them, by name.
func matchClasses(set *data.Set, classes []string) error {
	number := make([]int, len(set.Classes))
	var unknown []string
	for i, name := range set.Classes {
		if number[i] = slices.Index(classes, name); number[i] < 0 {
			unknown = append(unknown, name)
		}
	}
	if len(unknown) > 0 {
		return fmt.Errorf("the model knows %d classes, and %d of the folder's %d are not among them (-classes leaves classes out): %s",
			len(classes), len(unknown), len(set.Classes), strings.Join(unknown, ", "))
	}
	for _, l := range [][]data.Item{set.Train, set.Val, set.Test} {
		for i := range l {
			l[i].Class = number[l[i].Class]
		}
	}
	set.Classes = classes
	return nil
}

// transforms returns what is done to training and to other images.
func transforms(augment string, c vit.Config) (train, eval data.Transform) {
	eval = data.EvalTransform(c.ImageSize, c.Mean, c.Std)
	train = eval
	switch augment {
	case "crop":
		train = data.TrainTransform(c.ImageSize, c.Mean, c.Std)
	case "rrc":
		// torchvision's crops go down to 8 % of the photograph, which often have
		// nothing of the trait that tells two species apart.
		train.Area, train.Flip = [2]float64{0.4, 1}, 0.5
	}
	return train, eval
}
