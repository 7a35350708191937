package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/promptcam/promptcam/data"
	"github.com/promptcam/promptcam/data/birds"
	"github.com/promptcam/promptcam/examples/internal/console"
	"github.com/promptcam/promptcam/promptcam"
	"github.com/promptcam/promptcam/promptcam/run"
	"github.com/promptcam/promptcam/tensor/checkpoint"
	"github.com/promptcam/promptcam/tensor/machine"
	"github.com/promptcam/promptcam/vit"
	"github.com/promptcam/promptcam/vit/pretrained"
)

// own names the synthetic birds in --data, and in --weights the bundled backbone. A folder or file of that
// name comes first.
const own = "birds"

// drawnBirds are the images of --data birds.
var drawnBirds = birds.DefaultConfig()

// source is what commands work with.
type source struct {
	Data     string `knob:"data" group:"Photographs" arg:"folder" help:"a folder with one sub-folder of photographs per class, CUB-200-2011 as published and unpacked, or {train,val|test}/CLASS/*; birds: synthetic birds, kept in the user's cache folder"`
	Download bool   `knob:"download" help:"without --weights use DINO's ViT-S/16 (87 MB) or what --model was trained on; without --data train, evaluate and traits use CUB-200-2011 (1.2 GB). They are downloaded from their publishers into the user's cache folder, verified, and resumed where interrupted"`
	Classes  words  `knob:"classes" arg:"list" help:"use these classes alone, by name or number: 4,5,Scott_Oriole"`
	Traits   string `knob:"traits" group:"Results" default:"auto" choices:"auto off" arg:"when" help:"measure where the maps of the test images point, if --data has annotations (CUB's parts and bounding_boxes.txt, or masks): auto or off"`
	Weights  string `knob:"weights" group:"Model" arg:"file" help:"the pre-trained backbone: safetensors, or PyTorch's .pt, .pth, .bin; with --download also dino-vits16 or dino-vitb16 (343 MB; the paper's); birds: the small bundled one, for mode last, which knows synthetic birds alone"`
	Arch     string `knob:"arch" default:"auto" arg:"name" help:"the backbone's architecture: auto, a preset such as dino-vitb16, or a .json file with the fields of vit.Config"`
	Size     pixels `knob:"size" default:"0" arg:"pixels" help:"image size: 224, or height x width such as 224x320; 0: the architecture's own"`
	run.Job
	console *console.Console
	bare    bool // nothing is named: own is meant, whatever files there are

	tested bool    // a trained model is tested on the photographs
	share  float64 // which of them is, in a folder without a test split; 0: all
	beside bool    // the photographs are shown beside others alone: none is tested, and annotations are not read
}

// drawn reports whether the photographs are the synthetic birds.
func (s *source) drawn() bool { return s.Data == own && (s.bare || !exists(own)) }

// bundled reports whether the weights are those of the bundled backbone.
func (s *source) bundled() bool { return s.Weights == own && (s.bare || !isFile(own)) }

// check returns an error if the photographs are not named or one of the folders is a file.
func (s *source) check() error {
	if s.Data == "" && !s.Download {
		return console.Usagef("--data is missing: the folder of photographs; %s are synthetic ones", own)
	}
	for _, f := range []struct{ flag, dir string }{{"data", s.Data}, {"out", s.Out}, {"cache", s.Cache}} {
		if isFile(f.dir) {
			return fmt.Errorf("--%s %s is a file, want a folder", f.flag, f.dir)
		}
	}
	return nil
}

