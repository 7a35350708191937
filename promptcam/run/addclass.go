package run

import (
	"context"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/promptcam/promptcam/data"
	"github.com/promptcam/promptcam/promptcam"
	"github.com/promptcam/promptcam/tensor"
	"github.com/promptcam/promptcam/vit/probe"
)

// addition is a class that is added to a trained model.
type addition struct {
	*Job
	old       *promptcam.Model
	folder    string // of the photographs
	images    *images
	name      string      // of the new class
	photos    []data.Item // of it, to train on, once some are held out
	held      []data.Item // of it, held out
	negatives []data.Item // the set's training images
	test      []data.Item // the set's test images
}

// twoFolders holds the files of a set and, in a folder called name, those of the new class.
type twoFolders struct {
	set, class fs.FS
	name       string
}

// Open opens a file.
func (f twoFolders) Open(name string) (fs.File, error) {
	in, name := f.of(name)
	return in.Open(name)
}

// Stat describes a file without opening it, which for a pipe would wait.
func (f twoFolders) Stat(name string) (fs.FileInfo, error) {
	in, name := f.of(name)
	return fs.Stat(in, name)
}

func (f twoFolders) of(name string) (fs.FS, string) {
	if rest, ok := strings.CutPrefix(name, f.name+"/"); ok {
		return f.class, rest
	}
	return f.set, name
}

// AddClass learns the prompt of one more class, which folder holds photographs of and is named after, and
// leaves the model with it in Out. The other prompts stay as they are; the images of Set, which may be nil,
// teach the new one where to stop. Of the recipe it uses Test, Batch, Views and Seed. It borrows cached
// features from Cache or, where that is empty, from ModelDir, as far as they fit.
func (j *Job) AddClass(ctx context.Context, m *promptcam.Model, folder string) (*Addition, error) {
	if err := j.Validate(); err != nil {
		return nil, err
	}
	if err := m.Extendable(); err != nil {
		return nil, err
	}
	a := &addition{Job: j, old: m, folder: folder}
	// Images to train on are seen as they are and mirrored.
	a.images = &images{Job: j, plain: m.Transform, augmented: m.Transform}
	a.images.augmented.Flip = 0.5
	if err := a.list(); err != nil {
		return nil, err
	}
	free, err := a.room()
	if err != nil {
		return nil, err
	}
	defer free()
	defer a.images.close()
	s := store{a.path(FeaturesFile), "out", j.store(j.ModelDir, "").path}
	err = a.images.open(ctx, m, s, []*[]data.Item{&a.photos, &a.negatives}, []*[]data.Item{&a.test})
	if err == nil {
		err = a.enough()
	}
	if err != nil {
		return nil, err
	}
	a.photos, a.held = data.Split(a.photos, a.Test, a.Seed)
	extended, err := a.extend(ctx)
	if err != nil {
		return nil, err
	}
	return a.publish(ctx, extended)
}

// list finds the photographs.
func (a *addition) list() error {
	dir, err := filepath.Abs(a.folder)
	if err != nil {
		return fmt.Errorf("add a class: %w", err)
	}
	if a.name = filepath.Base(dir); !utf8.ValidString(a.name) {
		return fmt.Errorf("the name of the folder %q is not UTF-8, and it is the class's: rename it", a.folder)
	}
	name := []string{a.name}
	same := func(class string) bool { // also by CUB's number or without it
		number, rest, _ := strings.Cut(class, ".")
		return data.Same(name, class) == 0 || number == a.name || data.Same(name, rest) == 0
	}
	if i := slices.IndexFunc(a.old.Classes, same); i >= 0 {
		return fmt.Errorf("%s: the model has a class %s already, and the folder's name is the new one's: rename it", a.folder, a.old.Classes[i])
	}
	items, skipped, err := data.ImageFiles(data.Dir(dir))
	if err != nil {
		return fmt.Errorf("add a class: %w", err)
	}
	if left := data.LeftOut(skipped); left != "" {
		a.Observer.say(Warning, "%s: %s", a.folder, left)
	}
	for _, it := range items {
		if below, _, deep := strings.Cut(it.Path, "/"); deep {
			return fmt.Errorf("%s holds the folder %s, want the photographs of one class: add one class after the other", a.folder, below)
		}
		a.photos = append(a.photos, data.Item{Path: a.name + "/" + it.Path, Class: len(a.old.Classes)})
	}
	both := twoFolders{class: data.Dir(dir), name: a.name}
	if a.Set != nil {
		set, err := renumber(a.Set, a.old.Classes)
		if err != nil {
			return err
		}
		both.set, a.negatives, a.test = set.FS, set.Train, set.Test
	}
	a.images.fsys = both
	return a.enough()
}

// enough returns an error unless some of the photographs can be held out.
func (a *addition) enough() error {
	if n := len(a.photos); n < 2 {
		return fmt.Errorf("%s: photographs that can be read: %d, need at least 2, one to train on and one to test", a.folder, n)
	}
	return nil
}

// room makes and occupies Out. It refuses a folder with files that are still needed.
func (a *addition) room() (free func(), err error) {
	switch {
	case within(a.folder, a.Out):
		return nil, fmt.Errorf("--out %s is in %s, all of whose files are photographs: want a folder outside", a.Out, a.folder)
	case a.ModelDir != "" && sameFile(a.ModelDir, a.Out):
		return nil, fmt.Errorf("--out %s is the folder of the model, whose files the new model's would replace: want another", a.Out)
	case exists(a.path(PredictionsFile)):
		return nil, fmt.Errorf("--out %s holds the results of a training or a test, whose report would stay beside the new model: want another folder", a.Out)
	}
	if free, err = a.occupy(a.Set); err != nil {
		return nil, err
	}
	if err := a.fresh(); err != nil {
		free()
		return nil, err
	}
	return free, nil
}

