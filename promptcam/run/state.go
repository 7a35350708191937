package run

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/promptcam/promptcam/nn"
	"github.com/promptcam/promptcam/nn/fit"
	"github.com/promptcam/promptcam/nn/fit/knob"
	"github.com/promptcam/promptcam/tensor/checkpoint"
	"github.com/promptcam/promptcam/vit"
)

// state is a training run after an epoch: all that is needed to go on. Its checkpoint holds the best epoch's
// tensors as a set of their own.
type state struct {
	identity
	Best int // the best epoch so far, from 1

	*fit.Checkpoint `json:"-"` // nil before the first epoch ends

	newer []string // flags of the settings that the file does not name: later versions have added them
}

// identity distinguishes training runs: what a run must have in common with the one that it resumes.
type identity struct {
	Recipe   Recipe
	Lists    string // SHA-256 of the lists of images and classes, as the folder has them
	Data     string // SHA-256 of the lists of images and classes and, with cached features, of the images
	Photos   string // without cached features, SHA-256 of the images; states of earlier versions have none
	Backbone string // SHA-256 of the weights
	Arch     vit.Config
}

// identity returns what is known of j's run before its images are read.
func (j *Job) identity(b *vit.Model) identity {
	return identity{Recipe: j.Recipe, Lists: (&images{}).fingerprint(j.Set), Backbone: b.SHA256, Arch: b.Config}
}

// finished reports whether Out holds the results of this run, as far as they tell: of a run with its recipe,
// backbone and classes, and as many images.
func (j *Job) finished(now identity) bool {
	text, err := os.ReadFile(j.path(MetricsFile))
	if err != nil {
		return false
	}
	var m Metrics
	if err := json.Unmarshal(text, &m); err != nil {
		return true
	}
	if m.Recipe == nil { // of a test, or of a class that was added
		return false
	}
	if now.Recipe.Epochs == 0 { // not known yet
		now.Recipe.Epochs = m.Recipe.Epochs
	}
	var classes []string
	for _, c := range m.PerClass {
		classes = append(classes, c.Class)
	}
	images := len(j.Set.Train) + len(j.Set.Val) + len(j.Set.Test)
	return len(knob.Differ(m.Recipe, &now.Recipe)) == 0 && m.Backbone == now.Backbone && slices.Equal(classes, j.Set.Classes) &&
		*cmp.Or(m.TrainImages, new(int))+m.ValImages+m.Calibrated+m.TestImages+m.Skipped == images
}

// The names of an entry's validation values. Without validation images it has none.
const (
	valLoss = "val_loss"
	valTop1 = "val_top1" // from 0 to 1, as is valTop5
	valTop5 = "val_top5"
)

// stateFormat changes when older states can no longer be resumed.
const stateFormat = "promptcam run 3"

// epochs returns how many are done.
func (st *state) epochs() int {
	if st.Checkpoint == nil {
		return 0
	}
	return len(st.History)
}

// better reports whether a is the better epoch: by validation accuracy, then by loss. Without validation the
// later one is.
func better(a, b *fit.Entry) bool {
	top1, validated := a.Values[valTop1]
	return !validated || top1 > b.Values[valTop1] || top1 == b.Values[valTop1] && a.Values[valLoss] < b.Values[valLoss]
}

// add takes in a finished epoch, after which the evaluated model is this.
func (st *state) add(c *fit.Checkpoint, evaluated nn.Tensors) {
	st.Checkpoint = c
	n := len(st.History)
	if st.Best == 0 || better(st.History[n-1], st.History[st.Best-1]) {
		st.Best = n
		best := nn.Tensors{}
		for name, t := range evaluated {
			best[name] = t.Clone()
		}
		st.Put("best", best)
	}
}

// save writes the state, in place of the last epoch's, whole or not at all.
func (st *state) save(path string) error {
	text, err := json.Marshal(st)
	if err != nil {
		return fmt.Errorf("save %s: %w", path, err)
	}
	return checkpoint.WriteFile(path, func(w io.Writer) error {
		return st.Write(w, map[string]string{"format": stateFormat, "state": string(text)})
	})
}

// readState reads what save wrote; nil if there is no file.
func readState(path string) (*state, error) {
	f, err := checkpoint.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if got := f.Metadata()["format"]; got != stateFormat {
		return nil, fmt.Errorf("%s: not the state of a training run: its format is %q, want %q", path, got, stateFormat)
	}
	st := &state{}
	if err := json.Unmarshal([]byte(f.Metadata()["state"]), st); err != nil {
		return nil, fmt.Errorf("%s: its description: %w", path, err)
	}
	if st.newer, err = unnamed(f.Metadata()["state"], &st.Recipe); err != nil {
		return nil, fmt.Errorf("%s: its description: %w", path, err)
	}
	if st.Checkpoint, err = fit.Read(f); err != nil {
		return nil, err
	}
	if n := len(st.History); st.Best < 1 || st.Best > n {
		return nil, fmt.Errorf("%s: its best epoch is %d of %d", path, st.Best, n)
	}
	return st, nil
}

// unnamed returns the flags of the settings of r that the description of a state does not name.
func unnamed(description string, r *Recipe) (flags []string, err error) {
	var named struct{ Recipe map[string]json.RawMessage }
	if err := json.Unmarshal([]byte(description), &named); err != nil {
		return nil, err
	}
	for k := range knob.Walk(r) {
		if _, ok := named.Recipe[k.JSON]; k.JSON != "" && !ok {
			flags = append(flags, k.Flag)
		}
	}
	return flags, nil
}

// asBegun returns r with the settings that are newer than the run off, whatever their defaults are now.
func (st *state) asBegun(r Recipe) (Recipe, error) {
	off := map[string]string{}
	for k := range knob.Walk(&st.Recipe) {
		if slices.Contains(st.newer, k.Flag) {
			off[k.Flag] = k.String()
		}
	}
	return r, r.set(off)
}

// Unfinished returns how many epochs of how many the unfinished run in Out has on disk; 0, 0 if there is
// none.
func (j *Job) Unfinished() (done, of int) {
	if st, _ := readState(j.path(StateFile)); st != nil {
		done, of = st.epochs(), st.Recipe.Epochs
	}
	return done, of
}

// same returns an error that names how now differs from the run that began.
func (began identity) same(now identity, path string) error {
	differ := knob.Differ(&began.Recipe, &now.Recipe)
	add := func(changed bool, format string, a ...any) {
		if changed {
			differ = append(differ, fmt.Sprintf(format, a...))
		}
	}
	x, y := began.Arch, now.Arch
	was, is := x.ImageSize, y.ImageSize
	add(was != is, "the image size was %dx%d, now %dx%d", was[0], was[1], is[0], is[1])
	x.Name, x.ImageSize = y.Name, is
	add(x != y, "the architecture was %+v, now %+v", began.Arch, now.Arch)
	add(began.Backbone != now.Backbone, "the backbone had SHA-256 %s, now %s", began.Backbone, now.Backbone)
	add(began.Data != now.Data || began.Lists != now.Lists, "the images or classes are not the same")
	add(began.Photos != now.Photos && began.Photos != "", "photographs were replaced by others of the same names")
	if len(differ) > 0 {
		return fmt.Errorf("resume: %s was begun otherwise: %s", path, strings.Join(differ, "; "))
	}
	return nil
}