// open opens the photographs, which are downloaded or drawn first, unless they are there.
func (s *source) open(ctx context.Context) error {
	if err := s.check(); err != nil {
		return err
	}
	if err := s.fetchPhotographs(ctx); err != nil {
		return err
	}
	dir := s.Data
	if s.drawn() {
		s.Title = "synthetic birds"
		var err error
		if dir, err = s.draw(ctx); err != nil {
			return fmt.Errorf("--data %s: %w", own, err)
		}
	}
	if parent := filepath.Dir(filepath.Clean(dir)); filepath.Base(dir) == "images" && exists(parent, "images.txt") {
		s.console.Warn(fmt.Sprintf("--data %s: read as class folders, of which --test are held out; --data %s has the published test images", dir, parent))
	}
	if !exists(dir) {
		return noFolder(dir)
	}
	if err := s.openSet(ctx, dir); err != nil {
		if inner := errors.Unwrap(err); inner != nil && strings.HasPrefix(err.Error(), "data: open ") {
			err = fmt.Errorf("%s: %w", dir, inner)
		}
		if len(s.Classes) == 0 {
			return fmt.Errorf("--data: %w", err)
		}
		if _, whole := run.OpenSet(dir, s.Recipe); whole == nil {
			return console.Usagef("--classes: %w", err)
		}
		return fmt.Errorf("--data, --classes: %w", err)
	}
	if left := data.LeftOut(s.Set.Skipped); left != "" {
		s.console.Warn(fmt.Sprintf("--data %s: %s", dir, left))
	}
	for _, remark := range s.Set.Remarks {
		s.console.Warn(fmt.Sprintf("--data %s: %s", dir, remark))
	}
	if s.Traits == "auto" && !s.beside {
		var err error
		if s.Notes, err = run.OpenNotes(dir); err != nil {
			return fmt.Errorf("--data: %w: --traits off goes without", err)
		}
	}
	return nil
}

// openSet opens the folder of photographs.
func (s *source) openSet(ctx context.Context, dir string) (err error) {
	if s.tested {
		return s.OpenTest(ctx, dir, s.share, s.Classes...)
	}
	if s.beside {
		s.Set, err = data.Open(dir, data.Options{Classes: s.Classes})
		return err
	}
	s.Set, err = run.OpenSet(dir, s.Recipe, s.Classes...)
	return err
}

