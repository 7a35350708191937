package pretrain

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/promptcam/promptcam/nn"
	"github.com/promptcam/promptcam/nn/fit/knob"
	"github.com/promptcam/promptcam/tensor"
	"github.com/promptcam/promptcam/tensor/checkpoint"
)

// state is a run after an epoch: with the tensors beside it, all that is needed to go on.
type state struct {
	Config  json.RawMessage // by knob.Marshal
	Images  string          // Images.Identity
	History []Epoch
}

// StateFormat is the metadata "format" of a state. It changes when older states can no longer be resumed.
const StateFormat = "promptcam pretrain 3"

// The sets of tensors in a state are named as in DINO's checkpoints, and so begin with student. or
// teacher., but for the optimizer's and the centre.
const (
	studentPrefix   = "student."
	teacherPrefix   = "teacher."
	optimizerPrefix = "optimizer."
	centreName      = "dino_loss.center"
)

// tensors returns all tensors of a run, not copies, by their names in a state.
func (d *trainer) tensors() nn.Tensors {
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

// WriteState writes all that Resume needs, as a safetensors file; checkpoint.WriteFile(path,
// r.WriteState) replaces the last epoch's, whole or not at all.
func (r *Run) WriteState(w io.Writer) error {
	config, err := knob.Marshal(&r.Config)
	if err != nil {
		return err
	}
	text, err := json.Marshal(state{config, r.images.Identity(), r.History})
	if err != nil {
		return err
	}
	return checkpoint.Write(w, r.trainer.tensors(), map[string]string{"format": StateFormat, "state": string(text)})
}

// Resume fills r, which has not begun, from what WriteState wrote of a run with the same settings and
// images. Otherwise the error names what differs.
func (r *Run) Resume(f *checkpoint.File) error {
	if got := f.Metadata()["format"]; got != StateFormat {
		return fmt.Errorf("%s: not the state of a run: its format is %q, want %q", f.Path(), got, StateFormat)
	}
	var st state
	began := DefaultConfig()
	err := json.Unmarshal([]byte(f.Metadata()["state"]), &st)
	if err == nil {
		err = knob.Unmarshal(st.Config, &began)
	}
	if err != nil {
		return fmt.Errorf("%s: its description: %w", f.Path(), err)
	}
	if len(st.History) == 0 {
		return fmt.Errorf("%s: it has no epoch", f.Path())
	}
	differ := knob.Differ(&began, &r.Config)
	if now := r.images.Identity(); now != st.Images {
		differ = append(differ, fmt.Sprintf("the images are not the same: they were %s, now %s", st.Images, now))
	}
	if len(differ) > 0 {
		return fmt.Errorf("%s: settings changed: %s", f.Path(), strings.Join(differ, "; "))
	}
	if err := r.trainer.tensors().Load(f); err != nil {
		return fmt.Errorf("%s: %w", f.Path(), err)
	}
	r.History = st.History
	return nil
}
