package promptcam

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/promptcam/promptcam/data"
	"github.com/promptcam/promptcam/nn"
	"github.com/promptcam/promptcam/tensor"
	"github.com/promptcam/promptcam/tensor/checkpoint"
	"github.com/promptcam/promptcam/vit"
)

// Info describes a model. It is stored as JSON in the model's file, beside the tensors.
type Info struct {
	Config    Config
	Classes   []string       // Model.Classes
	Transform data.Transform // Model.Transform
	Backbone  BackboneInfo
	Conformal *Conformal `json:",omitempty"` // Model.Conformal
}

// BackboneInfo identifies the backbone that a model was trained on.
type BackboneInfo struct {
	SHA256 string // of its weights: vit.Model.SHA256
	Config vit.Config
}

// Info returns the description of m.
func (m *Model) Info() Info {
	return Info{m.Config, m.Classes, m.Transform, BackboneInfo{m.Backbone.SHA256, m.Backbone.Config}, m.Conformal}
}

// Validate returns an error about the first field that does not fit, such as a transform to another size than
// the backbone's or without Std. Other statistics than the backbone's are no error: prompts may be trained with
// their own.
func (i Info) Validate() error {
	if err := cmp.Or(i.Backbone.Config.Validate(), i.Config.Validate(i.Backbone.Config.Depth)); err != nil {
		return err
	}
	if n := len(i.Backbone.SHA256); n > 64 {
		return fmt.Errorf("the SHA-256 of the backbone has %d characters, want 64", n)
	}
	if got, want := len(i.Classes), i.Config.Classes; got != want {
		return fmt.Errorf("%d class names for %d classes", got, want)
	}
	for c, name := range i.Classes {
		if len(name) > maxName {
			return fmt.Errorf("the name of class %d has %d bytes, want at most %d", c+1, len(name), maxName)
		}
	}
	if err := i.Transform.Validate(); err != nil {
		return err
	}
	if t, size := i.Transform, i.Backbone.Config.ImageSize; t.Height != size[0] || t.Width != size[1] {
		return fmt.Errorf("the transform makes images of %dx%d pixels, the backbone wants %dx%d", t.Height, t.Width, size[0], size[1])
	}
	if i.Transform.Std == [3]float32{} {
		return fmt.Errorf("the transform does not normalise: its Std is 0, the backbone's %v", i.Backbone.Config.Std)
	}
	if i.Conformal != nil {
		return i.Conformal.Validate()
	}
	return nil
}

const maxName = 4096 // bytes, as many as a path has; the names of folders are shorter

// ErrFormat is wrapped by the errors for a checkpoint that holds no Prompt-CAM.
var ErrFormat = errors.New("not a saved Prompt-CAM")

// ErrWrongBackbone is wrapped by the errors of [Load] and [Open] about a backbone: a [*BackboneError], or that of
// weights which do not fit the architecture that the model was trained on.
var ErrWrongBackbone = errors.New("wrong backbone")

// BackboneError is the error of [Load] and [Open] for a missing backbone, or for another than the model was
// trained on.
type BackboneError struct {
	Path string       // of the model
	Want BackboneInfo // what the model was trained on
	Got  BackboneInfo // what it was given; zero if nothing
}

// Error names the model's file, the backbone that it needs and what it was given.
func (e *BackboneError) Error() string {
	want, got := e.Want.Config, e.Got.Config
	problem := fmt.Sprintf("was trained on backbone %+v, got %+v", want, got)
	switch {
	case e.Got == BackboneInfo{}:
		problem = fmt.Sprintf("needs the backbone it was trained on, %s with SHA-256 %s, which is not in it", want.Name, e.Want.SHA256)
	case e.Want.SHA256 != e.Got.SHA256:
		problem = fmt.Sprintf("was trained on backbone %s with SHA-256 %s, got %s with %s", want.Name, e.Want.SHA256, got.Name, e.Got.SHA256)
	case want.ImageSize != got.ImageSize:
		problem = fmt.Sprintf("was trained at %dx%d pixels, the backbone is set to %dx%d", want.ImageSize[0], want.ImageSize[1], got.ImageSize[0], got.ImageSize[1])
	}
	return "promptcam: " + e.Path + " " + problem
}

// Unwrap returns [ErrWrongBackbone].
func (e *BackboneError) Unwrap() error { return ErrWrongBackbone }

// format marks our files. It changes when older ones can no longer be read.
const format = "promptcam 1"

// Tensors returns the parameters that Save writes: prompts, head and adapters.
func (m *Model) Tensors() nn.Tensors { return nn.State(m) }

