package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/promptcam/promptcam/data"
	"github.com/promptcam/promptcam/promptcam"
	"github.com/promptcam/promptcam/vit/features"
)

// noCache is the -cache that means none.
const noCache = "off"

// viewSeed draws the augmented views: the same for any -seed, which may then share them.
const viewSeed = 1

// featuresPath is the file of the images' features.
func featuresPath(s *settings) string {
	dir := s.cache
	if dir == "" || dir == noCache {
		dir = s.out
	}
	return filepath.Join(dir, "features.safetensors")
}

// images are what a model learns from: photographs, or the features that its frozen layers
// make of them, which are kept where no training changes them.
type images struct {
	*settings
	set              *data.Set
	plain, augmented data.Transform
	features         *features.Cache // nil if photographs are read
	skipped          int             // that cannot be read
}

// cacheable returns the layer whose features can be kept. Before the first layer there is
// nothing to save.
func cacheable(s *settings, m *promptcam.Model) (layer int, ok bool) {
	layer, ok = m.Layer()
	return layer, ok && layer > 0 && s.cache != noCache
}

// open makes the features of the images in training lists, in -views views, and in others,
// or looks whether their photographs can be read. Those that cannot are treated by leaveOut.
func (im *images) open(ctx context.Context, c *console, m *promptcam.Model, training, others []*[]data.Item) (err error) {
	all := append(training[:len(training):len(training)], others...)
	layer, ok := cacheable(im.settings, m)
	if !ok {
		im.skipped, err = check(ctx, im.settings, c, im.set, all...)
		return err
	}
	var records []features.Record
	for i, l := range all {
		views := 1
		if i < len(training) {
			views = im.Views
		}
		records = append(records, features.Records(views, *l)...)
	}
	b := m.Backbone
	source := features.Source{Backbone: b.SHA256, Arch: b.Config, Layer: layer, Plain: im.plain, Augmented: im.augmented, Seed: viewSeed}
	if im.features, err = openFeatures(im.settings, c, source, records); err != nil {
		return err
	}
	meter, began := c.meter(len(records)), time.Now()
	bad, err := im.features.Fill(ctx, im.set.FS, b, features.FillConfig{
		Workers: im.workers, Progress: func(done, total int) { meter.show("features", done, total, "") },
	})
	if err != nil {
		return err
	}
	st := im.features.Stats()
	made := fmt.Sprintf("%d made in %.0f s", st.Made, time.Since(began).Seconds())
	if st.Torn > 0 {
		made += fmt.Sprintf(", %d of them because they were torn", st.Torn)
	}
	if st.Changed > 0 {
		made += fmt.Sprintf(", %d of them because photographs have changed", st.Changed)
	}
	c.say("features of layer %d in %s: %d reused, %s", layer, featuresPath(im.settings), st.Reused, made)
	im.skipped, err = leaveOut(im.settings, c, bad, all...)
	return err
}

// openFeatures opens the file of features. In a -cache others may need a file that does not fit;
// in -out it is replaced.
func openFeatures(s *settings, c *console, source features.Source, records []features.Record) (*features.Cache, error) {
	path, in := featuresPath(s), "cache"
	if s.cache == "" {
		in = "out"
	}
	cache, err := features.Open(path, source, records)
	mismatch := errors.As(err, new(*features.MismatchError))
	switch {
	case mismatch && s.cache == "":
		c.warn("%v: made anew", err)
		if err := os.Remove(path); err != nil {
			return nil, fmt.Errorf("-out: %w", err)
		}
		if cache, err = features.Open(path, source, records); err != nil {
			return nil, fmt.Errorf("-out: %w", err)
		}
	case mismatch:
		return nil, fmt.Errorf("-cache: %w: choose another folder, or delete the file", err)
	case errors.As(err, new(*fs.PathError)):
		return nil, fmt.Errorf("-%s: %w", in, err)
	case err != nil:
		return nil, fmt.Errorf("-%s: %w: delete the file, and it is made anew", in, err)
	}
	return cache, nil
}

// close ends the use of the features, which were only read since they were made.
func (im *images) close() {
	if im.features != nil {
		im.features.Close()
	}
}

// batches returns batches of items, to train on or as they are.
func (im *images) batches(items []data.Item, training bool) (promptcam.Batches, error) {
	views, transform := 1, im.plain
	if training {
		views, transform = im.Views, im.augmented
	}
	if im.features != nil {
		return im.features.Loader(items, features.LoaderConfig{Views: views, Batch: im.Batch, Shuffle: training, Seed: im.Seed})
	}
	return data.NewLoader(im.set.FS, items, data.LoaderConfig{Transform: transform, Batch: im.Batch, Shuffle: training, Seed: im.Seed, Workers: im.workers})
}
