package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/promptcam/promptcam/data/download"
	"github.com/promptcam/promptcam/promptcam"
	"github.com/promptcam/promptcam/tensor/checkpoint"
	"github.com/promptcam/promptcam/vit/pretrained"
)

// published is what -download fetches, from those who made it.
var published = struct {
	photographs download.File
	weights     map[string]download.File // by the preset's name
}{
	// Caltech gives the MD5; the SHA-256 is that in the list of TensorFlow Datasets
	// (tensorflow_datasets/url_checksums/caltech_birds2011.txt), which has the same size.
	photographs: download.File{
		URL: "https://data.caltech.edu/records/65de6-vp158/files/CUB_200_2011.tgz", Size: 1150585339,
		MD5: "97eceeb196236b17998738112f37df78", SHA256: "0c685df5597a8b24909f6a7c9db6d11e008733779a671760afef78feb49bf081",
	},
	// The addresses are those of hubconf.py in github.com/facebookresearch/dino, whose authors give no hash.
	weights: map[string]download.File{
		// No SHA-256 of this file is published anywhere that we know: the size that others report of it
		// is checked, and package download holds later uses to what came first.
		"dino-vits16": {URL: "https://dl.fbaipublicfiles.com/dino/dino_deitsmall16_pretrain/dino_deitsmall16_pretrain.pth", Size: 86710517},
		// Several projects that have nothing to do with each other recorded this size and SHA-256.
		"dino-vitb16": {
			URL: "https://dl.fbaipublicfiles.com/dino/dino_vitbase16_pretrain/dino_vitbase16_pretrain.pth", Size: 343242485,
			SHA256: "bf34ad0f424b9029b593e8dc3ed553bf26e88bcba0d32bf3e62a6209cb64c85e",
		},
	},
}

// defaultWeights are small: a quarter of the multiplications of dino-vitb16, with which the paper's
// authors work.
const defaultWeights = "dino-vits16"

// cubFiles are the limits of the archive of photographs, which has 12,005 entries.
var cubFiles = download.Limits{Files: 20000, Bytes: 4 << 30}

// wanted is what -download has to see to.
type wanted struct {
	folder      string // the program's in the user cache
	photographs bool
	weights     string // a name in published; empty: none
}

func (w *wanted) archive() string  { return filepath.Join(w.folder, "CUB_200_2011.tgz") }
func (w *wanted) unpacked() string { return filepath.Join(w.folder, "CUB_200_2011") }
func (w *wanted) images() string   { return filepath.Join(w.unpacked(), "CUB_200_2011") }
func (w *wanted) backbone() string { return filepath.Join(w.folder, w.weights+".pth") } // vit.Detect reads the family from it

func isPublished(weights string) bool {
	_, ok := published.weights[weights]
	return ok
}

// known lists the names of the weights.
func known() string { return strings.Join(sortedKeys(published.weights), ", ") }

// downloads finds out what -download has to fetch and lets -data and -weights name where it will
// be. Without the flag it says what a name in -weights is missing.
func (s *settings) downloads() error {
	if !s.download {
		if isPublished(s.weights) && !exists(s.weights) {
			return usage("-weights %s is no file: with -download the weights of that name are fetched", s.weights)
		}
		return nil
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return fmt.Errorf("-download: %w", err)
	}
	w := &wanted{folder: filepath.Join(cache, "promptcam")}
	if w.weights, err = s.publishedWeights(); err != nil {
		return err
	}
	if w.weights != "" {
		s.weights = w.backbone()
	}
	if s.data == "" && len(s.explain) == 0 && s.addClass == "" {
		w.photographs, s.data = true, w.images()
	}
	if !w.photographs && w.weights == "" {
		return usage("-download has nothing to fetch: CUB-200-2011 in the place of -data, and the weights %s by their names in -weights", known())
	}
	s.fetches = w
	return nil
}