// Save writes the prompts, the head, the adapters, the [Reference] if m has one, and the [Info] of m to w as a
// small safetensors file. Of the backbone it writes the identity alone. It returns an error unless m.Info is
// valid.
func (m *Model) Save(w io.Writer) error {
	metadata, err := m.metadata()
	if err == nil {
		all := m.Tensors()
		if m.Reference != nil {
			maps.Copy(all, m.Reference.tensors())
		}
		as := func(name string) checkpoint.DType {
			if strings.HasPrefix(name, referencePrefix) {
				return savedAs(name, all[name])
			}
			return checkpoint.F32
		}
		err = checkpoint.WriteEach(w, as, all, metadata)
	}
	if err != nil {
		return fmt.Errorf("promptcam: save: %w", err)
	}
	return nil
}

// SaveFile saves m to the file path, whole or not at all. Errors begin with path.
func (m *Model) SaveFile(path string) error { return checkpoint.WriteFile(path, m.Save) }

func (m *Model) metadata() (map[string]string, error) {
	info := m.Info()
	text, err := json.Marshal(info)
	return map[string]string{"format": format, "promptcam": string(text)}, cmp.Or(info.Validate(), err)
}

// ReadInfo reads the description of a model that Save wrote. For another file the error wraps [ErrFormat].
func ReadInfo(f *checkpoint.File) (*Info, error) {
	if got := f.Metadata()["format"]; got != format {
		return nil, fmt.Errorf("promptcam: %s: %w: its format is %.40q, want %q", f.Path(), ErrFormat, got, format)
	}
	info := new(Info)
	if err := json.Unmarshal([]byte(f.Metadata()["promptcam"]), info); err != nil {
		return nil, fmt.Errorf("promptcam: %s: its description: %w", f.Path(), err)
	}
	if err := info.Validate(); err != nil {
		return nil, fmt.Errorf("promptcam: %s: %w", f.Path(), err)
	}
	if info.Config.Rank > 0 && info.Config.RankScale == 0 {
		info.Config.RankScale = oldScale
	}
	return info, nil
}

// Open reads the model in the file path, and its backbone from the file weights. weights is "" for a
// checkpoint of the authors' code, which holds its own; if it is missing, the error is a [*BackboneError]
// that names it.
func Open(path, weights string) (*Model, error) {
	f, err := checkpoint.Open(path)
	if err != nil {
		return nil, fmt.Errorf("promptcam: %w", err)
	}
	defer f.Close() // it is only read
	if weights == "" {
		return Load(f, nil)
	}
	if IsOfficial(f) {
		return nil, fmt.Errorf("promptcam: %s, an official checkpoint, holds its own backbone: %s is not needed", path, weights)
	}
	info, err := ReadInfo(f)
	if err != nil {
		return nil, err
	}
	backbone, err := checkpoint.Open(weights)
	if err != nil {
		return nil, fmt.Errorf("promptcam: %w", err)
	}
	defer backbone.Close()
	b, err := vit.LoadFrom(backbone, info.Backbone.Config)
	if err != nil {
		return nil, fmt.Errorf("promptcam: %w: %s is not the %s with SHA-256 %s that %s was trained on: %w",
			ErrWrongBackbone, weights, info.Backbone.Config.Name, info.Backbone.SHA256, path, err)
	}
	return Load(f, b)
}

// Load reads a model that Save wrote, for backbone b, which must be the one it was trained on: the same
// weights, architecture, image size and normalisation, under any name. For another the error is a
// [*BackboneError]. Several models may share b.
//
// A checkpoint of the authors' code holds its own backbone, so b must be nil. [DetectOfficial] finds its
// architecture; where it cannot, use [LoadOfficial].
func Load(f *checkpoint.File, b *vit.Model) (*Model, error) {
	if IsOfficial(f) {
		if b != nil {
			return nil, fmt.Errorf("promptcam: load %s: an official checkpoint holds its own backbone, got %s too", f.Path(), b.Config.Name)
		}
		c, err := DetectOfficial(f)
		if err != nil {
			return nil, err
		}
		return LoadOfficial(f, c)
	}
	info, err := ReadInfo(f)
	if err != nil {
		return nil, err
	}
	want := info.Backbone
	if b == nil {
		return nil, &BackboneError{Path: f.Path(), Want: want}
	}
	// Name and classifier make no difference; other heads, GELU or pixels do, with the same weights.
	got, same := BackboneInfo{b.SHA256, b.Config}, want
	same.Config.Name, same.Config.Labels = got.Config.Name, got.Config.Labels
	if same != got {
		return nil, &BackboneError{f.Path(), want, got}
	}
	m, err := info.load(b, f)
	if err != nil {
		return nil, fmt.Errorf("promptcam: load %s: %w", f.Path(), err)
	}
	return m, nil
}

