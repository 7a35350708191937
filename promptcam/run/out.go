package run

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/promptcam/promptcam/data"
	"github.com/promptcam/promptcam/tensor/machine"
)

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

// occupy makes Out and keeps every other job from writing results there until free is called, which removes
// Out if it was made for nothing. It returns an error if another one writes there, if nothing can be written,
// or if what is written there or to Cache would be read as a class of the set, which may be nil, the next
// time it is opened.
func (j *Job) occupy(set *data.Set) (free func(), err error) {
	if err := j.outside(set); err != nil {
		return nil, err
	}
	free, err = machine.Occupy(j.Out)
	var held *machine.HeldError
	switch {
	case errors.As(err, &held):
		return nil, fmt.Errorf("--out %s is in use by another run (%s): wait until it ends, or choose another folder", j.Out, held.Holder())
	case err != nil:
		return nil, unwritable("out", j.Out, err)
	}
	machine.Sweep(j.Out)
	if report := filepath.Dir(j.path(ReportFile)); exists(report) {
		err = writable("out", report)
		sweep(report)
	}
	if err != nil {
		free()
		return nil, err
	}
	return free, nil
}

// outside returns an error if Out or Cache is in the set's folder. CUB's lists and train name what is read,
// and the set may be nil.
func (j *Job) outside(set *data.Set) error {
	if set == nil || set.Root == "" || exists(set.Root, "images.txt") || exists(set.Root, "train") {
		return nil
	}
	for _, f := range []struct{ flag, dir string }{{"out", j.Out}, {"cache", j.Cache}} {
		if f.dir != "" && f.dir != noCache && within(set.Root, f.dir) {
			return fmt.Errorf("--%s %s is in %s, whose folders are the classes: want a folder outside", f.flag, f.dir, set.Root)
		}
	}
	return nil
}

// sweep removes what reports of killed processes have left in a folder that no other process writes a report to.
func sweep(dir string) {
	entries, _ := os.ReadDir(dir) // of an unreadable folder nothing is removed
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".report-samples-") {
			os.Remove(filepath.Join(dir, e.Name())) // or it stays: it is in nobody's way
		}
	}
}

// writable makes the folder of a setting and tries to write in it. What a killed process leaves of that, the
// next removes.
func writable(flag, dir string) error {
	err := os.MkdirAll(dir, 0o755)
	if err == nil {
		name := filepath.Join(dir, ".try")
		os.Remove(name) // it may be a link
		var f *os.File
		if f, err = os.OpenFile(name, os.O_WRONLY|os.O_CREATE, 0o644); err == nil {
			err = f.Close()
			if gone := os.Remove(name); !errors.Is(gone, fs.ErrNotExist) { // another process may be first
				err = cmp.Or(err, gone)
			}
		}
	}
	if err != nil {
		return unwritable(flag, dir, err)
	}
	return nil
}

func unwritable(flag, dir string, err error) error {
	return fmt.Errorf("--%s: cannot write in %s: %w", flag, dir, err)
}

// fresh returns an error if Out holds an unfinished run, and warns if it holds the results of another one.
func (j *Job) fresh() error {
	if exists(j.path(StateFile)) {
		return fmt.Errorf("--out %s holds an unfinished run: resume it (--resume), or choose another --out", j.Out)
	}
	if exists(j.path(MetricsFile)) {
		j.Observer.say(Warning, "--out %s holds the results of an earlier run; they will be overwritten when this run ends. Choose another --out to keep them", j.Out)
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
