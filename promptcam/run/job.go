package run

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

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

	Workers int    `knob:"workers" json:"-" group:"Photographs" range:"[0,)" help:"images decoded at a time; 0: as many as processors"`
	SkipBad bool   `knob:"skip-bad" json:"-" help:"skip unreadable images (default: list them and stop)"`
	Cache   string `knob:"cache" json:"-" arg:"folder" help:"folder of cached features, the output of the frozen layers (mode last, and from:N with --agnostic 0): computed once for all runs with the same photographs, backbone and --augment. Empty: --out, and for a trained model its own folder; off: none"`

	Out      string `knob:"out" json:"-" group:"Results" default:"out" arg:"folder" help:"folder of the results"`
	Baseline bool   `knob:"baseline" json:"-" help:"also test a linear probe and the nearest class mean on the class token (needs cached features). With --distill they are tested anyway"`
	Samples  int    `knob:"samples" json:"-" default:"2" range:"[0,)" help:"test images of each class explained in the report"`
	Top      int    `knob:"top" json:"-" default:"4" range:"[1,)" help:"heads shown, top-ranked first"`
	Blur     string `knob:"blur" json:"-" default:"patches" choices:"patches all" arg:"columns" help:"heads are ranked by spreading their attention evenly over patches (the paper) or over all tokens (the authors' code)"`
	Scale    string `knob:"scale" json:"-" default:"absolute" choices:"absolute relative" arg:"kind" help:"colour scale of the maps: absolute (one for all maps of a photograph) or relative (each map's own)"`
	Colormap string `knob:"colormap" json:"-" default:"inferno" choices:"inferno viridis jet" arg:"name" help:"colours of the maps: inferno, viridis or, to compare with other figures, jet, whose uneven lightness misleads"`

	Observer Observer
}

// NewJob returns a job with the default settings.
func NewJob(r Recipe, set *data.Set, out string) *Job {
	j := &Job{}
	knob.Defaults(j)
	j.Recipe, j.Set, j.Out = r, set, out
	return j
}

// Validate says what is wrong with the settings, or returns nil. Train, Resume, Evaluate and AddClass call it;
// Explain and Predict check what they use.
func (j *Job) Validate() error {
	if j.Out == "" {
		return errors.New("--out is empty, want a folder")
	}
	return cmp.Or(knob.Check(j), j.Recipe.Validate())
}

// forPhotos returns what Explain and Predict use of j, with the defaults in place of zeros.
func (j *Job) forPhotos() (*Job, error) {
	p := NewJob(Quick(), nil, j.Out)
	p.Top, p.Blur, p.Scale, p.Colormap = cmp.Or(j.Top, p.Top), cmp.Or(j.Blur, p.Blur), cmp.Or(j.Scale, p.Scale), cmp.Or(j.Colormap, p.Colormap)
	p.SkipBad, p.Observer, p.Photos, p.ModelDir = j.SkipBad, j.Observer, j.Photos, j.ModelDir
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

// The files in a job's Out.
const (
	ModelFile       = "model.safetensors"
	FeaturesFile    = "features.safetensors"
	StateFile       = "state.safetensors"
	MetricsFile     = "metrics.json"
	PredictionsFile = "predictions.csv"
	HistoryFile     = "history.csv"
	CurvesFile      = "curves.png"
	TraitsFile      = "traits.csv"
	ReportFile      = "report/index.html"
)

func (j *Job) path(name string) string { return filepath.Join(j.Out, filepath.FromSlash(name)) }

// writable makes the folders of a setting and tries to write in them.
func writable(flag string, dirs ...string) error {
	for _, dir := range dirs {
		err := os.MkdirAll(dir, 0o755)
		if err == nil {
			var f *os.File
			if f, err = os.CreateTemp(dir, ".try.*"); err == nil {
				err = errors.Join(f.Close(), os.Remove(f.Name()))
			}
		}
		if err != nil {
			return fmt.Errorf("--%s: cannot write in %s: %w", flag, dir, err)
		}
	}
	return nil
}

// fresh returns an error if Out holds an unfinished run, and warns if it holds the results of another one.
func (j *Job) fresh() error {
	if exists(j.path(StateFile)) {
		return fmt.Errorf("--out %s holds an unfinished run: resume it (--resume), or choose another --out", j.Out)
	}
	if exists(j.path(MetricsFile)) {
		j.Observer.say(Warning, "--out %s holds the results of another run, which this one's will replace when it ends", j.Out)
	}
	return nil
}

func exists(path ...string) bool {
	_, err := os.Stat(filepath.Join(path...))
	return err == nil
}

// sameFile reports whether both paths lead to one file.
func sameFile(a, b string) bool {
	x, err := os.Stat(a)
	y, missing := os.Stat(b)
	return cmp.Or(err, missing) == nil && os.SameFile(x, y)
}

// within reports whether a path is in a folder, or is the folder.
func within(folder, path string) bool {
	a, err1 := filepath.Abs(folder)
	b, err2 := filepath.Abs(path)
	rel, err3 := filepath.Rel(a, b)
	return cmp.Or(err1, err2, err3) == nil && filepath.IsLocal(rel)
}

// makeOut makes Out and a folder in it. It returns an error if what is written there or to Cache would be
// read as a class of the set, which may be nil, the next time it is opened. CUB's lists and train name what
// is read.
func (j *Job) makeOut(set *data.Set, folder string) error {
	if set != nil && set.Root != "" && !exists(set.Root, "images.txt") && !exists(set.Root, "train") {
		for _, f := range []struct{ flag, dir string }{{"out", j.Out}, {"cache", j.Cache}} {
			if f.dir != "" && f.dir != noCache && within(set.Root, f.dir) {
				return fmt.Errorf("--%s %s is in %s, whose folders are the classes: want a folder outside", f.flag, f.dir, set.Root)
			}
		}
	}
	return writable("out", j.Out, j.path(folder))
}
