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
	"github.com/promptcam/promptcam/tensor/machine"
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
		// No SHA-256 of this file is published anywhere that we know: the size that others report of it is
		// checked, and package download holds later uses to what came first.
		"dino-vits16": {URL: "https://dl.fbaipublicfiles.com/dino/dino_deitsmall16_pretrain/dino_deitsmall16_pretrain.pth", Size: 86710517},
		// Several projects that have nothing to do with each other recorded this size and SHA-256.
		"dino-vitb16": {
			URL: "https://dl.fbaipublicfiles.com/dino/dino_vitbase16_pretrain/dino_vitbase16_pretrain.pth", Size: 343242485,
			SHA256: "bf34ad0f424b9029b593e8dc3ed553bf26e88bcba0d32bf3e62a6209cb64c85e",
		},
	},
}

// defaultWeights take a quarter of the multiplications of dino-vitb16, the paper's.
const defaultWeights = "dino-vits16"

// cubFiles are the limits of the archive of photographs, which has 12,005 entries.
var cubFiles = download.Limits{Files: 20000, Bytes: 4 << 30}

// fetchWeights downloads, with --download, the weights that --weights names or, if it names none, those of a
// name, which may be empty; and lets --weights name them.
func (s *source) fetchWeights(ctx context.Context, name string) error {
	_, known := published.weights[s.Weights]
	known = known && !exists(s.Weights)
	switch {
	case !s.Download && known:
		return console.Usagef("--weights %s is no file: with --download the weights of that name are fetched", s.Weights)
	case !s.Download:
		return nil
	case known:
		name = s.Weights
	case s.Weights != "" && !s.bundled() && !exists(s.Weights):
		return console.Usagef("--weights %s: no such file, and --download knows %s", s.Weights, names())
	case s.Weights != "" && s.Data != "" && name != "":
		return console.Usagef("--download has nothing to fetch: CUB-200-2011 in the place of --data, and the weights %s by their names in --weights", names())
	case s.Weights != "" || name == "":
		return nil
	}
	return s.fetch(ctx, func(folder string) error {
		s.Weights = filepath.Join(folder, name+".pth") // vit.Detect reads the family from it
		if err := s.get(ctx, published.weights[name], s.Weights); err != nil {
			return err
		}
		s.console.Say("weights: " + s.Weights)
		return nil
	})
}

// fetchPhotographs downloads, with --download, what --data does not name, and lets it name them.
func (s *source) fetchPhotographs(ctx context.Context) error {
	if !s.Download || s.Data != "" {
		return nil
	}
	return s.fetch(ctx, func(folder string) error {
		archive, unpacked := filepath.Join(folder, "CUB_200_2011.tgz"), filepath.Join(folder, "CUB_200_2011")
		s.Data = filepath.Join(unpacked, "CUB_200_2011")
		if !exists(unpacked) {
			if err := s.get(ctx, published.photographs, archive); err != nil {
				return err
			}
			if err := download.Unpack(ctx, archive, unpacked, cubFiles, s.console.Traffic("unpacking "+filepath.Base(archive))); err != nil {
				return err
			}
			if err := os.Remove(archive); err != nil {
				return err
			}
		}
		s.console.Say("photographs: " + s.Data)
		return nil
	})
}

// names lists the weights that can be downloaded.
func names() string { return strings.Join(slices.Sorted(maps.Keys(published.weights)), ", ") }

// fetch runs a download to the program's folder in the user's cache, which no other process then downloads
// to.
func (s *source) fetch(ctx context.Context, to func(folder string) error) error {
	cache, err := os.UserCacheDir()
	if err != nil {
		return fmt.Errorf("--download: %w", err)
	}
	folder := filepath.Join(cache, "promptcam")
	unlock, err := machine.Lock(ctx, filepath.Join(folder, ".lock"), func() {
		s.console.Say(fmt.Sprintf("another process downloads to %s: waiting for it", folder))
	})
	if err == nil {
		defer unlock()
		err = to(folder)
	}
	if err != nil {
		err = fmt.Errorf("--download: %w", err)
	}
	return console.Interrupted(ctx, err, func() string {
		return fmt.Sprintf("what has been downloaded is in %s: the same line continues", folder)
	})
}

func (s *source) get(ctx context.Context, f download.File, path string) error {
	if !exists(path) {
		s.console.Say(fmt.Sprintf("downloading %s, %.0f MB", f.URL, float64(f.Size)/1e6))
	}
	o := download.DefaultOptions()
	o.Progress = s.console.Traffic("downloading " + filepath.Base(path))
	return f.Fetch(ctx, path, o)
}