// extend trains the new class's prompt.
func (a *addition) extend(ctx context.Context) (*promptcam.Model, error) {
	l, err := a.images.forTraining(slices.Concat(a.photos, a.negatives))
	if err != nil {
		return nil, err
	}
	c := promptcam.DefaultExtend()
	if len(a.negatives) == 0 {
		c = promptcam.DefaultExtendAlone()
		a.Observer.say(Warning, "no set: without images of the other classes %s will take some of theirs; with them it learns where to stop", a.name)
	}
	a.Observer.say(Note, "%s, class %d: %d photographs to train on, %d to test; %d images of the %d classes before it",
		a.name, len(a.old.Classes)+1, len(a.photos), len(a.held), len(a.negatives), len(a.old.Classes))
	if n := len(a.photos) + len(a.held); n < fewTest {
		a.Observer.say(Warning, "%d photographs of %s are few: want %d or more to learn from, and to tell how well that went", n, a.name, fewTest)
	}
	c.Seed, c.Progress = uint64(a.Seed), a.Observer.meter(c.Epochs*l.Len()).step
	return promptcam.Extend(ctx, a.old, l, c)
}

// Addition is the result of AddClass, which metrics.json holds as well. Accuracies are in percent; of the old
// classes' test images they are null without a set.
type Addition struct {
	Model       *promptcam.Model `json:"-"`
	Class       string           `json:"class"`
	Classes     int              `json:"classes"` // with it
	TrainImages int              `json:"train_images"`
	HeldImages  int              `json:"held_images"`
	Recognised  float64          `json:"recognised"` // of those held out
	OldImages   int              `json:"old_train_images"`
	TestImages  int              `json:"test_images"` // of the old classes
	Before      *Accuracy        `json:"before"`      // among the old classes
	After       *Accuracy        `json:"after"`       // among all
	Taken       int              `json:"taken"`       // test images that are now predicted as the new class
	Skipped     int              `json:"skipped_images"`
	Seed        int64            `json:"seed"`
	Backbone    string           `json:"backbone_sha256"`
}

// publish tests the model and writes it.
func (a *addition) publish(ctx context.Context, extended *promptcam.Model) (*Addition, error) {
	l, err := a.images.asTheyAre(slices.Concat(a.held, a.test))
	if err != nil {
		return nil, err
	}
	e, err := extended.Evaluate(ctx, l, a.Observer.count("test", l.Len()))
	if err != nil {
		return nil, err
	}
	extended.Classes = append(slices.Clone(a.old.Classes), a.name)
	if err := a.images.refer(ctx, extended, slices.Concat(a.photos, a.negatives)); err != nil {
		return nil, err
	}
	if extended.Reference == nil && a.old.Reference != nil {
		a.Observer.say(Note, "the new model has no look-alikes, which need photographs of every class: cub refer finds them")
	}
	if err := extended.SaveFile(a.path(ModelFile)); err != nil {
		return nil, err
	}
	if err := a.writeAll(ctx); err != nil {
		return nil, err
	}
	last := len(a.old.Classes)
	r := &Addition{
		Model: extended, Class: a.name, Classes: len(extended.Classes), TrainImages: len(a.photos), HeldImages: len(a.held), Recognised: 100 * e.PerClass[last],
		OldImages: len(a.negatives), TestImages: len(a.test), Skipped: a.images.unreadable, Seed: a.Seed, Backbone: extended.Backbone.SHA256,
	}
	a.Observer.say(Outcome, "%s: %d of %d photographs that were held out are recognised", a.name, e.Confusion[last][last], len(a.held))
	if len(a.test) > 0 {
		// The old classes' scores are those of the old model.
		r.Before, r.After = among(e, last, last), among(e, last, last+1)
		for _, row := range e.Confusion[:last] {
			r.Taken += row[last]
		}
		a.Observer.say(Outcome, "the other classes: test top-1 %.1f %% before and %.1f %% after, of %d images; %d are now predicted as %s",
			r.Before.Top1, r.After.Top1, len(a.test), r.Taken, a.name)
	}
	if err := a.writeJSON(r); err != nil {
		return nil, err
	}
	if a.old.Conformal != nil {
		a.Observer.say(Note, "the new model makes no prediction sets: those of the old one were calibrated without %s", a.name)
	}
	a.Observer.say(Outcome, "model: %s", a.path(ModelFile))
	return r, nil
}

// writeAll writes the table of the images of the old model's training and of this one.
func (a *addition) writeAll(ctx context.Context) error {
	old, err := readImages(a.ModelDir)
	if err != nil {
		return err
	}
	rows, err := a.images.listImages(ctx, [4][]data.Item{slices.Concat(a.photos, a.negatives), nil, a.held})
	if err != nil {
		return err
	}
	listed := map[string]bool{}
	for _, row := range old {
		listed[row[3]] = true
	}
	rows = slices.DeleteFunc(rows, func(row []string) bool { return listed[row[3]] })
	return a.writeImages(slices.Concat(old, rows))
}

// among returns how many images of the first old classes are recognised among the first classes.
func among(e *promptcam.Evaluation, old, classes int) *Accuracy {
	var scores []float32
	var labels []int
	for _, p := range e.Predictions {
		if p.Class < old {
			scores, labels = append(scores, p.Scores[:classes]...), append(labels, p.Class)
		}
	}
	top1, top5 := probe.Accuracy(tensor.FromSlice(scores, len(labels), classes), labels)
	a := accuracy(top1, top5, len(labels))
	return &a
}
