package vit

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
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
	m, err := load(context.Background(), f, c)
	if err != nil {
		return nil, fmt.Errorf("vit: load %s: %w", path, err)
	}
	return m, nil
}

// LoadFrom makes a backbone of architecture c from the tensors of src, under any of the names that Load
// knows.
//
// Position embeddings are resized to c.ImageSize as in timm, up to 1<<26 numbers or 4 times those of src, or up
// to the latter alone if c.ImageSize is what the metadata of src states. Their grid is that of the Config that the
// metadata of src states, if any; otherwise c's, if their number is right for it; otherwise a square.
// LoadFrom ignores a classifier if c.Labels is 0, what only training needs (decoders, projection heads, mask
// tokens, the text tower), and, beside a complete backbone, other modules, which Aside lists. Any other
// mismatch is an error that counts the missing, unknown and misshapen tensors and names the first of each. It
// wraps ErrUnsupported if no Config could run the weights. NaN and infinite weights are errors too.
//
// If src has a method Info, as *checkpoint.File does, shapes are compared before any tensor is read or memory
// is allocated; otherwise reading stops at the first tensor that does not fit. Other tensors are never read.
func LoadFrom(src nn.Source, c Config) (*Model, error) {
	return LoadFromContext(context.Background(), src, c)
}

// LoadFromContext is LoadFrom until ctx is cancelled, which is noticed between two tensors.
func LoadFromContext(ctx context.Context, src nn.Source, c Config) (*Model, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	m, err := load(ctx, src, c)
	if err != nil {
		return nil, fmt.Errorf("vit: load: %w", err)
	}
	return m, nil
}

func load(ctx context.Context, src nn.Source, c Config) (*Model, error) {
	t := contentsOf(src)
	l, err := t.layout()
	if err != nil {
		return nil, err
	}
	if m := t.compare(l, c); !m.none() {
		return nil, t.mismatch(l, m, c)
	}
	if err := t.affords(c); err != nil {
		return nil, err
	}
	weights, err := t.read(ctx, src, l, c)
	if err != nil {
		return nil, err
	}
	from, hasClass, _ := c.positions(weights["pos_embed"].Dim(1), t.grid(c.PatchSize))
	if hasClass && c.NoClassPos {
		foldClassPos(weights)
	}
	sum := identity(weights)
	if h, w := c.Grid(); from != [2]int{h, w} {
		weights["pos_embed"] = resizePosEmbed(weights["pos_embed"], c.posRows()-h*w, from, [2]int{h, w})
	}
	m := newModel(c)
	if err := nn.Load(m, weights); err != nil {
		return nil, err
	}
	m.SHA256 = sum
	return m, nil
}

// mismatch returns the error for a file that is not of architecture c.
func (t contents) mismatch(l layout, m misfit, c Config) error {
	if reason := t.reason(m); reason != nil {
		return reason
	}
	seen, err := t.seen(l)
	if got, want := seen.Kind(), c.Kind(); err == nil && got != want {
		return fmt.Errorf("the weights are a %s, architecture %q is a %s: %s", got, c.Name, want, m.text(1))
	}
	return errors.New(m.text(6))
}

// Aside returns the names of the tensors, sorted, that LoadFrom leaves aside although it does not know what
// they are for: those of other modules beside the backbone, such as a classifier, a loss or a second copy. It
// returns nil if src holds no backbone.
func Aside(src interface{ Names() []string }) []string {
	t := contentsOf(src)
	l, err := recognise(t.names)
	if err != nil {
		return nil
	}
	return t.originals(l.aside)
}

// Without returns src without the tensors whose names, as [checkpoint.CutWrappers] returns them, begin with one
// of prefixes. An official Prompt-CAM checkpoint without "vpt." is a backbone.
func Without(src nn.Source, prefixes ...string) nn.Source { return without{src, prefixes} }

type without struct {
	nn.Source
	prefixes []string
}

func (w without) Names() []string {
	return slices.DeleteFunc(slices.Clone(w.Source.Names()), w.hides)
}

func (w without) hides(name string) bool {
	return slices.ContainsFunc(w.prefixes, func(p string) bool { return strings.HasPrefix(checkpoint.CutWrappers(name), p) })
}

// read reads what architecture c needs under this package's names and in its shapes, with position embeddings
// of the file's grid.
func (t contents) read(ctx context.Context, src nn.Source, l layout, c Config) (nn.Tensors, error) {
	weights, want := nn.Tensors{}, c.shapes()
	for _, ours := range slices.Sorted(maps.Keys(want)) {
		parts := make([]*tensor.Tensor, len(l.from[ours]))
		for i, name := range l.from[ours] {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			var err error
			if parts[i], err = src.Tensor(t.original[name]); err != nil {
				return nil, err
			}
		}
		w, err := join(parts, l.from[ours])
		if err != nil {
			return nil, err
		}
		if shape := padded(ours, w.Shape()); len(shape) != w.Rank() {
			w = w.Contig().Reshape(shape...)
		}
		if !fits(c, ours, w.Shape(), want[ours], t.grid(c.PatchSize)) {
			return nil, fmt.Errorf("%s is %v, want %v", ours, w.Shape(), want[ours])
		}
		weights[ours] = w
	}
	return weights, nil
}

// foldClassPos removes the class token's position embedding by adding it to the class token, as timm does for
// DINOv2 with registers.
func foldClassPos(weights nn.Tensors) {
	pos := weights["pos_embed"]
	weights["cls_token"] = weights["cls_token"].Add(pos.Slice(1, 0, 1))
	weights["pos_embed"] = pos.Slice(1, 1, pos.Dim(1)).Contig()
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
			return nil, fmt.Errorf("%s is %v and %s is %v: they do not go together", checkpoint.Clean(names[0]), first, checkpoint.Clean(names[i]), p.Shape())
		}
		rows += p.Dim(0)
		data = append(data, p.Contig().Data()...)
	}
	return tensor.FromSlice(data, append([]int{rows}, first[1:]...)...), nil
}

// positions returns the grid of a table of position embeddings with that many rows, and whether the first is
// the class token's. A stated grid comes first; then, as in timm's loading, c's own if the number of rows is
// right for it; then a square. ok is false if none has that many rows.
func (c Config) positions(rows int, stated [2]int) (grid [2]int, class, ok bool) {
	h, w := c.Grid()
	for _, grid := range [][2]int{stated, {h, w}} {
		switch n := grid[0] * grid[1]; {
		case n > 0 && rows == n+1:
			return grid, true, true
		case n > 0 && rows == n && c.NoClassPos:
			return grid, false, true
		}
	}
	if n := squareRoot(rows - 1); n > 0 && n*n == rows-1 {
		return [2]int{n, n}, true, true
	}
	n := squareRoot(rows)
	return [2]int{n, n}, false, c.NoClassPos && n > 0 && n*n == rows
}

func squareRoot(n int) int { return int(math.Sqrt(float64(max(n, 0)))) }

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
