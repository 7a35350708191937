package run

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/promptcam/promptcam/data"
	"github.com/promptcam/promptcam/nn/fit/knob"
	"github.com/promptcam/promptcam/promptcam"
	"github.com/promptcam/promptcam/promptcam/figure"
)

// Job is what Train, Resume, Evaluate, AddClass and Explain work with: a recipe, images, and where and
// how results are shown.
type Job struct {
	Recipe
	Set   *data.Set         // images of a folder
	Notes *data.Annotations // where things are in them; nil: the maps of test images are not measured
	Title string            // of the report; empty: the name of the folder

	// ModelDir is the folder of a trained model; may be empty. Its cached features are used where they fit.
	ModelDir string

	Workers int    `knob:"workers" json:"-" group:"Photographs" range:"[0,)" help:"images decoded at a time; 0: as many as processors"`
	SkipBad bool   `knob:"skip-bad" json:"-" help:"skip unreadable images (default: list them and stop)"`
	Cache   string `knob:"cache" json:"-" arg:"folder" help:"folder of cached features, the output of the frozen layers (mode last, and from:N with --agnostic 0): computed once for all runs with the same photographs, backbone and --augment. Empty: --out, and for a trained model its own folder; off: none"`

	Out      string `knob:"out" json:"-" group:"Results" default:"out" arg:"folder" help:"folder of the results"`
	Baseline bool   `knob:"baseline" json:"-" help:"also test a linear probe and the nearest class mean on the class token (needs cached features). With --distill they are tested anyway"`
	Samples  int    `knob:"samples" json:"-" default:"2" range:"[0,)" help:"test images of each class explained in the report"`
	Top      int    `knob:"top" json:"-" default:"4" range:"[1,)" help:"heads shown, the most important first"`
	Blur     string `knob:"blur" json:"-" default:"patches" choices:"patches all" arg:"columns" help:"heads are ranked by spreading their attention evenly over patches (the paper) or over all tokens (the authors' code)"`
	Scale    string `knob:"scale" json:"-" default:"absolute" choices:"absolute relative" arg:"kind" help:"colour scale of the maps: absolute (one for all maps of a photograph) or relative (each map's own)"`
	Colormap string `knob:"colormap" json:"-" default:"inferno" choices:"inferno viridis jet" arg:"name" help:"colours of the maps: inferno, viridis or jet"`

	Observer Observer
}

// NewJob returns a job with the default settings.
func NewJob(r Recipe, set *data.Set, out string) *Job {
	j := &Job{}
	knob.Defaults(j)
	j.Recipe, j.Set, j.Out = r, set, out
	return j
}

// Validate says what is wrong with the settings, or returns nil.
func (j *Job) Validate() error {
	if j.Out == "" {
		return errors.New("--out is empty, want a folder")
	}
	return knob.Check(j)
}

func (j *Job) blur() promptcam.Blur {
	return map[string]promptcam.Blur{"patches": promptcam.BlurPatches, "all": promptcam.BlurAll}[j.Blur]
}

func (j *Job) style() figure.Style {
	return figure.Style{
		Map:   map[string]figure.Colormap{"inferno": figure.Inferno, "viridis": figure.Viridis, "jet": figure.Jet}[j.Colormap],
		Scale: map[string]figure.Scale{"absolute": figure.Absolute, "relative": figure.Relative}[j.Scale],
	}
}

// noCache is the Cache that means none.
const noCache = "off"

// The files in Out.
const (
	modelName    = "model.safetensors"
	featuresName = "features.safetensors"
	stateName    = "state.safetensors"
	metricsName  = "metrics.json"
	predictions  = "predictions.csv"
	historyName  = "history.csv"
	curvesName   = "curves.png"
	traitsName   = "traits.csv"
	reportName   = "report/index.html"
)

func (j *Job) path(name string) string { return filepath.Join(j.Out, filepath.FromSlash(name)) }

// writable makes the folders of a setting and tries to write in them.
func writable(flag string, dirs ...string) error {
	for _, dir := range dirs {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return fmt.Errorf("--%s: %w", flag, err)
		}
		f, err := os.CreateTemp(dir, ".try.*")
		if err != nil {
			return fmt.Errorf("--%s: cannot write in %s: %w", flag, dir, err)
		}
		f.Close() // nothing was written
		if err := os.Remove(f.Name()); err != nil {
			return fmt.Errorf("--%s: %w", flag, err)
		}
	}
	return nil
}

func exists(path ...string) bool {
	_, err := os.Stat(filepath.Join(path...))
	return err == nil
}

// enoughSpace returns an error if a file of so many bytes is more than what is free on dir's disk.
func enoughSpace(dir string, bytes int64) error {
	if free, known := freeSpace(dir); known && free < bytes {
		return fmt.Errorf("features need %.0f MB in %s, where %.0f MB are free", float64(bytes)/1e6, dir, float64(free)/1e6)
	}
	return nil
}
