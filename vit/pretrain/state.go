package pretrain

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/promptcam/promptcam/nn"
	"github.com/promptcam/promptcam/nn/fit"
	"github.com/promptcam/promptcam/nn/fit/knob"
	"github.com/promptcam/promptcam/tensor/checkpoint"
	"github.com/promptcam/promptcam/vit"
)

// StateFormat is the metadata "format" of a state. It changes when older states can no longer be resumed.
const StateFormat = "promptcam pretrain 4"

// sets returns the sets of tensors in a state. All but the optimizer's are named as in DINO's checkpoints.
func (d *trainer) sets() map[string]nn.Tensors {
	return map[string]nn.Tensors{
		"student": nn.State(d.student), "teacher": nn.State(d.teacher), "optimizer": d.optimizer.State(), "dino_loss": {"center": d.centre},
	}
}

func (d *trainer) Save(c *fit.Checkpoint) {
	for name, tensors := range d.sets() {
		c.Put(name, tensors)
	}
}

func (d *trainer) Load(c *fit.Checkpoint) error {
	for name, tensors := range d.sets() {
		if err := tensors.Load(c.Set(name)); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// WriteState writes all that Resume needs, as a safetensors file; checkpoint.WriteFile(path, r.WriteState)
// replaces the last epoch's, whole or not at all.
func (r *Run) WriteState(w io.Writer) error {
	if r.Checkpoint == nil {
		return errors.New("no epoch has finished")
	}
	config, err := knob.Marshal(&r.config)
	if err != nil {
		return err
	}
	return r.Checkpoint.Write(w, map[string]string{"format": StateFormat, "config": string(config), "images": r.task.images.Identity()})
}

// Resume fills a new r from a state of WriteState. If the settings or images differ, the error names them.
func (r *Run) Resume(f *checkpoint.File) error {
	meta := f.Metadata()
	if got := meta["format"]; got != StateFormat {
		return fmt.Errorf("%s: not the state of a run: its format is %q, want %q", f.Path(), got, StateFormat)
	}
	began := DefaultConfig()
	if err := knob.Unmarshal([]byte(meta["config"]), &began); err != nil {
		return fmt.Errorf("%s: its description: %w", f.Path(), err)
	}
	differ := knob.Differ(&began, &r.config)
	if was, now := meta["images"], r.task.images.Identity(); now != was {
		differ = append(differ, fmt.Sprintf("the images are not the same: they were %s, now %s", was, now))
	}
	if len(differ) > 0 {
		return fmt.Errorf("%s: settings changed: %s", f.Path(), strings.Join(differ, "; "))
	}
	c, err := fit.Read(f)
	if err != nil {
		return err
	}
	if err := r.task.Load(c); err != nil {
		return fmt.Errorf("%s: %w", f.Path(), err)
	}
	r.Checkpoint = c
	return nil
}

// Export writes a backbone as a safetensors file with DINO's names, without a prefix, and its architecture in
// the metadata, for vit.Detect and vit.Load. The type is F32 or F16.
func Export(w io.Writer, b *vit.Model, t checkpoint.DType) error {
	config, err := json.Marshal(b.Config)
	if err != nil {
		return fmt.Errorf("architecture: %w", err)
	}
	return checkpoint.WriteAs(w, t, nn.State(b), map[string]string{"format": "pt", "config": string(config)})
}

// WriteMetrics writes a line of CSV per epoch. k-NN accuracies are in percent; empty: there was no test.
func WriteMetrics(w io.Writer, history fit.History) error {
	num := func(v float64) string { return strconv.FormatFloat(v, 'g', 7, 64) }
	c := csv.NewWriter(w)
	c.Write([]string{"epoch", "loss", Entropy, Spread, Norm, KNN, KNNPatches, "lr", Decay, Momentum, Temperature, "images", "seconds"})
	for i, e := range history {
		row := []string{strconv.Itoa(i + 1), num(e.Loss), num(e.Values[Entropy]), num(e.Values[Spread]), num(e.Values[Norm]), "", "",
			num(e.LR), num(e.Values[Decay]), num(e.Values[Momentum]), num(e.Values[Temperature]), strconv.Itoa(e.Images), num(e.Seconds)}
		if knn, ok := e.Values[KNN]; ok {
			row[5], row[6] = num(100*knn), num(100*e.Values[KNNPatches])
		}
		c.Write(row)
	}
	c.Flush()
	return c.Error()
}
