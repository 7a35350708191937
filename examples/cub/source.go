package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/promptcam/promptcam/data/birds"
	"github.com/promptcam/promptcam/data/download"
	"github.com/promptcam/promptcam/examples/internal/console"
	"github.com/promptcam/promptcam/promptcam/run"
	"github.com/promptcam/promptcam/tensor/checkpoint"
	"github.com/promptcam/promptcam/vit"
	"github.com/promptcam/promptcam/vit/pretrained"
)

// own names the synthetic birds in --data, and in --weights the bundled backbone. A folder or file of that
// name comes first.
const own = "birds"

// photographs are the images that a command works on.
type photographs struct {
	Data     string `knob:"data" group:"Photographs" arg:"folder" help:"a folder with one sub-folder of photographs per class, CUB-200-2011 as published and unpacked, or {train,val|test}/CLASS/*; birds: synthetic birds, kept in the user's cache folder"`
	Download bool   `knob:"download" help:"without --data use CUB-200-2011 (1.2 GB), without --weights DINO's ViT-S/16 (87 MB), downloaded from their publishers into the user's cache folder, verified, and resumed where interrupted"`
	Classes  words  `knob:"classes" arg:"list" help:"use these classes alone, by name or number: 4,5,Scott_Oriole"`
	Traits   string `knob:"traits" group:"Results" default:"auto" choices:"auto off" arg:"when" help:"measure where the maps of the test images point, if --data has annotations (CUB's parts and bounding_boxes.txt, or masks): auto or off"`
}

// drawn tells whether the photographs are the synthetic birds.
func (p *photographs) drawn() bool { return p.Data == own && !exists(own) }

// open opens the photographs for a job; synthetic birds are rendered first, unless they are there.
func (p *photographs) open(ctx context.Context, c *console.Console, job *run.Job) (err error) {
	dir := p.Data
	if p.drawn() {
		job.Title = "synthetic birds"
		if dir, err = render(ctx, c); err != nil {
			return fmt.Errorf("--data %s: %w", own, err)
		}
	}
	if parent := filepath.Dir(filepath.Clean(dir)); filepath.Base(dir) == "images" && exists(parent, "images.txt") {
		c.Warn(fmt.Sprintf("--data %s: read as class folders, of which --test are held out; --data %s has the published test images", dir, parent))
	}
	if job.Set, err = run.OpenSet(dir, job.Recipe, p.Classes...); err != nil {
		return err
	}
	for _, s := range job.Set.Skipped {
		c.Warn(fmt.Sprintf("--data %s: %s", dir, s))
	}
	if p.Traits == "auto" {
		job.Notes, err = run.OpenNotes(dir)
	}
	return err
}

// check returns an error if the photographs are not named or one of the folders is a file.
func (p *photographs) check(job *run.Job) error {
	if p.Data == "" && !p.Download {
		return console.Usagef("--data is missing: the folder of photographs; %s are synthetic ones", own)
	}
	for _, f := range []struct{ flag, dir string }{{"data", p.Data}, {"out", job.Out}, {"cache", job.Cache}} {
		if isFile(f.dir) {
			return fmt.Errorf("--%s %s is a file, want a folder", f.flag, f.dir)
		}
	}
	return nil
}

// again says what to do about synthetic birds that cannot be read.
func (p *photographs) again(err error, job *run.Job) error {
	var bad *run.BadImagesError
	if p.drawn() && errors.As(err, &bad) {
		return fmt.Errorf("%d of %d synthetic birds cannot be read, listed above: delete the folder %s, and they are rendered again", len(bad.Bad), bad.All, job.Set.Root)
	}
	return err
}

// drawnBirds are the images of --data birds.
var drawnBirds = birds.DefaultConfig()

