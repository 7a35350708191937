package run

import (
	"context"
	"fmt"
	"slices"

	"github.com/promptcam/promptcam/data"
	"github.com/promptcam/promptcam/promptcam"
)

// Refer gives a trained model its Reference, from the training images of Set, and writes the model to Out, which may
// be its own folder. A training does so itself: Refer is for models of earlier versions, and for other photographs.
// It uses cached features as Evaluate does.
func (j *Job) Refer(ctx context.Context, m *promptcam.Model) error {
	free, err := j.begin()
	if err != nil {
		return err
	}
	defer free()
	set, err := renumber(j.Set, m.Classes)
	if err != nil {
		return err
	}
	im := &images{Job: j, fsys: set.FS, plain: m.Transform, augmented: m.Transform}
	defer im.close()
	items := slices.Concat(set.Train, set.Val)
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
	if err := m.SaveFile(j.path(ModelFile)); err != nil {
		return err
	}
	for class, alike := range m.Reference.LookAlikes {
		j.Observer.say(Note, "%s is most like %s", m.Classes[class], m.Classes[alike[0].Class])
	}
	j.Observer.say(Outcome, "model: %s", j.path(ModelFile))
	return nil
}
