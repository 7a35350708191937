package run

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/promptcam/promptcam/nn"
	"github.com/promptcam/promptcam/nn/fit/knob"
	"github.com/promptcam/promptcam/tensor"
	"github.com/promptcam/promptcam/tensor/checkpoint"
	"github.com/promptcam/promptcam/vit"
)

// state is a training run after an epoch: all that is needed to go on.
type state struct {
	identity
	History []Epoch
	Best    int       // the best epoch so far, from 1
	Losses  []float64 // of classes, promptcam.Epoch's

	model, optimizer, best nn.Tensors
	average                nn.Tensors // what is evaluated, where it is not model
}

// identity distinguishes training runs: what a run must have in common with the one that it resumes.
type identity struct {
	Recipe   Recipe
	Data     string // SHA-256 of the lists of images and classes
	Backbone string // SHA-256 of the weights
	Arch     vit.Config
}

// Epoch is a line of a run's history. Val is nil without validation images.
type Epoch struct {
	Loss, Accuracy float64 // over the training images as they were seen; accuracy from 0 to 1
	LR             float64
	Seconds        float64
	Val            *Validation `json:",omitempty"`
}

// Validation is how well a model does on the validation images; accuracies from 0 to 1.
type Validation struct{ Loss, Top1, Top5 float64 }

// stateFormat changes when older states can no longer be resumed.
const stateFormat = "promptcam run 1"

// better says whether a is the better epoch: by validation accuracy, then by loss. Without
// validation the later one is.
func better(a, b Epoch) bool {
	if a.Val == nil {
		return true
	}
	return a.Val.Top1 > b.Val.Top1 || a.Val.Top1 == b.Val.Top1 && a.Val.Loss < b.Val.Loss
}

// add appends an epoch, after which the model in training, its optimizer and what was
// evaluated are these.
func (st *state) add(e Epoch, model, optimizer, evaluated nn.Tensors) {
	st.History = append(st.History, e)
	st.model, st.optimizer, st.average = model, optimizer, nil
	if st.Recipe.Average > 0 {
		st.average = evaluated
	}
	if st.Best == 0 || better(e, st.History[st.Best-1]) {
		st.Best = len(st.History)
		st.best = nn.Tensors{}
		for name, t := range evaluated {
			st.best[name] = t.Clone()
		}
	}
}

// seconds is the time that all epochs took.
func (st *state) seconds() float64 {
	var sum float64
	for _, e := range st.History {
		sum += e.Seconds
	}
	return sum
}

// The names of the sets of tensors in the file begin so.
const (
	modelPrefix     = "model."
	averagePrefix   = "average."
	optimizerPrefix = "optimizer."
	bestPrefix      = "best."
)

// sets are the sets of tensors in the file by the beginning of their names.
func (st *state) sets() map[string]nn.Tensors {
	return map[string]nn.Tensors{modelPrefix: st.model, averagePrefix: st.average, optimizerPrefix: st.optimizer, bestPrefix: st.best}
}

// save writes the state, in place of the last epoch's, whole or not at all.
func (st *state) save(path string) error {
	text, err := json.Marshal(st)
	if err != nil {
		return fmt.Errorf("save %s: %w", path, err)
	}
	all := map[string]*tensor.Tensor{}
	for prefix, set := range st.sets() {
		for name, t := range set {
			all[prefix+name] = t
		}
	}
	return checkpoint.Save(path, all, map[string]string{"format": stateFormat, "state": string(text)})
}

// readState reads what save wrote.
func readState(path string) (*state, error) {
	f, err := checkpoint.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if got := f.Metadata()["format"]; got != stateFormat {
		return nil, fmt.Errorf("%s: not the state of a training run: its format is %q, want %q", path, got, stateFormat)
	}
	st := &state{model: nn.Tensors{}, optimizer: nn.Tensors{}, best: nn.Tensors{}, average: nn.Tensors{}}
	if err := json.Unmarshal([]byte(f.Metadata()["state"]), st); err != nil {
		return nil, fmt.Errorf("%s: its description: %w", path, err)
	}
	if n := len(st.History); n == 0 || st.Best < 1 || st.Best > n {
		return nil, fmt.Errorf("%s: its best epoch is %d of %d", path, st.Best, n)
	}
	if st.Recipe.Hard > 0 && len(st.Losses) == 0 {
		return nil, fmt.Errorf("%s: it has no losses of classes, which -hard needs", path)
	}
	for _, name := range f.Names() {
		t, err := f.Tensor(name)
		if err != nil {
			return nil, err
		}
		for prefix, set := range st.sets() {
			if rest, ok := strings.CutPrefix(name, prefix); ok {
				set[rest] = t
			}
		}
	}
	return st, nil
}

// Unfinished returns how many epochs of how many the unfinished run in Out has on disk; 0, 0 if there
// is none.
func (j *Job) Unfinished() (done, of int) {
	st, err := readState(j.path(stateName))
	if err != nil {
		return 0, 0
	}
	return len(st.History), st.Recipe.Epochs
}

// begun returns the state in Out; nil if there is none.
func (j *Job) begun() (*state, error) {
	path := j.path(stateName)
	switch _, err := os.Stat(path); {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("-out: %w", err)
	}
	return readState(path)
}

// unused returns an error if Out holds an unfinished run.
func (j *Job) unused() error {
	if exists(j.path(stateName)) {
		return fmt.Errorf("-out %s holds an unfinished run: go on with -resume, or choose another -out", j.Out)
	}
	return nil
}

// same returns an error that names how now differs from the run that began.
func (began identity) same(now identity, path string) error {
	differ := knob.Differ(&began.Recipe, &now.Recipe)
	if x, y := began.Arch.ImageSize, now.Arch.ImageSize; x != y {
		differ = append(differ, fmt.Sprintf("the image size was %dx%d, now %dx%d", x[0], x[1], y[0], y[1]))
	}
	x, y := began.Arch, now.Arch
	x.Name, x.ImageSize = y.Name, y.ImageSize
	if x != y {
		differ = append(differ, fmt.Sprintf("the architecture (-arch) was %+v, now %+v", began.Arch, now.Arch))
	}
	if began.Backbone != now.Backbone {
		differ = append(differ, fmt.Sprintf("the backbone (-weights) had SHA-256 %s, now %s", began.Backbone, now.Backbone))
	}
	if began.Data != now.Data {
		differ = append(differ, "the images or classes (-data, -classes, -skip-bad) are not the same")
	}
	if len(differ) > 0 {
		return fmt.Errorf("-resume: %s was begun otherwise: %s", path, strings.Join(differ, "; "))
	}
	return nil
}
