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

// Checkpoint is the state of a training after an epoch: its history, and all that Run needs to resume it to
// the same bits.
type Checkpoint struct {
	History History              // an entry per finished epoch
	Tensors nn.Tensors           `json:"-"` // by names such as model.class and optimizer.step: set, dot, name in it
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

// Series returns one number of each epoch: loss, accuracy, lr, or a name in Values; NaN where there is none.
func (h History) Series(name string) (all []float64) {
	for _, e := range h {
		known := map[string]float64{"loss": e.Loss, "accuracy": e.Accuracy, "lr": e.LR}
		maps.Copy(known, e.Values)
		v, ok := known[name]
		if !ok {
			v = math.NaN()
		}
		all = append(all, v)
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

// Clone returns a copy that training leaves alone; that of nil is empty.
func (c *Checkpoint) Clone() *Checkpoint {
	clone := &Checkpoint{Tensors: nn.Tensors{}, Numbers: map[string][]float64{}}
	if c == nil {
		return clone
	}
	for name, t := range c.Tensors {
		clone.Tensors[name] = t.Clone()
	}
	for name, v := range c.Numbers {
		clone.Numbers[name] = slices.Clone(v)
	}
	for _, e := range c.History {
		entry := *e
		entry.Values = maps.Clone(e.Values)
		clone.History = append(clone.History, &entry)
	}
	return clone
}

// key is the entry of the metadata that holds a Checkpoint without its tensors.
const key = "training"

// Write writes c as one safetensors file, with the caller's metadata; the key "training" is taken.
func (c *Checkpoint) Write(w io.Writer, metadata map[string]string) error {
	text, err := json.Marshal(c)
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
	c := &Checkpoint{Tensors: nn.Tensors{}}
	if err := json.Unmarshal([]byte(text), c); err != nil {
		return nil, fmt.Errorf("%s: metadata %q: %w", f.Path(), key, err)
	}
	if len(c.History) == 0 || slices.Contains(c.History, nil) {
		return nil, fmt.Errorf("%s: the state of a training run without an epoch", f.Path())
	}
	for _, name := range f.Names() {
		t, err := f.Tensor(name)
		if err != nil {
			return nil, err
		}
		c.Tensors[name] = t
	}
	return c, nil
}