// load returns the model that i describes, with the parameters in f.
func (i *Info) load(b *vit.Model, f *checkpoint.File) (*Model, error) {
	first, err := i.Config.Mode.first(b.Config.Depth)
	if err != nil {
		return nil, err
	}
	held := 0
	for _, name := range f.Names() {
		t, _ := f.Info(name)
		held += tensor.Size("Load", t.Shape)
	}
	// nn.Load finds all that does not fit, but needs a model, which a damaged file could make huge.
	const affordable = 1 << 24
	if want := (i.Config.Classes + first*i.Config.Agnostic) * b.Config.Dim; want > held+affordable {
		return nil, fmt.Errorf("%d class prompts and %d times %d agnostic ones of width %d are more than the %d numbers it holds",
			i.Config.Classes, first, i.Config.Agnostic, b.Config.Dim, held)
	}
	m, err := newModel(b, i.Config)
	if err != nil {
		return nil, err
	}
	m.Classes, m.Transform, m.Conformal = i.Classes, i.Transform, i.Conformal
	if m.Reference, err = readReference(f, i.Config.Classes, b.Config.Dim); err != nil {
		return nil, err
	}
	return m, nn.Load(m, vit.Without(f, referencePrefix))
}

const officialPrompts = "vpt.prompt_embeddings" // [N, C, D]

// IsOfficial reports whether f is a checkpoint of the authors' code, with prompts under
// vpt.prompt_embeddings.
func IsOfficial(f *checkpoint.File) bool { return officialName(f, officialPrompts) != "" }

// officialName returns the file's name of a tensor, which wrappers of the model may have lengthened, or "".
func officialName(f *checkpoint.File, bare string) string {
	if _, ok := f.Info(bare); ok {
		return bare
	}
	names := f.Names()
	if i := slices.IndexFunc(names, func(name string) bool { return checkpoint.CutWrappers(name) == bare }); i >= 0 {
		return names[i]
	}
	return ""
}

// DetectOfficial returns the architecture of the backbone in a checkpoint of the authors' code. Presets that
// differ only in what LoadOfficial sets itself are alike to it: it then names the size alone, such as vitb16.
func DetectOfficial(f *checkpoint.File) (vit.Config, error) {
	c, err := vit.Detect(f)
	var several *vit.AmbiguousError
	if errors.As(err, &several) {
		for i, fit := range several.Fit {
			_, fit.Name, _ = strings.Cut(fit.Name, "-")
			fit.Mean, fit.Std, fit.Labels = officialMean, officialStd, 0
			if i > 0 && fit != c {
				return vit.Config{}, fmt.Errorf("promptcam: %w", err)
			}
			c = fit
		}
		return c, nil
	}
	if err != nil {
		return vit.Config{}, fmt.Errorf("promptcam: %w", err)
	}
	return c, nil
}

// officialMean and officialStd are what the authors' code normalises pixels with, for every backbone.
var officialMean, officialStd = [3]float32{0.5, 0.5, 0.5}, [3]float32{0.5, 0.5, 0.5}

// LoadOfficial reads a checkpoint of the authors' code, which holds backbone, prompts and head. c is the
// backbone's architecture. Classes are numbered from "1", since the file does not name them. Mean and Std
// become 0.5, whatever the backbone was trained with: the authors' code normalises so for every backbone, and
// their prompts need it.
func LoadOfficial(f *checkpoint.File, c vit.Config) (m *Model, err error) {
	defer func() {
		if err != nil {
			m, err = nil, fmt.Errorf("promptcam: load %s: %w", f.Path(), err)
		}
	}()
	if !IsOfficial(f) {
		return nil, fmt.Errorf("%w of the authors' code: no tensor %s", ErrFormat, officialPrompts)
	}
	c.Mean, c.Std, c.Labels = officialMean, officialStd, 0
	b, err := vit.LoadFrom(vit.Without(f, "vpt.", "head."), c)
	if err != nil {
		return nil, err
	}
	info, _ := f.Info(officialName(f, officialPrompts))
	if shape := info.Shape; len(shape) != 3 || shape[0] != c.Depth || shape[2] != c.Dim {
		return nil, fmt.Errorf("%s is %v, want [%d, C, %d]", officialPrompts, shape, c.Depth, c.Dim)
	}
	state := nn.Tensors{}
	for name, from := range map[string]string{"class": officialPrompts, "head.weight": "head.weight", "head.bias": "head.bias"} {
		in := cmp.Or(officialName(f, from), from)
		if state[name], err = f.Tensor(in); err != nil {
			return nil, err
		}
	}
	prompts := state["class"]
	official := Config{Mode: Deep, Classes: prompts.Dim(1)}
	if c.Depth > 1 { // in every block but the last
		official.Agnostic = official.Classes
	}
	if m, err = newModel(b, official); err != nil {
		return nil, err
	}
	state["class"] = prompts.Select(0, c.Depth-1)
	for i := range m.Agnostic {
		state[fmt.Sprintf("agnostic.%d", i)] = prompts.Select(0, i)
	}
	return m, nn.Load(m, state)
}
