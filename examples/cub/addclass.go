package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/promptcam/promptcam/data"
	"github.com/promptcam/promptcam/nn/fit"
	"github.com/promptcam/promptcam/promptcam"
	"github.com/promptcam/promptcam/tensor"
	"github.com/promptcam/promptcam/vit/probe"
)

// addition is a class that is added to a trained model. Paths of its items are absolute:
// they are in two folders.
type addition struct {
	*settings
	c         *console
	old       *trained
	images    *images
	name      string      // of the new class
	photos    []data.Item // of it, to train on, once some are held out
	held      []data.Item // of it, held out
	negatives []data.Item // -data's training images
	test      []data.Item // -data's test images
}

// addClass learns the prompt of the class that -add-class holds photographs of, and leaves
// a model of one class more in -out.
func addClass(ctx context.Context, s *settings, c *console) error {
	m, set, err := openBoth(s, c)
	if err != nil {
		return err
	}
	if err := m.Extendable(); err != nil {
		return fmt.Errorf("-load %s: %w", s.load, err)
	}
	// Images to train on are seen as they are and mirrored.
	augmented := m.Transform
	augmented.Flip = 0.5
	a := &addition{settings: s, c: c, old: m, images: &images{settings: s, set: &data.Set{}, plain: m.Transform, augmented: augmented}}
	if err := a.list(set); err != nil {
		return err
	}
	if err := a.room(); err != nil {
		return err
	}
	defer a.images.close()
	if err := a.open(ctx); err != nil {
		return err
	}
	extended, err := a.extend(ctx)
	if err != nil {
		return err
	}
	return a.publish(ctx, extended)
}

// list finds the photographs.
func (a *addition) list(set *data.Set) error {
	dir, err := filepath.Abs(a.addClass)
	if err != nil {
		return fmt.Errorf("-add-class: %w", err)
	}
	a.name = filepath.Base(dir)
	if i, err := (&data.Set{Classes: a.old.classes}).Find(a.name); err == nil { // also by CUB's number or without it
		return fmt.Errorf("-add-class %s: the model has a class %s already, and the folder's name is the new one's: rename it", a.addClass, a.old.classes[i])
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("-add-class: %w", err)
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") { // the system's, such as .DS_Store
			continue
		}
		path := filepath.Join(dir, e.Name())
		if info, err := os.Stat(path); err == nil && info.IsDir() {
			return fmt.Errorf("-add-class %s holds the folder %s, want the photographs of one class: add one class after the other", a.addClass, e.Name())
		}
		a.photos = append(a.photos, data.Item{Path: filepath.ToSlash(path), Class: len(a.old.classes)})
	}
	if err := a.enough(); err != nil || set == nil {
		return err
	}
	root, err := filepath.Abs(set.Root)
	if err != nil {
		return fmt.Errorf("-data: %w", err)
	}
	absolute := func(items []data.Item) []data.Item {
		items = slices.Clone(items)
		for i := range items {
			items[i].Path = filepath.ToSlash(filepath.Join(root, items[i].Path))
		}
		return items
	}
	a.negatives, a.test = absolute(set.Train), absolute(set.Test)
	return nil
}

// enough returns an error unless some of the photographs can be held out.
func (a *addition) enough() error {
	if n := len(a.photos); n < 2 {
		return fmt.Errorf("-add-class %s: photographs that can be read: %d, need at least 2, one to train on and one to test", a.addClass, n)
	}
	return nil
}

// room makes -out, which must be no folder whose files are still needed.
func (a *addition) room() error {
	dir, err := filepath.Abs(a.addClass)
	if err != nil {
		return fmt.Errorf("-add-class: %w", err)
	}
	out, err := filepath.Abs(a.out)
	if err != nil {
		return fmt.Errorf("-out: %w", err)
	}
	if within, err := filepath.Rel(dir, out); err == nil && filepath.IsLocal(within) {
		return fmt.Errorf("-out %s is in -add-class %s, all of whose files are photographs: want a folder outside", a.out, a.addClass)
	}
	if sameFile(filepath.Dir(a.load), a.out) {
		return fmt.Errorf("-out %s is the folder of -load %s, whose files the new model's would replace: want another", a.out, a.load)
	}
	if _, err := findState(a.out, false); err != nil {
		return err
	}
	if a.given["out"] && exists(a.out, "predictions.csv") {
		return fmt.Errorf("-out %s holds the results of a training or a test, whose report would stay beside the new model: want another folder", a.out)
	}
	if err := replaces(a.settings, a.c); err != nil {
		return err
	}
	return writable("out", a.out)
}

