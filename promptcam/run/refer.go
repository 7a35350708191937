package run

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/promptcam/promptcam/data"
	"github.com/promptcam/promptcam/promptcam"
)

// Refer gives a trained model its Reference, from images of Set, and writes the model to its file, whole or not at
// all. A training does so itself: Refer is for models of earlier versions, and for other photographs. Of images that
// ImagesFile in ModelDir lists it uses those that the model was trained on; where it lists none of Set's, the training
// images of Set. It uses cached features as Evaluate does.
func (j *Job) Refer(ctx context.Context, m *promptcam.Model, file string) error {
	own := *j
	own.Out = filepath.Dir(file)
	j = &own
	free, err := j.begin()
	if err != nil {
		return err
	}
	defer free()
	set, err := renumber(j.Set, m.Classes)
	if err != nil {
		return err
	}
	items, err := j.trainedOn(ctx, set)
	if err != nil {
		return err
	}
	im := &images{Job: j, fsys: set.FS, plain: m.Transform, augmented: m.Transform}
	defer im.close()
	if err := im.open(ctx, m, j.store(j.ModelDir, ""), nil, []*[]data.Item{&items}); err != nil {
		return err
	}
	for class, name := range m.Classes {
		if !slices.ContainsFunc(items, func(it data.Item) bool { return it.Class == class }) {
			return fmt.Errorf("%s: no image of class %s to learn from what its prompt usually reads: want some of every class of the model", data.PathOf(set.FS, "."), name)
		}
	}
	if err := im.refer(ctx, m, items); err != nil {
		return err
	}
	if err := m.SaveFile(file); err != nil {
		return err
	}
	for class, alike := range m.Reference.LookAlikes {
		j.Observer.say(Note, "%s is most like %s", m.Classes[class], m.Classes[alike[0].Class])
	}
	j.Observer.say(Outcome, "model: %s", file)
	return nil
}

// trainedOn returns the images of a set that a model was trained on or, if none is known of, the set's training
// images.
func (j *Job) trainedOn(ctx context.Context, set *data.Set) (items []data.Item, err error) {
	rows, err := readImages(j.ModelDir)
	if err != nil {
		return nil, err
	}
	isSeen, err := seen(rows)
	if err != nil {
		return nil, err
	}
	for _, it := range slices.Concat(set.Train, set.Val, set.Test) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if from, ok := isSeen(set.FS, it.Path); ok && from.split == splitNames[0] {
			items = append(items, it)
		}
	}
	if len(items) == 0 {
		return set.Train, nil
	}
	return items, nil
}
