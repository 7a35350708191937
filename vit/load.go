package vit

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/promptcam/promptcam/nn"
	"github.com/promptcam/promptcam/tensor"
	"github.com/promptcam/promptcam/tensor/checkpoint"
)

// Load reads a backbone of architecture c from a safetensors or PyTorch file with the names of timm, of
// Meta's DINO, DINOv2, MAE and DeiT, of OpenAI's CLIP and open_clip, or of Hugging Face's transformers. See
// LoadFrom.
func Load(path string, c Config) (*Model, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	f, err := checkpoint.Open(path)
	if err != nil {
		return nil, fmt.Errorf("vit: load: %w", err)
	}
	defer f.Close()
	m, err := load(f, c)
	if err != nil {
		return nil, fmt.Errorf("vit: load %s: %w", path, err)
	}
	return m, nil
}

// LoadFrom makes a backbone of architecture c from the tensors of src, under any of the names that Load
// knows.
//
// Position embeddings are resized to c.ImageSize as in timm; those of the file must be for a square image or,
// if their number is not a square, for one of c.ImageSize. LoadFrom ignores a classifier if c.Labels is 0,
// and tensors that only training needs (decoders, projection heads, mask tokens, the text tower). Any other
// mismatch is an error that counts the missing, unknown and misshapen tensors and names the first of each;
// NaN and infinite weights are errors too.
func LoadFrom(src nn.Source, c Config) (*Model, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	m, err := load(src, c)
	if err != nil {
		return nil, fmt.Errorf("vit: load: %w", err)
	}
	return m, nil
}

func load(src nn.Source, c Config) (*Model, error) {
	weights, err := canonical(src, c)
	if err != nil {
		return nil, err
	}
	sum := identity(weights)
	fitPosEmbed(weights, c)
	// nn.Load reports all mismatches, but needs the model, which must not be huge.
	const affordable = 1 << 28
	held := 0
	for _, t := range weights {
		held += t.Len()
	}
	if c.size() > held+affordable {
		return nil, fmt.Errorf("the file holds %d numbers, architecture %q needs more than %d", held, c.Name, c.size())
	}
	m := newModel(c)
	if err := nn.Load(m, weights); err != nil {
		return nil, err
	}
	m.SHA256 = sum
	return m, nil
}

// Without returns src without the tensors whose names begin with one of prefixes. An official Prompt-CAM
// checkpoint without "vpt." is a backbone.
func Without(src nn.Source, prefixes ...string) nn.Source { return without{src, prefixes} }

type without struct {
	nn.Source
	prefixes []string
}

func (w without) Names() []string {
	return slices.DeleteFunc(slices.Clone(w.Source.Names()), func(name string) bool {
		return slices.ContainsFunc(w.prefixes, func(p string) bool { return strings.HasPrefix(name, p) })
	})
}

// canonical reads src under this package's names and in its shapes, with position embeddings of the file's
// grid. Unknown tensors keep their names, for nn.Load to report.
func canonical(src nn.Source, c Config) (nn.Tensors, error) {
	l, err := recognise(slices.Sorted(slices.Values(src.Names())))
	if err != nil {
		return nil, err
	}
	weights := nn.Tensors{}
	for _, ours := range slices.Sorted(maps.Keys(l.from)) {
		if isClassifier(ours) && c.Labels == 0 {
			continue
		}
		parts := make([]*tensor.Tensor, len(l.from[ours]))
		for i, name := range l.from[ours] {
			if parts[i], err = src.Tensor(name); err != nil {
				return nil, err
			}
		}
		if weights[ours], err = join(parts, l.from[ours]); err != nil {
			return nil, err
		}
	}
	for _, name := range l.unknown {
		if weights[name] != nil {
			return nil, fmt.Errorf("%s is there twice: also as %s", name, strings.Join(l.from[name], ", "))
		}
		if weights[name], err = src.Tensor(name); err != nil {
			return nil, err
		}
	}
	for _, name := range []string{"cls_token", "pos_embed"} { // CLIP: [D] and [T, D]
		if t := weights[name]; t != nil && t.Rank() < 3 {
			shape := append(slices.Repeat([]int{1}, 3-t.Rank()), t.Shape()...)
			weights[name] = t.Contig().Reshape(shape...) // [1, 1, D], [1, T, D]
		}
	}
	if c.NoClassPos {
		foldClassPos(weights)
	}
	return weights, nil
}

func isClassifier(name string) bool { return strings.HasPrefix(name, "head.") }

// join stacks parts, the file's tensors with the given names, along their first dimension.
func join(parts []*tensor.Tensor, names []string) (*tensor.Tensor, error) {
	if len(parts) == 1 {
		return parts[0], nil
	}
	first := parts[0].Shape()
	rows, data := 0, []float32(nil)
	for i, p := range parts {
		if p.Rank() == 0 || p.Rank() != len(first) || !slices.Equal(p.Shape()[1:], first[1:]) {
			return nil, fmt.Errorf("%s is %v and %s is %v: they do not go together", names[0], first, names[i], p.Shape())
		}
		rows += p.Dim(0)
		data = append(data, p.Contig().Data()...)
	}
	return tensor.FromSlice(data, append([]int{rows}, first[1:]...)...), nil
}

// foldClassPos removes the class token's position embedding by adding it to the class token, as timm does for
// DINOv2 with registers.
func foldClassPos(weights nn.Tensors) {
	pos, class := weights["pos_embed"], weights["cls_token"]
	if pos == nil || class == nil || pos.Rank() != 3 || pos.Dim(0) != 1 || pos.Dim(1) < 2 ||
		!slices.Equal(class.Shape(), []int{1, 1, pos.Dim(2)}) {
		return // misshapen: nn.Load reports it
	}
	if !isSquare(pos.Dim(1) - 1) {
		return // already without the class, or for an image that is not square
	}
	weights["cls_token"] = class.Add(pos.Slice(1, 0, 1))
	weights["pos_embed"] = pos.Slice(1, 1, pos.Dim(1)).Contig()
}

// fitPosEmbed resizes pos_embed to c's grid. If the file's grid is unknown, it leaves the wrong shape for
// nn.Load to report.
func fitPosEmbed(weights nn.Tensors, c Config) {
	pos := weights["pos_embed"]
	if pos == nil || pos.Rank() != 3 || pos.Dim(0) != 1 || pos.Dim(2) != c.Dim {
		return
	}
	h, w := c.Grid()
	prefix := c.posRows() - h*w
	// Like timm, assume a square grid if the number of rows is a square: 36 are 6x6, not c's 4x9.
	if !isSquare(pos.Dim(1)-prefix) || h == w && pos.Dim(1) == c.posRows() {
		return
	}
	side := squareRoot(pos.Dim(1) - prefix)
	weights["pos_embed"] = resizePosEmbed(pos, prefix, [2]int{side, side}, [2]int{h, w})
}

func isSquare(n int) bool { return n > 0 && squareRoot(n)*squareRoot(n) == n }

func squareRoot(n int) int { return int(math.Sqrt(float64(n))) }

// identity returns the SHA-256, in hexadecimal, of the backbone's names, shapes and float32 values, without
// the classifier. It does not depend on the format and names in the file.
func identity(weights nn.Tensors) string {
	sum := sha256.New()
	for _, name := range weights.Names() {
		if isClassifier(name) {
			continue
		}
		t := weights[name]
		fmt.Fprintf(sum, "%s %v\n", name, t.Shape())
		binary.Write(sum, binary.LittleEndian, t.Contig().Data())
	}
	return hex.EncodeToString(sum.Sum(nil))
}