// open makes the features of all images, or reads them, and holds out some of the new
// class's.
func (a *addition) open(ctx context.Context) error {
	if err := a.images.open(ctx, a.c, a.old.Model, []*[]data.Item{&a.photos, &a.negatives}, []*[]data.Item{&a.test}); err != nil {
		return err
	}
	if err := a.enough(); err != nil {
		return err
	}
	a.photos, a.held = data.Split(a.photos, a.Test, a.Seed)
	return nil
}

// extend trains the new class's prompt.
func (a *addition) extend(ctx context.Context) (*promptcam.Model, error) {
	l, err := a.images.batches(slices.Concat(a.photos, a.negatives), true)
	if err != nil {
		return nil, err
	}
	c := promptcam.DefaultExtend()
	if len(a.negatives) == 0 {
		c = promptcam.DefaultExtendAlone()
		a.c.warn("-data is missing: without images of the other classes %s will take some of theirs; with them it learns where to stop", a.name)
	}
	a.c.say("%s, class %d: %d photographs to train on, %d to test; %d images of the %d classes before it",
		a.name, len(a.old.classes)+1, len(a.photos), len(a.held), len(a.negatives), len(a.old.classes))
	m := a.c.meter(c.Epochs * l.Len())
	c.Seed = uint64(a.Seed)
	c.Progress = func(s fit.Step) {
		m.step(s)
		if s.Done == s.Images {
			m.end(s.Images)
		}
	}
	return promptcam.Extend(ctx, a.old.Model, l, c)
}

// additionMetrics is metrics.json. Accuracies are in percent; of the old classes' test
// images they are null without -data.
type additionMetrics struct {
	Class       string    `json:"class"`
	Classes     int       `json:"classes"` // with it
	TrainImages int       `json:"train_images"`
	HeldImages  int       `json:"held_images"`
	Recognised  float64   `json:"recognised"` // of those held out
	OldImages   int       `json:"old_train_images"`
	TestImages  int       `json:"test_images"` // of the old classes
	Before      *accuracy `json:"before"`      // among the old classes
	After       *accuracy `json:"after"`       // among all
	Taken       int       `json:"taken"`       // test images that are now taken for the new class
	Skipped     int       `json:"skipped_images"`
	Seed        int64     `json:"seed"`
	Backbone    string    `json:"backbone_sha256"`
}

// publish tests the model and writes it.
func (a *addition) publish(ctx context.Context, extended *promptcam.Model) error {
	l, err := a.images.batches(slices.Concat(a.held, a.test), false)
	if err != nil {
		return err
	}
	m := a.c.meter(l.Len())
	e, err := extended.Evaluate(ctx, l, func(done int) { m.show("test", done, l.Len(), "") })
	if err != nil {
		return err
	}
	path := filepath.Join(a.out, "model.safetensors")
	classes := append(slices.Clone(a.old.classes), a.name)
	extended.Classes = classes
	if err := extended.SaveFile(path); err != nil {
		return err
	}
	last := len(a.old.classes)
	r := additionMetrics{
		Class: a.name, Classes: len(classes), TrainImages: len(a.photos), HeldImages: len(a.held), Recognised: 100 * e.PerClass[last],
		OldImages: len(a.negatives), TestImages: len(a.test), Skipped: a.images.skipped, Seed: a.Seed, Backbone: extended.Backbone.SHA256,
	}
	a.c.result("%s: %d of %d photographs that were held out are recognised", a.name, e.Confusion[last][last], len(a.held))
	if len(a.test) > 0 {
		// The old classes' scores are those of the old model.
		r.Before, r.After = among(e, last, last), among(e, last, last+1)
		for _, row := range e.Confusion[:last] {
			r.Taken += row[last]
		}
		a.c.result("the other classes: test top-1 %.1f %% before and %.1f %% after, of %d images; %d are now taken for %s",
			r.Before.Top1, r.After.Top1, len(a.test), r.Taken, a.name)
	}
	if err := writeJSON(a.out, r); err != nil {
		return err
	}
	a.c.result("model: %s", path)
	return nil
}

// among returns how many images of the first old classes are recognised among the first
// classes.
func among(e *promptcam.Evaluation, old, classes int) *accuracy {
	var scores []float32
	var labels []int
	for _, p := range e.Predictions {
		if p.Class < old {
			scores, labels = append(scores, p.Scores[:classes]...), append(labels, p.Class)
		}
	}
	top1, top5 := probe.Accuracy(tensor.FromSlice(scores, len(labels), classes), labels)
	return &accuracy{100 * top1, 100 * top5}
}
