package fit

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/promptcam/promptcam/nn"
	"github.com/promptcam/promptcam/tensor"
	"github.com/promptcam/promptcam/tensor/checkpoint"
)

// Checkpoint is the state of a training after an epoch: everything that Run needs to resume it to the
// same bits, and its history.
type Checkpoint struct {
	History History              // an entry per epoch that is done
	Tensors nn.Tensors           // by names such as model.class and optimizer.step: those of a set begin with its name
	Numbers map[string][]float64 // what float32 would round; finite
}

// History records the epochs, the first one first.
type History []*Entry

// Entry is the record of one epoch.
type Entry struct {
	Loss     float64 // mean over the images, as training saw them
	Accuracy float64 // likewise, from 0 to 1
	LR       float64 // learning rate of the last step
	Images   int
	Seconds  float64
	Values   map[string]float64 // further ones by name: a Task's means, and what the caller adds
}

// Series returns one number of each epoch: loss, accuracy, lr, or that of a name in Values, with NaN for
// epochs without.
func (h History) Series(name string) []float64 {
	all := make([]float64, len(h))
	for i, e := range h {
		switch v, ok := e.Values[name]; {
		case ok:
			all[i] = v
		case name == "loss":
			all[i] = e.Loss
		case name == "accuracy":
			all[i] = e.Accuracy
		case name == "lr":
			all[i] = e.LR
		default:
			all[i] = math.NaN()
		}
	}
	return all
}

// Seconds returns the time of all epochs.
func (h History) Seconds() (sum float64) {
	for _, e := range h {
		sum += e.Seconds
	}
	return sum
}

// Put makes the named set hold these tensors, not copies, and no others.
func (c *Checkpoint) Put(set string, tensors map[string]*tensor.Tensor) {
	for name := range c.Set(set) {
		delete(c.Tensors, set+"."+name)
	}
	for name, t := range tensors {
		c.Tensors[set+"."+name] = t
	}
}

// Set returns the tensors of the named set, not copies, under the names they were put in with.
func (c *Checkpoint) Set(set string) nn.Tensors {
	tensors := nn.Tensors{}
	for name, t := range c.Tensors {
		if rest, ok := strings.CutPrefix(name, set+"."); ok {
			tensors[rest] = t
		}
	}
	return tensors
}

// Clone returns a copy that training leaves alone.
func (c *Checkpoint) Clone() *Checkpoint {
	clone := c.copy()
	for name, t := range clone.Tensors {
		clone.Tensors[name] = t.Clone()
	}
	for name, v := range clone.Numbers {
		clone.Numbers[name] = slices.Clone(v)
	}
	for i, e := range clone.History {
		entry := *e
		entry.Values = maps.Clone(e.Values)
		clone.History[i] = &entry
	}
	return clone
}

// copy returns a Checkpoint with the same tensors, numbers and entries. That of nil is empty.
func (c *Checkpoint) copy() *Checkpoint {
	clone := &Checkpoint{Tensors: nn.Tensors{}, Numbers: map[string][]float64{}}
	if c != nil {
		clone.History = slices.Clone(c.History)
		maps.Copy(clone.Tensors, c.Tensors)
		maps.Copy(clone.Numbers, c.Numbers)
	}
	return clone
}

// key is the entry of the metadata that holds a described.
const key = "training"

// described is what of a Checkpoint is in the metadata.
type described struct {
	History History
	Numbers map[string][]float64
}

// Write writes c as one safetensors file. The metadata, such as the caller's own JSON, goes into the
// file, too; the key "training" is taken.
func (c *Checkpoint) Write(w io.Writer, metadata map[string]string) error {
	text, err := json.Marshal(described{c.History, c.Numbers})
	if err != nil {
		return fmt.Errorf("fit: write a checkpoint: %w", err)
	}
	all := map[string]string{}
	maps.Copy(all, metadata)
	all[key] = string(text)
	return checkpoint.Write(w, c.Tensors, all)
}

// Read reads what Write wrote. The caller's metadata are f.Metadata.
func Read(f *checkpoint.File) (*Checkpoint, error) {
	text, ok := f.Metadata()[key]
	if !ok {
		return nil, fmt.Errorf("%s: not the state of a training run: its metadata have no %q", f.Path(), key)
	}
	var d described
	if err := json.Unmarshal([]byte(text), &d); err != nil {
		return nil, fmt.Errorf("%s: metadata %q: %w", f.Path(), key, err)
	}
	if len(d.History) == 0 || slices.Contains(d.History, nil) {
		return nil, fmt.Errorf("%s: the state of a training run without an epoch", f.Path())
	}
	c := &Checkpoint{History: d.History, Tensors: nn.Tensors{}, Numbers: d.Numbers}
	for _, name := range f.Names() {
		t, err := f.Tensor(name)
		if err != nil {
			return nil, err
		}
		c.Tensors[name] = t
	}
	return c, nil
}
