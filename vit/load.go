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
// Position embeddings are resized to c.ImageSize as timm does; those of a file must be for a square image,
// or, where their number is no square, for one of c.ImageSize. With c.Labels = 0 a classifier is passed over.
// What only training needs (decoders, projection heads, mask tokens, the text tower) is passed over too; any
// other tensor that does not fit is an error, which counts the missing, unknown and misshapen tensors and
// names the first of each, and so are NaN and infinite weights.
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
	// nn.Load tells all that does not fit, but needs the model for it.
	const affordable = 1 << 28
	if held := count(weights); c.size() > held+affordable {
		return nil, fmt.Errorf("the file holds %d numbers, architecture %q needs more than %d", held, c.Name, c.size())
	}
	m := newModel(c)
	if err := nn.Load(m, weights); err != nil {
		return nil, err
	}
	m.SHA256 = sum
	return m, nil
}

// count returns how many numbers there are in all of weights.
func count(weights nn.Tensors) int {
	n := 0
	for _, t := range weights {
		n += t.Len()
	}
	return n
}

// Without returns src less the tensors whose names begin with one of prefixes: what is left of an official
// Prompt-CAM checkpoint without "vpt." is a backbone.
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

// canonical reads src under this package's names and in its shapes, with position embeddings still of the
// file's grid. Tensors that it does not know keep their names, for nn.Load to complain of.
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

// join stacks parts, the file's tensors of those names, along their first dimension.
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

// foldClassPos turns position embeddings that cover the class token too into ones that do not, by adding its
// row to the class token, as timm does for DINOv2 with registers.
func foldClassPos(weights nn.Tensors) {
	pos, class := weights["pos_embed"], weights["cls_token"]
	if pos == nil || class == nil || pos.Rank() != 3 || pos.Dim(0) != 1 || pos.Dim(1) < 2 ||
		!slices.Equal(class.Shape(), []int{1, 1, pos.Dim(2)}) {
		return // misshapen, which nn.Load will say
	}
	if !isSquare(pos.Dim(1) - 1) {
		return // without the class already, or for an oblong image
	}
	weights["cls_token"] = class.Add(pos.Slice(1, 0, 1))
	weights["pos_embed"] = pos.Slice(1, 1, pos.Dim(1)).Contig()
}

// fitPosEmbed resizes pos_embed to c's grid. Where its grid cannot be told, it leaves it to nn.Load to say
// that the shape is wrong.
func fitPosEmbed(weights nn.Tensors, c Config) {
	pos := weights["pos_embed"]
	if pos == nil || pos.Rank() != 3 || pos.Dim(0) != 1 || pos.Dim(2) != c.Dim {
		return
	}
	h, w := c.Grid()
	prefix := c.posRows() - h*w
	// timm too takes as many rows as c's oblong grid has for a square one's if they could be: 36 are 6x6, not
	// 4x9.
	if !isSquare(pos.Dim(1)-prefix) || h == w && pos.Dim(1) == c.posRows() {
		return
	}
	side := squareRoot(pos.Dim(1) - prefix)
	weights["pos_embed"] = resizePosEmbed(pos, prefix, grid{side, side}, grid{h, w})
}

func isSquare(n int) bool { return n > 0 && squareRoot(n)*squareRoot(n) == n }

func squareRoot(n int) int { return int(math.Sqrt(float64(n))) }

// identity returns the SHA-256 of the backbone's names, shapes and float32 values, in hexadecimal: the same
// for the same weights in whatever format, and under whatever names, they were stored. The classifier is left
// out.
func identity(weights nn.Tensors) string {
	sum := sha256.New()
	var buf []byte
	for _, name := range weights.Names() {
		if isClassifier(name) {
			continue
		}
		t := weights[name]
		fmt.Fprintf(sum, "%s %v\n", name, t.Shape())
		buf = buf[:0]
		for _, v := range t.Contig().Data() {
			buf = binary.LittleEndian.AppendUint32(buf, math.Float32bits(v))
		}
		sum.Write(buf)
	}
	return hex.EncodeToString(sum.Sum(nil))
}
