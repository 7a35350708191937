package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/promptcam/promptcam/data/download"
	"github.com/promptcam/promptcam/examples/internal/console"
	"github.com/promptcam/promptcam/promptcam"
	"github.com/promptcam/promptcam/tensor/checkpoint"
	"github.com/promptcam/promptcam/vit/pretrained"
)

// published is what --download fetches, from those who made it.
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

// wanted is what --download has to fetch.
type wanted struct {
	folder      string // the program's, in the user's cache
	photographs bool
	weights     string // a name in published; empty: none
}

func (w *wanted) archive() string  { return filepath.Join(w.folder, "CUB_200_2011.tgz") }
func (w *wanted) unpacked() string { return filepath.Join(w.folder, "CUB_200_2011") }
func (w *wanted) images() string   { return filepath.Join(w.unpacked(), "CUB_200_2011") }
func (w *wanted) backbone() string { return filepath.Join(w.folder, w.weights+".pth") } // vit.Detect reads the family from it

// fetch downloads, with --download, what --data and --weights do not name, for a model or, if that is
// empty, for training; and lets them name it.
func fetch(ctx context.Context, c *console.Console, p *photographs, b *backbone, model string) error {
	_, known := published.weights[b.Weights]
	if known = known && !exists(b.Weights); !p.Download {
		if known {
			return console.Usagef("--weights %s is no file: with --download the weights of that name are fetched", b.Weights)
		}
		return nil
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return fmt.Errorf("--download: %w", err)
	}
	w := &wanted{folder: filepath.Join(cache, "promptcam"), photographs: p.Data == ""}
	switch {
	case known:
		w.weights = b.Weights
	case b.Weights != "" && !b.bundled() && !exists(b.Weights):
		return console.Usagef("--weights %s: no such file, and --download knows %s", b.Weights, names())
	case b.Weights == "" && model == "":
		w.weights = defaultWeights
	case b.Weights == "":
		if w.weights, err = weightsOf(model); err != nil {
			return err
		}
	}
	if !w.photographs && w.weights == "" && model == "" {
		return console.Usagef("--download has nothing to fetch: CUB-200-2011 in the place of --data, and the weights %s by their names in --weights", names())
	}
	err = w.fetch(ctx, c)
	if w.photographs {
		p.Data = w.images()
	}
	if w.weights != "" {
		b.Weights = w.backbone()
	}
	if err != nil {
		err = fmt.Errorf("--download: %w", err)
	}
	return interrupted(ctx, err, func() string {
		return fmt.Sprintf("what has been downloaded is in %s: the same line continues", w.folder)
	})
}

// names lists the weights that can be downloaded.
func names() string { return strings.Join(slices.Sorted(maps.Keys(published.weights)), ", ") }

// weightsOf returns the name of the published weights that a model was trained on; empty for one that
// needs none. Whatever else is wrong with the file is for loading to say.
func weightsOf(model string) (string, error) {
	if !isFile(model) {
		model = filepath.Join(model, "model.safetensors")
	}
	f, err := checkpoint.Open(model)
	if err != nil {
		return "", fmt.Errorf("--model: %w", err)
	}
	defer f.Close() // it is only read
	info, err := promptcam.ReadInfo(f)
	if err != nil || info.Backbone.SHA256 == pretrained.Birds().SHA256 {
		return "", nil
	}
	name := info.Backbone.Config.Name
	if _, ok := published.weights[name]; !ok {
		return "", console.Usagef("--weights is missing: %s was trained on %s, and --download knows %s", model, name, names())
	}
	return name, nil
}

// fetch downloads what is wanted and is not there yet.
func (w *wanted) fetch(ctx context.Context, c *console.Console) error {
	unlock, err := download.Lock(ctx, filepath.Join(w.folder, ".lock"), func() {
		c.Say(fmt.Sprintf("another process downloads to %s: waiting for it", w.folder))
	})
	if err != nil {
		return err
	}
	defer unlock()
	if w.weights != "" {
		if err := get(ctx, c, published.weights[w.weights], w.backbone()); err != nil {
			return err
		}
		c.Say("weights: " + w.backbone())
	}
	if !w.photographs {
		return nil
	}
	if !exists(w.unpacked()) {
		if err := get(ctx, c, published.photographs, w.archive()); err != nil {
			return err
		}
		p := c.Traffic("unpacking " + filepath.Base(w.archive()))
		if err := download.Unpack(ctx, w.archive(), w.unpacked(), cubFiles, p); err != nil {
			return err
		}
		if err := os.Remove(w.archive()); err != nil {
			return err
		}
	}
	c.Say("photographs: " + w.images())
	return nil
}

// get downloads a file.
func get(ctx context.Context, c *console.Console, f download.File, path string) error {
	if !exists(path) {
		c.Say(fmt.Sprintf("downloading %s, %.0f MB", f.URL, float64(f.Size)/1e6))
	}
	o := download.DefaultOptions()
	o.Progress = c.Traffic("downloading " + filepath.Base(path))
	return f.Fetch(ctx, path, o)
}
