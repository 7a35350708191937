package run

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/promptcam/promptcam/data"
	"github.com/promptcam/promptcam/promptcam"
	"github.com/promptcam/promptcam/vit/features"
)

// viewSeed draws the augmented views: the same for any --seed, so that runs share them.
const viewSeed = 1

// images are what a model learns from or is tested on: photographs or, where no training changes
// them, the cached features that its frozen layers make of them.
type images struct {
	*Job
	fsys             fs.FS // in which the items' paths are names
	plain, augmented data.Transform
	cache            *features.Cache // nil: photographs are read
	unreadable       int             // images that were left out
}

// A store is a file of features and what becomes of one that does not fit.
type store struct {
	path   string
	use    use
	lender string // another file, to borrow records from; may be empty
}

type use int

const (
	own    use = iota // made, and made again
	shared            // made, but an error if it does not fit: others may need it
	lent              // not used, if it does not fit or is not there
)

// store returns where a training has its features.
func (j *Job) store() store {
	if j.Cache == "" {
		return store{path: filepath.Join(j.Out, featuresName), use: own}
	}
	return store{path: filepath.Join(j.Cache, featuresName), use: shared}
}

// lender returns where features for a trained model may be.
func (j *Job) lender() store {
	if j.Cache == "" {
		return store{path: filepath.Join(j.ModelDir, featuresName), use: lent}
	}
	return j.store()
}

// cacheable returns the layer whose features can be cached. Before the first layer there is
// nothing to save.
func (j *Job) cacheable(m *promptcam.Model) (layer int, ok bool) {
	layer, ok = m.Layer()
	return layer, ok && layer > 0 && j.Cache != noCache
}

// open makes or reads the features of the images in training lists, in all views, and in others, or
// checks that their photographs can be read. Those that cannot are for leaveOut.
func (im *images) open(ctx context.Context, m *promptcam.Model, s store, training, others []*[]data.Item) error {
	all := append(training[:len(training):len(training)], others...)
	var records []features.Record
	for i, l := range all {
		views := 1
		if i < len(training) {
			views = im.Views
		}
		records = append(records, features.Records(views, *l)...)
	}
	var bad []data.BadImage
	var err error
	layer, ok := im.cacheable(m)
	if ok {
		b := m.Backbone
		source := features.Source{Backbone: b.SHA256, Arch: b.Config, Layer: layer, Plain: im.plain, Augmented: im.augmented, Seed: viewSeed}
		if im.cache, err = im.openCache(s, source, records); err != nil {
			return err
		}
	}
	if im.cache == nil {
		bad, err = im.check(ctx, all)
	} else {
		bad, err = im.fill(ctx, m, s, layer, len(records))
	}
	if err != nil {
		return err
	}
	im.unreadable, err = im.leaveOut(bad, all...)
	return err
}

// openCache opens the file of features; nil if it is lent and does not fit.
func (im *images) openCache(s store, source features.Source, records []features.Record) (*features.Cache, error) {
	flag := map[use]string{own: "out", shared: "cache"}[s.use]
	if !exists(s.path) {
		if s.use == lent {
			return nil, nil
		}
		if s.use == shared {
			if err := writable(flag, filepath.Dir(s.path)); err != nil {
				return nil, err
			}
		}
		if err := enoughSpace(filepath.Dir(s.path), source.Size(len(records))); err != nil {
			return nil, fmt.Errorf("--%s: %w", flag, err)
		}
	}
	cache, err := features.Open(s.path, source, records)
	mismatch := errors.As(err, new(*features.MismatchError))
	switch {
	case err == nil:
		return cache, nil
	case s.use == lent:
		return nil, nil
	case mismatch && s.use == own:
		im.Observer.warn("%v: made anew", err)
		if err := os.Remove(s.path); err != nil {
			return nil, fmt.Errorf("--out: %w", err)
		}
		return im.openCache(s, source, records)
	case mismatch:
		return nil, fmt.Errorf("--cache: %w: choose another folder, or delete the file", err)
	case errors.As(err, new(*fs.PathError)):
		return nil, fmt.Errorf("--%s: %w", flag, err)
	}
	return nil, fmt.Errorf("--%s: %w: delete the file, and it is made anew", flag, err)
}

// fill makes the features that are not there yet.
func (im *images) fill(ctx context.Context, m *promptcam.Model, s store, layer, records int) ([]data.BadImage, error) {
	if s.lender != "" {
		if err := im.cache.Borrow(s.lender); err != nil {
			im.Observer.warn("%v", err)
		}
	}
	meter, began := im.Observer.meter(records), time.Now()
	bad, err := im.cache.Fill(ctx, im.fsys, m.Backbone, features.FillConfig{
		Workers: im.Workers, Progress: func(done, total int) { meter.show("features", done, total, "") },
	})
	if err != nil {
		return nil, err
	}
	st := im.cache.Stats()
	made := []string{fmt.Sprintf("%d made in %.0f s", st.Made, time.Since(began).Seconds())}
	if st.Torn > 0 {
		made = append(made, fmt.Sprintf("%d of them because they were torn", st.Torn))
	}
	if st.Changed > 0 {
		made = append(made, fmt.Sprintf("%d of them because photographs have changed", st.Changed))
	}
	im.Observer.note("features of layer %d in %s: %d reused, %s", layer, s.path, st.Reused, strings.Join(made, ", "))
	return bad, nil
}

// check decodes the images of the lists and returns those that cannot be read.
func (im *images) check(ctx context.Context, lists []*[]data.Item) (bad []data.BadImage, err error) {
	all := 0
	for _, l := range lists {
		all += len(*l)
	}
	m := im.Observer.meter(all)
	for _, l := range lists {
		bad = append(bad, data.Check(ctx, im.fsys, *l, func(done, total int) { m.show("checking images", m.before+done, all, "") })...)
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		m.end(len(*l))
	}
	return bad, nil
}

// close ends the use of the features, which were only read since they were made.
func (im *images) close() {
	if im.cache != nil {
		im.cache.Close()
	}
}

// forTraining returns shuffled batches of all views of items.
func (im *images) forTraining(items []data.Item) (promptcam.Batches, error) {
	return im.batches(items, im.augmented, features.LoaderConfig{Views: im.Views, Batch: im.Batch, Shuffle: true, Seed: im.Seed})
}

// asTheyAre returns batches of items in their order.
func (im *images) asTheyAre(items []data.Item) (promptcam.Batches, error) {
	return im.batches(items, im.plain, features.LoaderConfig{Views: 1, Batch: im.Batch, Seed: im.Seed})
}

func (im *images) batches(items []data.Item, t data.Transform, c features.LoaderConfig) (promptcam.Batches, error) {
	if im.cache != nil {
		return im.cache.Loader(items, c)
	}
	return data.NewLoader(im.fsys, items, data.LoaderConfig{Transform: t, Batch: c.Batch, Shuffle: c.Shuffle, Seed: c.Seed, Workers: im.Workers})
}
