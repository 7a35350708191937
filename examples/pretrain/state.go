package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"

	"github.com/promptcam/promptcam/nn"
	"github.com/promptcam/promptcam/tensor"
	"github.com/promptcam/promptcam/tensor/checkpoint"
)

// state is a run after an epoch: with the tensors beside it, all that is needed to go on.
type state struct {
	Recipe  recipe
	Images  string // Images.Identity
	History []epoch
}

// epoch is a line of the history.
type epoch struct {
	Loss, Entropy, Spread, Norm      float64 // means over the steps; see told
	LR, Decay, Momentum, Temperature float64 // in the last step
	Images                           int
	Seconds                          float64
	KNN, KNNBoth                     float64 `json:",omitempty"` // shares of the images, where Tested
	Tested                           bool    `json:",omitempty"`
}

func statePath(out string) string { return filepath.Join(out, "state.safetensors") }

// stateFormat changes when older states can no longer be resumed.
const stateFormat = "promptcam pretrain 2"

// The sets of tensors in the file are named as in DINO's checkpoints, and so begin with
// student. or teacher., but for the optimizer's and the centre.
const (
	studentPrefix   = "student."
	teacherPrefix   = "teacher."
	optimizerPrefix = "optimizer."
	centreName      = "dino_loss.center"
)

// tensors returns all tensors of a run, not copies, by their names in the file.
func (d *dino) tensors() nn.Tensors {
	all := nn.Tensors{centreName: d.centre}
	for prefix, set := range map[string]map[string]*tensor.Tensor{
		studentPrefix: nn.State(d.student), teacherPrefix: nn.State(d.teacher), optimizerPrefix: d.optimizer.State(),
	} {
		for name, t := range set {
			all[prefix+name] = t
		}
	}
	return all
}

// save writes the state of d, in place of the last epoch's, whole or not at all.
func (st *state) save(path string, d *dino) error {
	text, err := json.Marshal(st)
	if err != nil {
		return fmt.Errorf("save %s: %w", path, err)
	}
	return checkpoint.Save(path, d.tensors(), map[string]string{"format": stateFormat, "state": string(text)})
}

// resume reads what save wrote of a run like st into d. The error names how it differs.
func (st *state) resume(path string, d *dino) error {
	f, err := checkpoint.Open(path)
	if err != nil {
		return fmt.Errorf("-resume: %w", err)
	}
	defer f.Close()
	began, err := readState(f)
	if err != nil {
		return fmt.Errorf("-resume: %w", err)
	}
	if err := began.same(st); err != nil {
		return fmt.Errorf("-resume: %s was begun otherwise: %w", path, err)
	}
	if err := d.tensors().Load(f); err != nil {
		return fmt.Errorf("-resume: %s: %w", path, err)
	}
	*st = *began
	return nil
}

// readState reads the description in a state's file.
func readState(f *checkpoint.File) (*state, error) {
	if got := f.Metadata()["format"]; got != stateFormat {
		return nil, fmt.Errorf("%s: not the state of a run: its format is %q, want %q", f.Path(), got, stateFormat)
	}
	st := &state{}
	if err := json.Unmarshal([]byte(f.Metadata()["state"]), st); err != nil {
		return nil, fmt.Errorf("%s: its description: %w", f.Path(), err)
	}
	if len(st.History) == 0 {
		return nil, fmt.Errorf("%s: it tells of no epoch", f.Path())
	}
	return st, nil
}

// same returns an error that names how now differs from the run that began.
func (st *state) same(now *state) error {
	var differ []string
	a, b := reflect.ValueOf(st.Recipe), reflect.ValueOf(now.Recipe)
	for i := range a.NumField() {
		if x, y := a.Field(i).Interface(), b.Field(i).Interface(); x != y {
			differ = append(differ, fmt.Sprintf("-%s was %v, now %v", a.Type().Field(i).Tag.Get("json"), x, y))
		}
	}
	if st.Images != now.Images {
		differ = append(differ, "the images (-data, -birds, -skip-bad) are not the same")
	}
	if len(differ) > 0 {
		return errors.New(strings.Join(differ, "; "))
	}
	return nil
}

// findState tells whether there is an unfinished run in out, which only -resume goes on with.
func findState(out string, resume bool) (bool, error) {
	_, err := os.Stat(statePath(out))
	switch {
	case err == nil && !resume:
		return false, fmt.Errorf("-out %s holds an unfinished run: go on with -resume, or choose another -out", out)
	case err == nil:
		return true, nil
	case !errors.Is(err, fs.ErrNotExist):
		return false, fmt.Errorf("-out: %w", err)
	}
	if _, err := os.Stat(backbonePath(out)); err == nil {
		return false, fmt.Errorf("-out %s holds the results of a run that has finished: choose another -out", out)
	}
	return false, nil
}

// digest tells texts apart.
func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}