// render renders the synthetic birds into the user's cache folder, unless they are there.
func render(ctx context.Context, c *console.Console) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	config := drawnBirds
	// Birds that are rendered differently go to another folder.
	sum := sha256.Sum256(fmt.Append(config.Draw(0, 0).RGB.Pix, config))
	dir := filepath.Join(cache, "promptcam", fmt.Sprintf("drawn-birds-%x", sum[:4]))
	if exists(dir) {
		return dir, nil
	}
	unlock, err := download.Lock(ctx, dir+".lock", func() { c.Say("another process renders the birds: waiting for it") })
	if err != nil {
		return "", err
	}
	defer unlock()
	if exists(dir) {
		return dir, nil
	}
	c.Say(fmt.Sprintf("rendering birds of %d species, %d images of each, in %s", len(config.Species), config.Train+config.Test, dir))
	return dir, birds.Write(ctx, dir, config)
}

// backbone is the pre-trained vision transformer.
type backbone struct {
	Weights string `knob:"weights" group:"Model" arg:"file" help:"the pre-trained backbone: safetensors, or PyTorch's .pt, .pth, .bin; with --download also dino-vits16 or dino-vitb16 (343 MB; the paper's); birds: the small bundled one, for mode last, which knows synthetic birds alone"`
	Arch    string `knob:"arch" default:"auto" arg:"name" help:"the backbone's architecture: auto, a preset such as dino-vitb16, or a .json file with the fields of vit.Config"`
	Size    pixels `knob:"size" default:"0" arg:"pixels" help:"image size: 224, or height x width such as 224x320; 0: the architecture's own"`
}

// bundled tells whether the weights are those of the bundled backbone.
func (b *backbone) bundled() bool { return b.Weights == own && !isFile(own) }

// named returns an error if the weights are not named.
func (b *backbone) named() error {
	switch {
	case b.Weights == "":
		return console.Usagef("--weights is missing: the file of the pre-trained backbone; %s is a small one that knows synthetic birds alone", own)
	case b.bundled() && b.Arch != "auto":
		return console.Usagef("--arch is given, but the architecture of --weights %s is known", own)
	}
	return nil
}

// file opens the weights.
func (b *backbone) file() (*checkpoint.File, error) {
	if b.bundled() {
		return pretrained.BirdsFile(), nil
	}
	f, err := checkpoint.Open(b.Weights)
	if err != nil {
		return nil, fmt.Errorf("--weights: %w", err)
	}
	return f, nil
}

// load loads the backbone.
func (b *backbone) load() (*vit.Model, error) {
	f, err := b.file()
	if err != nil {
		return nil, err
	}
	defer f.Close() // it is only read
	c, err := b.config(f)
	if err != nil {
		return nil, err
	}
	m, err := vit.LoadFrom(f, c)
	if err == nil {
		return m, nil
	}
	if found, wrong := vit.Detect(f); wrong == nil && b.Arch != "auto" && found.Name != c.Name {
		return nil, fmt.Errorf("--weights %s are a %s, and --arch is %s: leave --arch out", b.Weights, found.Name, b.Arch)
	}
	return nil, fmt.Errorf("--weights %s, --arch %s: %w", b.Weights, b.Arch, err)
}

// config returns the architecture that --arch and --size ask for.
func (b *backbone) config(weights *checkpoint.File) (c vit.Config, err error) {
	switch {
	case b.Arch == "auto":
		c, err = vit.Detect(weights)
	case strings.HasSuffix(b.Arch, ".json"):
		c, err = readConfig(b.Arch)
	default:
		c, err = vit.Preset(b.Arch)
	}
	if err != nil {
		return c, fmt.Errorf("--arch: %w", err)
	}
	c.Labels = 0 // the pre-trained classifier is of no use here
	if b.Size != (pixels{}) {
		c.ImageSize = b.Size
	}
	if err := c.Validate(); err != nil {
		return c, fmt.Errorf("--arch %s, --size: %w", b.Arch, err)
	}
	return c, nil
}

func readConfig(path string) (c vit.Config, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return c, err
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&c); err != nil {
		return c, fmt.Errorf("%s: want a JSON object with the fields of vit.Config: %w", path, err)
	}
	return c, nil
}

func exists(path ...string) bool {
	_, err := os.Stat(filepath.Join(path...))
	return err == nil
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && !info.IsDir()
}