// publishedWeights returns the name of the weights to fetch; empty: none. What is wrong is said
// before anything large is downloaded.
func (s *settings) publishedWeights() (string, error) {
	switch {
	case isPublished(s.weights):
		return s.weights, nil
	case s.ownWeights:
		return "", nil
	case s.weights != "" && !exists(s.weights):
		return "", usage("-weights %s: no such file, and -download knows %s", s.weights, known())
	case s.load != "" && !exists(s.load):
		return "", fmt.Errorf("-load %s: no such file", s.load)
	case s.weights != "":
		return "", nil
	case s.load == "":
		return defaultWeights, nil
	}
	f, err := checkpoint.Open(s.load)
	if err != nil {
		return "", nil // evaluate says
	}
	defer f.Close() // it is only read
	info, err := promptcam.ReadInfo(f)
	if err != nil {
		return "", nil // an official checkpoint, which has its own, or none at all: evaluate says
	}
	if info.Backbone.SHA256 == pretrained.Birds().SHA256 {
		return "", nil
	}
	if name := info.Backbone.Config.Name; !isPublished(name) {
		return "", usage("-weights is missing: %s was trained on %s, and -download knows %s", s.load, name, known())
	}
	return info.Backbone.Config.Name, nil
}

// fetch downloads what is wanted and is not there yet.
func (w *wanted) fetch(ctx context.Context, c *console) (err error) {
	defer func() {
		if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
			err = interrupted{fmt.Sprintf("what has been downloaded is in %s: the same flags go on", w.folder), err}
		} else if err != nil {
			err = fmt.Errorf("-download: %w", err)
		}
	}()
	unlock, err := download.Lock(ctx, filepath.Join(w.folder, ".lock"), func() { c.say("another process downloads to %s: waiting for it", w.folder) })
	if err != nil {
		return err
	}
	defer unlock()
	if w.weights != "" {
		if err := get(ctx, c, published.weights[w.weights], w.backbone()); err != nil {
			return err
		}
		c.say("weights: %s", w.backbone())
	}
	if w.photographs {
		if err := w.birds(ctx, c); err != nil {
			return err
		}
		c.say("photographs: %s", w.images())
	}
	return nil
}

// birds downloads and unpacks the photographs, unless they are there; the archive does not stay.
func (w *wanted) birds(ctx context.Context, c *console) error {
	if exists(w.unpacked()) {
		return nil
	}
	if err := get(ctx, c, published.photographs, w.archive()); err != nil {
		return err
	}
	p := c.traffic("unpacking " + filepath.Base(w.archive()))
	if err := download.Unpack(ctx, w.archive(), w.unpacked(), cubFiles, p.show); err != nil {
		return err
	}
	return os.Remove(w.archive())
}

// get downloads a file.
func get(ctx context.Context, c *console, f download.File, path string) error {
	if !exists(path) {
		c.say("downloading %s, %.0f MB", f.URL, float64(f.Size)/1e6)
	}
	o := download.DefaultOptions()
	o.Progress = c.traffic("downloading " + filepath.Base(path)).show
	return f.Fetch(ctx, path, o)
}

// traffic shows how far bytes have come.
type traffic struct {
	c       *console
	what    string
	began   time.Time
	skipped int64 // that were there before
}

func (c *console) traffic(what string) *traffic {
	c.last = time.Now()
	return &traffic{c: c, what: what, skipped: -1}
}

// show tells that done of total bytes are done.
func (t *traffic) show(done, total int64) {
	c, now := t.c, time.Now()
	if t.skipped < 0 {
		t.began, t.skipped = now, done
	}
	every := plainEvery
	if c.width != nil {
		every = barEvery
	}
	if c.quiet || now.Sub(c.last) < every {
		return
	}
	c.last = now
	rate := float64(done-t.skipped) / now.Sub(t.began).Seconds()
	text := fmt.Sprintf("%.0f/%.0f MB", float64(done)/1e6, float64(total)/1e6)
	if rate > 0 {
		text += fmt.Sprintf("  %.1f MB/s  %s left", rate/1e6, clock(time.Duration(float64(total-done)/rate*float64(time.Second))))
	}
	if c.width == nil {
		c.say("%s  %s", t.what, text)
		return
	}
	line := t.what + " " + bar(int(done>>10), int(total>>10), min(30, c.width()-len(t.what)-len(text)-5)) + " " + text
	fmt.Fprintf(c.stderr, "\r\x1b[K%.*s", c.width()-1, line)
	c.drawn = true
}
