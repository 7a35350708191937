package promptcam

import (
	"encoding/json"
	"fmt"

	"github.com/promptcam/promptcam/data"
	"github.com/promptcam/promptcam/nn"
	"github.com/promptcam/promptcam/tensor"
	"github.com/promptcam/promptcam/tensor/checkpoint"
	"github.com/promptcam/promptcam/vit"
)

// Info is what a saved model says of itself besides its tensors.
type Info struct {
	Config    Config
	Classes   []string       // names, in the order of the class prompts
	Transform data.Transform // of images to evaluate: size and normalisation
	Backbone  BackboneInfo
}

// BackboneInfo identifies the backbone that a model was trained on.
type BackboneInfo struct {
	SHA256 string // of its weights; see vit.Model
	Config vit.Config
}

// format marks our files; it changes when older ones can no longer be read.
const format = "promptcam 1"

// Tensors returns what Save writes of m as a set: prompts, head and adapters, without
// the backbone.
func (m *Model) Tensors() nn.Tensors { return nn.State(m) }

// Save writes the prompts, the head and the adapters of m, and all of Info, to one small
// safetensors file. The backbone is not in it: its identity is. classes names
// the classes in order, t is the transform of images to evaluate, which must
// end at the backbone's image size.
func (m *Model) Save(path string, classes []string, t data.Transform) error {
	metadata, err := m.metadata(classes, t)
	if err != nil {
		return err
	}
	return checkpoint.Save(path, m.Tensors(), metadata)
}

func (m *Model) metadata(classes []string, t data.Transform) (map[string]string, error) {
	if len(classes) != m.Config.Classes {
		return nil, fmt.Errorf("promptcam: save: %d class names for %d classes", len(classes), m.Config.Classes)
	}
	if err := m.fits(t); err != nil {
		return nil, fmt.Errorf("promptcam: save: %w", err)
	}
	info, err := json.Marshal(Info{m.Config, classes, t, BackboneInfo{m.Backbone.SHA256, m.Backbone.Config}})
	if err != nil {
		return nil, fmt.Errorf("promptcam: save: %w", err)
	}
	return map[string]string{"format": format, "promptcam": string(info)}, nil
}

// ReadInfo reads what a file written by Save says of itself.
func ReadInfo(path string) (*Info, error) {
	f, err := checkpoint.Open(path)
	if err != nil {
		return nil, fmt.Errorf("promptcam: %w", err)
	}
	defer f.Close()
	return readInfo(f)
}

func readInfo(f *checkpoint.File) (*Info, error) {
	if got := f.Metadata()["format"]; got != format {
		return nil, fmt.Errorf("promptcam: %s: not a saved Prompt-CAM: its format is %q, want %q", f.Path(), got, format)
	}
	var info Info
	if err := json.Unmarshal([]byte(f.Metadata()["promptcam"]), &info); err != nil {
		return nil, fmt.Errorf("promptcam: %s: its description: %w", f.Path(), err)
	}
	if err := info.Backbone.Config.Validate(); err != nil {
		return nil, fmt.Errorf("promptcam: %s: %w", f.Path(), err)
	}
	if err := info.Config.Validate(info.Backbone.Config.Depth); err != nil {
		return nil, fmt.Errorf("promptcam: %s: %w", f.Path(), err)
	}
	if len(info.Classes) != info.Config.Classes {
		return nil, fmt.Errorf("promptcam: %s: %d class names for %d classes", f.Path(), len(info.Classes), info.Config.Classes)
	}
	if err := info.Transform.Validate(); err != nil {
		return nil, fmt.Errorf("promptcam: %s: %w", f.Path(), err)
	}
	return &info, nil
}

// Load reads a model written by Save for backbone b, which must be the one that
// it was trained on: the same weights, architecture, image size and
// normalisation, of whatever name. The error for another says which it was.
func Load(path string, b *vit.Model) (*Model, *Info, error) {
	f, err := checkpoint.Open(path)
	if err != nil {
		return nil, nil, fmt.Errorf("promptcam: %w", err)
	}
	defer f.Close()
	info, err := readInfo(f)
	if err != nil {
		return nil, nil, err
	}
	if err := info.Backbone.match(b); err != nil {
		return nil, nil, fmt.Errorf("promptcam: %s was trained %w", path, err)
	}
	m, err := info.model(b, f)
	if err != nil {
		return nil, nil, fmt.Errorf("promptcam: load %s: %w", path, err)
	}
	if err := nn.Load(m, f); err != nil {
		return nil, nil, fmt.Errorf("promptcam: load %s: %w", path, err)
	}
	return m, info, nil
}

