package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/promptcam/promptcam/features"
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

// openCache opens the features of the run's images, or makes them. Images that
// cannot be read are treated as check does.
func (t *training) openCache(ctx context.Context, layer int) error {
	augmented, eval := transforms(t.Augment, t.model.Backbone.Config)
	b := t.model.Backbone
	source := features.Source{Backbone: b.SHA256, Arch: b.Config, Layer: layer, Plain: eval, Augmented: augmented, Seed: viewSeed}
	records := append(features.Records(t.Views, t.set.Train), features.Records(1, t.set.Val, t.set.Test)...)
	path := featuresPath(t.settings)
	cache, err := features.Open(path, source, records)
	var mismatch *features.MismatchError
	if errors.As(err, &mismatch) && t.cache == "" {
		t.c.warn("%v: made anew", err)
		if err := os.Remove(path); err != nil {
			return fmt.Errorf("-out: %w", err)
		}
		cache, err = features.Open(path, source, records)
	}
	if errors.As(err, &mismatch) {
		return fmt.Errorf("-cache: %w: choose another folder, or delete the file", err)
	}
	if err != nil {
		return fmt.Errorf("-cache: %w", err)
	}
	t.features = cache
	m, began := t.c.meter(len(records)), time.Now()
	bad, err := cache.Fill(ctx, t.set.Root, b, features.FillConfig{
		Workers: t.workers, Progress: func(done, total int) { m.show("features", done, total, "") },
	})
	if err != nil {
		return err
	}
	st := cache.Stats()
	made := fmt.Sprintf("%d made in %.0f s", st.Made, time.Since(began).Seconds())
	if st.Torn > 0 {
		made += fmt.Sprintf(", %d of them because they were torn", st.Torn)
	}
	if st.Changed > 0 {
		made += fmt.Sprintf(", %d of them because photographs have changed", st.Changed)
	}
	t.c.say("features of layer %d in %s: %d reused, %s", layer, path, st.Reused, made)
	t.skipped, err = leaveOut(t.settings, t.c, bad, &t.set.Train, &t.set.Val, &t.set.Test)
	return err
}
