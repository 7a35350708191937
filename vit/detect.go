package vit

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/promptcam/promptcam/tensor/checkpoint"
)

// Header is a file's table of contents, which Detect reads. *checkpoint.File implements it.
type Header interface {
	Path() string
	Names() []string
	Info(name string) (info checkpoint.Info, ok bool)
}

// AmbiguousError is wrapped by the error of Detect if several presets fit.
type AmbiguousError struct {
	Fit    []Config // the presets, with Labels set to the size of the file's classifier
	Differ string   // in what they and others like them differ
}

// Error names the presets, and in what they differ.
func (e *AmbiguousError) Error() string {
	var names []string
	for _, c := range e.Fit {
		names = append(names, c.Name)
	}
	return fmt.Sprintf("names and shapes are those of %s and others that differ in %s: state which it is (--arch NAME or FILE.json)", strings.Join(names, ", "), e.Differ)
}

// Detect returns the preset of a file's weights, with Labels set to the size of its classifier, or, if its
// metadata "config" is a Config as JSON, as in files of examples/pretrain, that Config, unless it would have
// more than 4 times as many parameters as the file has numbers.
//
// Names and shapes identify DINOv2 and DINO with patches of 8 pixels. AugReg, DeiT, DINO and MAE share names
// and shapes but not pixel statistics; the many CLIPs differ in their activation. They are told apart by a
// head with 1,000 outputs, tensors left by a training program, or the published name of the file, such as
// dino_vitbase16_pretrain.pth, or of its folder, if the file's is a common one, such as model.safetensors. A
// folder of Hugging Face's cache, such as models--facebook--dino-vitb16, counts wherever it is in the path.
// Detect does not guess: if several presets remain, its error is an [AmbiguousError].
//
// All tensors are looked at. If some are missing or unknown, the error says so, and, where they are those of
// another architecture, which; it then wraps ErrUnsupported.
func Detect(h Header) (Config, error) {
	c, err := detect(h)
	if err != nil {
		return Config{}, fmt.Errorf("vit: detect architecture of %s: %w", h.Path(), err)
	}
	return c, nil
}

// Kind describes the backbone in a file by size and patches, such as "ViT-Ti/16". The error says what the file
// holds otherwise, as Detect's does.
func Kind(h Header) (string, error) {
	c, err := contentsOf(h).backbone()
	if err != nil {
		return "", fmt.Errorf("vit: %s: %w", h.Path(), err)
	}
	return c.Kind(), nil
}

// backbone returns the fields of a Config that names and shapes determine, of a file with a whole backbone.
func (t contents) backbone() (Config, error) {
	l, err := t.layout()
	if err != nil {
		return Config{}, err
	}
	seen, err := t.seen(l)
	if err != nil {
		return seen, cmp.Or(t.foreign(l.unknown), err)
	}
	want := seen
	want.Labels = 0
	if rows, _, _ := t.shape(l, "pos_embed"); len(rows) == 3 { // whatever their grid is
		want.ImageSize = [2]int{want.PatchSize, max(1, rows[1]-1) * want.PatchSize}
	}
	if m := t.compare(l, want); !m.none() {
		return seen, cmp.Or(t.reason(m), fmt.Errorf("it is no whole vision transformer: %s", m.text(6)))
	}
	return seen, nil
}

