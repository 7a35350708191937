package run

import (
	"cmp"
	"errors"
	"io/fs"

	"github.com/promptcam/promptcam/data"
	"github.com/promptcam/promptcam/nn/fit/knob"
	"github.com/promptcam/promptcam/promptcam"
	"github.com/promptcam/promptcam/promptcam/figure"
)

// Job is what Train, Resume, Evaluate, AddClass, Explain and Predict work with: a recipe, images, and where
// and how results are shown. NewJob makes one; for Explain and Predict alone a zero setting is its default. As
// JSON a job is its Recipe.
type Job struct {
	Recipe
	Set   *data.Set         // images of a folder
	Notes *data.Annotations // where things are in them; nil: the maps of test images are not measured
	Title string            // of the report; empty: the name of the set's folder

	Program string // name and version of the program, and
	Command string // the command line, without paths of folders: both are shown in the report

	Photos fs.FS // of the photographs named to Explain and Predict; nil: plain paths

	// ModelDir is the folder of a trained model; may be empty. Its cached features are read where they fit.
	ModelDir string

	Workers int    `knob:"workers" json:"-" group:"Photographs" range:"[0,1024]" help:"images decoded at a time; 0: as many as processors"`
	SkipBad bool   `knob:"skip-bad" json:"-" help:"skip unreadable images (default: list them and stop)"`
	Cache   string `knob:"cache" json:"-" arg:"folder" help:"folder of cached features, the output of the frozen layers (mode last, and from:N with --agnostic 0): computed once for all runs with the same photographs, backbone and --augment. Empty: --out, and for a trained model its own folder; off: none"`

	Out      string  `knob:"out" json:"-" group:"Results" default:"out" arg:"folder" help:"folder of the results"`
	Baseline bool    `knob:"baseline" json:"-" help:"also test a linear probe and the nearest class mean on the class token (needs cached features). With --distill they are tested anyway"`
	Coverage float64 `knob:"coverage" json:"-" default:"0.95" range:"(0,1)" arg:"share" help:"share of photographs whose prediction set has the true class. Sets need images that were held out from training: --calibrate or --val"`
	Samples  int     `knob:"samples" json:"-" default:"2" range:"[0,1000]" help:"test images of each class explained in the report"`
	Top      int     `knob:"top" json:"-" default:"4" range:"[1,1000]" help:"heads shown, top-ranked first, and by their evidence"`
	Blur     string  `knob:"blur" json:"-" default:"patches" choices:"patches all" arg:"columns" help:"heads are ranked by spreading their attention evenly over patches (the paper) or over all tokens (the authors' code)"`
	Scale    string  `knob:"scale" json:"-" default:"absolute" choices:"absolute relative" arg:"kind" help:"colour scale of the maps: absolute (one for all evidence and one for all attention of a photograph) or relative (each map's own)"`
	Colormap string  `knob:"colormap" json:"-" default:"inferno" choices:"inferno viridis jet" arg:"name" help:"colours of attention: inferno, viridis or, to compare with other figures, jet, whose uneven lightness misleads"`

	Observer Observer
}

// NewJob returns a job with the default settings.
func NewJob(r Recipe, set *data.Set, out string) *Job {
	j := &Job{}
	knob.Defaults(j)
	j.Recipe, j.Set, j.Out = r, set, out
	return j
}

// Validate says what is wrong with the settings, or returns nil. Train, Resume, Evaluate, AddClass and Refer call it;
// Explain and Predict check what they use.
func (j *Job) Validate() error {
	if j.Out == "" {
		return errors.New("--out is empty, want a folder")
	}
	return cmp.Or(knob.Check(j), j.Recipe.Validate())
}

// begin checks j and occupies Out for work on the images of Set.
func (j *Job) begin() (free func(), err error) {
	if err := j.Validate(); err != nil {
		return nil, err
	}
	if j.Set == nil {
		return nil, errors.New("a job without a Set: OpenSet opens a folder of photographs")
	}
	return j.occupy(j.Set)
}

// forPhotos returns what Explain and Predict use of j, with the defaults in place of zeros.
func (j *Job) forPhotos() (*Job, error) {
	p := NewJob(Quick(), nil, j.Out)
	p.Top, p.Blur, p.Scale, p.Colormap = cmp.Or(j.Top, p.Top), cmp.Or(j.Blur, p.Blur), cmp.Or(j.Scale, p.Scale), cmp.Or(j.Colormap, p.Colormap)
	p.SkipBad, p.Observer, p.Photos, p.ModelDir, p.Set = j.SkipBad, j.Observer, j.Photos, j.ModelDir, j.Set
	return p, knob.Check(p)
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