// match returns an error unless b is the backbone that i tells of.
func (i BackboneInfo) match(b *vit.Model) error {
	want, got := i.Config, b.Config
	if b.SHA256 != i.SHA256 {
		return fmt.Errorf("on backbone %s with SHA-256 %s, got %s with %s", want.Name, i.SHA256, got.Name, b.SHA256)
	}
	if want, got := want.ImageSize, got.ImageSize; got != want {
		return fmt.Errorf("at %dx%d pixels, the backbone is set to %dx%d", want[0], want[1], got[0], got[1])
	}
	// The same weights compute something else with other heads, GELU or pixels.
	want.Name, want.Labels = got.Name, got.Labels
	if got != want {
		return fmt.Errorf("on backbone %+v, got %+v", want, got)
	}
	return nil
}

// model returns the model that i tells of with parameters of zero, for f to
// fill.
func (i *Info) model(b *vit.Model, f *checkpoint.File) (*Model, error) {
	first, err := i.Config.Mode.first(b.Config.Depth)
	if err != nil {
		return nil, err
	}
	held := 0
	for _, name := range f.Names() {
		if t, ok := f.Info(name); ok {
			held += tensor.Size("Load", t.Shape)
		}
	}
	// nn.Load tells all that does not fit, but needs the model for it.
	const affordable = 1 << 24
	if want := (i.Config.Classes + first*i.Config.Agnostic) * b.Config.Dim; want > held+affordable {
		return nil, fmt.Errorf("%d class prompts and %d times %d agnostic ones of width %d are more than the %d numbers it holds",
			i.Config.Classes, first, i.Config.Agnostic, b.Config.Dim, held)
	}
	m, err := newModel(b, i.Config)
	if err != nil {
		return nil, err
	}
	if err := m.fits(i.Transform); err != nil {
		return nil, err
	}
	return m, nil
}

// IsOfficial reports whether a file holds a whole model of the authors' code,
// with prompts under vpt.prompt_embeddings.
func IsOfficial(f *checkpoint.File) bool {
	_, ok := f.Info(officialPrompts)
	return ok
}

const officialPrompts = "vpt.prompt_embeddings" // [N, C, D]

// LoadOfficial reads a checkpoint of the authors' code, which holds backbone,
// prompts and head in one file. c is the backbone's architecture. Its
// normalisation becomes mean = std = 0.5, whatever the backbone was trained
// with, and so should the transform's: the authors' code normalises so for
// every backbone, and their prompts need it.
func LoadOfficial(path string, c vit.Config) (*Model, error) {
	f, err := checkpoint.Open(path)
	if err != nil {
		return nil, fmt.Errorf("promptcam: %w", err)
	}
	defer f.Close()
	if !IsOfficial(f) {
		return nil, fmt.Errorf("promptcam: load %s: not an official Prompt-CAM checkpoint: no tensor %s", path, officialPrompts)
	}
	half := [3]float32{0.5, 0.5, 0.5}
	c.Mean, c.Std, c.Labels = half, half, 0
	b, err := vit.LoadFrom(vit.Without(f, "vpt.", "head."), c)
	if err != nil {
		return nil, fmt.Errorf("promptcam: load %s: %w", path, err)
	}
	prompts, err := f.Tensor(officialPrompts)
	if err != nil {
		return nil, fmt.Errorf("promptcam: load %s: %w", path, err)
	}
	if prompts.Rank() != 3 || prompts.Dim(0) != c.Depth || prompts.Dim(2) != c.Dim {
		return nil, fmt.Errorf("promptcam: load %s: %s is %v, want [%d, C, %d]", path, officialPrompts, prompts.Shape(), c.Depth, c.Dim)
	}
	classes := prompts.Dim(1)
	m, err := newModel(b, Config{Mode: Deep, Classes: classes, Agnostic: agnosticOf(c.Depth, classes)})
	if err != nil {
		return nil, fmt.Errorf("promptcam: load %s: %w", path, err)
	}
	state := nn.Tensors{"class": prompts.Select(0, c.Depth-1)}
	for i := range m.Agnostic {
		state[fmt.Sprintf("agnostic.%d", i)] = prompts.Select(0, i)
	}
	for _, name := range []string{"head.weight", "head.bias"} {
		if state[name], err = f.Tensor(name); err != nil {
			return nil, fmt.Errorf("promptcam: load %s: %w", path, err)
		}
	}
	if err := nn.Load(m, state); err != nil {
		return nil, fmt.Errorf("promptcam: load %s: %w", path, err)
	}
	return m, nil
}

// agnosticOf is the official number of class-agnostic prompts: C, in every
// layer but the last; so none where there is one layer.
func agnosticOf(depth, classes int) int {
	if depth == 1 {
		return 0
	}
	return classes
}