func detect(h Header) (Config, error) {
	t := contentsOf(h)
	if c := t.stated; c != nil {
		return *c, t.affords(*c)
	}
	seen, err := t.backbone()
	if err != nil {
		return Config{}, err
	}
	var fit []Config
	for _, c := range Presets() {
		if c.PatchSize == seen.PatchSize && c.Dim == seen.Dim && c.Depth == seen.Depth && c.Hidden == seen.Hidden &&
			c.Registers == seen.Registers && c.PreNorm == seen.PreNorm && c.LayerScale == seen.LayerScale {
			fit = append(fit, c)
		}
	}
	if len(fit) == 0 {
		return Config{}, fmt.Errorf("no preset has %d blocks of width %d (hidden %d), patches of %d pixels and %d registers (layer scale: %t, norm before the blocks: %t): state the architecture in a file (--arch FILE.json)",
			seen.Depth, seen.Dim, seen.Hidden, seen.PatchSize, seen.Registers, seen.LayerScale, seen.PreNorm)
	}
	likely := fit
	if seen.Labels == 1000 {
		likely = filter(fit, func(c Config) bool { return c.Labels == 1000 })
	}
	family := familyHint(t)
	if seen.PreNorm && seen.Labels > 0 && !strings.Contains(t.path, "quickgelu") {
		family = "" // fine-tuned on ImageNet: see namedFamily
	}
	if len(likely) != 1 && family != "" {
		likely = filter(fit, func(c Config) bool { return strings.HasPrefix(c.Name, family+"-") })
	}
	if len(likely) == 0 {
		likely = fit
	}
	for i := range likely {
		likely[i].Labels = seen.Labels
	}
	if len(likely) != 1 {
		differ := "what pixels were normalised with"
		if seen.PreNorm {
			differ = "the activation (quick GELU, as in these, or GELU, as in timm's fine-tuned ones and most of open_clip's)"
		}
		return Config{}, &AmbiguousError{likely, differ}
	}
	return likely[0], nil
}

func filter(cs []Config, keep func(Config) bool) []Config {
	return slices.DeleteFunc(slices.Clone(cs), func(c Config) bool { return !keep(c) })
}

// familyHint returns the family that tensors, file name or folder name imply, or "".
func familyHint(t contents) string {
	for _, name := range t.names {
		switch {
		case strings.Contains(name, "decoder_pos_embed"):
			return "mae"
		case strings.Contains(name, "head.last_layer."):
			return "dino"
		case name == "input_resolution": // OpenAI's own file
			return "clip"
		}
	}
	path := strings.Split(filepath.ToSlash(strings.ToLower(t.path)), "/")
	name, folders := path[len(path)-1], path[:len(path)-1]
	words := wordsOf(name)
	telling := slices.ContainsFunc(words, func(w string) bool { return !slices.Contains(commonWords, w) })
	if family := namedFamily(words); telling && family != "" {
		return family
	}
	for _, folder := range slices.Backward(folders) { // models--OWNER--NAME/snapshots/HASH/model.safetensors
		if repository, ok := strings.CutPrefix(folder, "models--"); ok {
			_, repository, _ = strings.Cut(repository, "--")
			return namedFamily(wordsOf(repository))
		}
	}
	if telling || len(folders) == 0 {
		return ""
	}
	return namedFamily(wordsOf(folders[len(folders)-1]))
}

// commonWords occur in uninformative file names, such as open_clip_pytorch_model.bin.
var commonWords = []string{"open", "clip", "pytorch", "model", "checkpoint", "weights", "bin", "pt", "pth", "safetensors"}

func wordsOf(name string) []string {
	return strings.FieldsFunc(name, func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') })
}

// namedFamily returns the family of a published name, given its words, or "".
func namedFamily(words []string) string {
	has := func(w ...string) bool {
		return slices.ContainsFunc(words, func(x string) bool { return slices.Contains(w, x) })
	}
	family := ""
	for _, f := range families {
		if !has(f) {
			continue
		}
		if family != "" {
			return "" // it names two
		}
		family = f
	}
	// open_clip's own weights have plain GELU, and so have timm's that were fine-tuned from OpenAI's.
	tuned := has("ft", "finetune", "finetuned", "in1k", "in12k") && !has("quickgelu")
	switch {
	case family == "clip" && (tuned || !has("openai") && !strings.HasPrefix(strings.Join(words, "-"), "clip-vit-base-patch16")), has("laion2b", "laion400m", "datacomp", "metaclip", "dfn", "distilled"):
		return ""
	case family != "":
		return family
	}
	// timm's default for vit_*_patch16 is AugReg: vit_tiny_patch16_224.
	known := []string{"vit", "tiny", "small", "base", "patch16", "224", "384", "in1k", "in21k", "ft"}
	if has("vit") && has("patch16") && !slices.ContainsFunc(words, func(w string) bool {
		return !slices.Contains(known, w) && !slices.Contains(commonWords, w)
	}) {
		return "augreg"
	}
	return ""
}