// noFolder is the error of a folder that is not there.
func noFolder(dir string) error {
	hint := ""
	if filepath.Separator == '/' && strings.Contains(dir, `\`) {
		hint = `, and here folders are divided by /, not \`
	}
	entries, _ := os.ReadDir(filepath.Dir(dir)) // without them there is no hint
	var names []string
	for _, e := range entries {
		if e.IsDir() {
			names = append(names, e.Name())
		}
	}
	if near, ok := console.Nearest(names, filepath.Base(dir)); ok && hint == "" {
		hint = ", the nearest is " + filepath.Join(filepath.Dir(dir), near)
	}
	return fmt.Errorf("--data %s: no such folder%s", dir, hint)
}

// draw renders the synthetic birds into the user's cache folder, unless they are there.
func (s *source) draw(ctx context.Context) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	// Birds that are rendered differently go to another folder.
	sum := sha256.Sum256(fmt.Append(drawnBirds.Draw(0, 0).RGB.Pix, drawnBirds))
	dir := filepath.Join(cache, "promptcam", fmt.Sprintf("drawn-birds-%x", sum[:4]))
	if exists(dir) {
		return dir, nil
	}
	unlock, err := machine.Lock(ctx, dir+".lock", func() { s.console.Say("another process renders the birds: waiting for it") })
	if err != nil {
		return "", err
	}
	defer unlock()
	if exists(dir) {
		return dir, nil
	}
	s.console.Say(fmt.Sprintf("rendering birds of %d species, %d images of each, in %s", len(drawnBirds.Species), drawnBirds.Train+drawnBirds.Test, dir))
	return dir, birds.Write(ctx, dir, drawnBirds)
}

// ended says more about the error that a command ended with.
func (s *source) ended(ctx context.Context, err error, saved func() string) error {
	var bad *run.BadImagesError
	if s.drawn() && errors.As(err, &bad) {
		return fmt.Errorf("%d of %d synthetic birds cannot be read: delete the folder %s, and they are rendered again", len(bad.Bad), bad.All, s.Set.Root)
	}
	return console.Interrupted(ctx, err, saved)
}

// saved says what an interrupted command has left and how to continue it.
func (s *source) saved() string {
	for _, dir := range []string{s.Out, s.Cache} {
		if features := filepath.Join(dir, run.FeaturesFile); exists(features) {
			return "the same line starts again, with the features cached so far in " + features
		}
	}
	return "the same line starts again"
}

// openFile opens the file that a flag names.
func openFile(ctx context.Context, flag, path string) (*checkpoint.File, error) {
	f, err := checkpoint.OpenContext(ctx, path, checkpoint.Limits{})
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("--%s %s: no such file", flag, path)
	case err != nil && flag == "weights" && exists(path, run.ModelFile) && exists(path, run.MetricsFile):
		return nil, fmt.Errorf("--weights %s is the folder of a trained model, want the file of its backbone", path)
	case err != nil:
		return nil, fmt.Errorf("--%s: %w", flag, err)
	}
	return f, nil
}

// weights opens the file of the backbone.
func (s *source) weights(ctx context.Context) (*checkpoint.File, error) {
	if s.bundled() {
		return pretrained.BirdsFile(), nil
	}
	f, err := openFile(ctx, "weights", s.Weights)
	if err != nil {
		return nil, err
	}
	what := of(f)
	if _, err := promptcam.ReadInfo(f); err == nil {
		what = "a trained Prompt-CAM, which does not hold its backbone"
	}
	if what != "" {
		f.Close()
		return nil, fmt.Errorf("--weights %s is %s: want the file of a pre-trained backbone", s.Weights, what)
	}
	return f, nil
}

// loadBackbone loads the backbone.
func (s *source) loadBackbone(ctx context.Context) (*vit.Model, error) {
	f, err := s.weights(ctx)
	if err != nil {
		return nil, err
	}
	defer f.Close() // it is only read
	c, err := s.architecture(f, vit.Detect)
	if err != nil {
		return nil, err
	}
	m, err := vit.LoadFromContext(ctx, f, c)
	if err != nil {
		return nil, s.misfit(f, c, err)
	}
	if others := f.Others(); f.Key() != "" && len(others) > 0 {
		s.console.Warn(fmt.Sprintf("--weights %s: took %s, left %s aside: %[1]s#KEY takes another", s.Weights, f.Key(), few(others)))
	}
	if aside := vit.Aside(f); len(aside) > 0 {
		s.console.Warn(fmt.Sprintf("--weights %s: left aside what is no part of the backbone: %s", s.Weights, few(aside)))
	}
	return m, nil
}

// few names at most three of a file's tensors or dicts, and counts the rest.
func few(names []string) string {
	for i, name := range names {
		names[i] = data.Printable(name)
	}
	if n := len(names) - 3; n > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:3], ", "), n)
	}
	return strings.Join(names, ", ")
}

// misfit says more about the error of loading weights as architecture c.
func (s *source) misfit(weights *checkpoint.File, c vit.Config, err error) error {
	if found, wrong := vit.Detect(weights); wrong == nil && s.Arch != "auto" && found.Name != c.Name {
		return fmt.Errorf("--weights %s: these weights are a %s, %s; --arch %s is a %s: leave --arch out", s.Weights, found.Kind(), found.Name, s.Arch, c.Kind())
	}
	return fmt.Errorf("--weights %s, --arch %s: %w", s.Weights, s.Arch, err)
}

// architecture returns what --arch and --size ask for; for auto, what detect finds.
func (s *source) architecture(weights *checkpoint.File, detect func(vit.Header) (vit.Config, error)) (c vit.Config, err error) {
	switch {
	case s.Arch == "auto":
		if c, err = detect(weights); err != nil {
			return c, err // which --arch may not help
		}
	case strings.HasSuffix(s.Arch, ".json"):
		c, err = readArchitecture(s.Arch)
	default:
		c, err = vit.Preset(s.Arch)
	}
	if err != nil {
		return c, fmt.Errorf("--arch: %w", err)
	}
	c.Labels = 0 // the pre-trained classifier is of no use here
	if s.Size != (pixels{}) {
		c.ImageSize = s.Size
	}
	if err := c.Validate(); err != nil {
		if s.Size != (pixels{}) {
			return c, console.Usagef("--size %s: %w", &s.Size, err)
		}
		return c, fmt.Errorf("--arch %s: %w", s.Arch, err)
	}
	return c, nil
}

// readArchitecture reads a file as examples/pretrain writes it.
func readArchitecture(path string) (c vit.Config, err error) {
	text, err := data.ReadText(nil, path)
	if err != nil {
		return c, err
	}
	if c, err = vit.ReadConfig(bytes.NewReader(text)); err != nil {
		return c, fmt.Errorf("%s: %w", path, err)
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
