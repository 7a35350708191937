package vit

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/promptcam/promptcam/nn"
	"github.com/promptcam/promptcam/tensor/checkpoint"
)

// contents is a file's table of contents under the names that checkpoint.CutWrappers returns. Nothing of it
// reads a tensor.
type contents struct {
	names    []string           // sorted
	original map[string]string  // the file's name
	info     func(string) []int // a copy of the shape, by the file's name; nil if the file does not tell
	stated   *Config            // by the metadata; nil if they state none
	path     string             // may be ""
}

// contentsOf returns the contents of a Header or nn.Source.
func contentsOf(src interface{ Names() []string }) contents {
	if w, ok := src.(without); ok {
		t := contentsOf(w.Source)
		maps.DeleteFunc(t.original, func(name, _ string) bool { return w.hides(name) })
		t.names = slices.Sorted(maps.Keys(t.original))
		return t
	}
	all := src.Names()
	t := contents{original: map[string]string{}}
	for _, name := range all {
		t.original[checkpoint.CutWrappers(name)] = name
	}
	if len(t.original) != len(all) { // two would get one name
		clear(t.original)
		for _, name := range all {
			t.original[name] = name
		}
	}
	switch src := src.(type) {
	case interface {
		Info(string) (checkpoint.Info, bool)
	}:
		t.info = func(name string) []int {
			info, _ := src.Info(name)
			return slices.Clone(info.Shape)
		}
	case nn.Tensors:
		t.info = func(name string) []int { return slices.Clone(src[name].Shape()) }
	}
	var metadata map[string]string
	if m, ok := src.(interface{ Metadata() map[string]string }); ok {
		metadata = m.Metadata()
	}
	if c, err := ReadConfig(strings.NewReader(metadata["config"])); err == nil { // else it is something else: "config" is a common name
		t.stated = &c
	}
	if p, ok := src.(interface{ Path() string }); ok {
		t.path = p.Path()
	}
	// Of tensors that share memory, safetensors' save_model writes one, and notes under the others' names which.
	tied, longest := map[string]string{}, 0
	for _, name := range all {
		longest = max(longest, len(name))
	}
	for left, kept := range metadata {
		if len(kept) > longest { // many keys may have one long text
			continue
		}
		if from, ok := t.original[checkpoint.CutWrappers(kept)]; ok && t.original[checkpoint.CutWrappers(left)] == "" {
			tied[checkpoint.CutWrappers(left)] = from
		}
	}
	maps.Copy(t.original, tied)
	t.names = slices.Sorted(maps.Keys(t.original))
	return t
}

// shape returns the shape of one of our tensors, made from parts: queries, keys and values stacked, and at
// least three dimensions where CLIP has fewer. known is false if the file does not tell shapes.
func (t contents) shape(l layout, ours string) (shape []int, known bool, err error) {
	if t.info == nil {
		return nil, false, nil
	}
	parts := l.from[ours]
	for i, name := range parts {
		s := t.info(t.original[name])
		switch {
		case i == 0:
			shape = s
		case len(s) == 0 || len(s) != len(shape) || !slices.Equal(s[1:], shape[1:]):
			return nil, true, fmt.Errorf("%s is %v and %s is %v: they do not go together", checkpoint.Clean(parts[0]), t.info(t.original[parts[0]]), checkpoint.Clean(name), s)
		default:
			shape[0] += s[0]
		}
	}
	return padded(ours, shape), true, nil
}

// padded returns shape, but for CLIP's class token [D] and positions [T, D] with leading ones.
func padded(ours string, shape []int) []int {
	if (ours == "cls_token" || ours == "pos_embed") && len(shape) < 3 {
		return append(slices.Repeat([]int{1}, 3-len(shape)), shape...)
	}
	return shape
}

// held returns the number of numbers in the file, as far as it tells.
func (t contents) held() (sum float64) {
	for name, from := range t.original {
		if t.info == nil || name != from && name != checkpoint.CutWrappers(from) { // a second name
			continue
		}
		n := 1.0
		for _, size := range t.info(from) {
			n *= float64(size)
		}
		sum += n
	}
	return sum
}

// grid returns the grid of patches that the file states for its position embeddings, or zeros.
func (t contents) grid(patch int) [2]int {
	if t.stated == nil || t.stated.PatchSize != patch {
		return [2]int{}
	}
	h, w := t.stated.Grid()
	return [2]int{h, w}
}

// maxGrowth bounds what a small file can ask for: parameters, against the numbers that it holds. Position
// embeddings are all that a file may have fewer of than its architecture, since they are resized.
const maxGrowth = 4

// affords returns an error if architecture c, of which the file may hold all but enough position embeddings, is
// out of proportion to it. Who asks for another image size than the file states may have it, within reason.
func (t contents) affords(c Config) error {
	if t.info == nil {
		return nil
	}
	held, most := t.held(), 1<<26/maxGrowth
	if t.stated != nil && t.stated.ImageSize == c.ImageSize {
		most = 0
	}
	if float64(c.size()) > maxGrowth*max(held, float64(most)) {
		return fmt.Errorf("it holds %.0f numbers, and an architecture of images of %dx%d pixels has %d", held, c.ImageSize[0], c.ImageSize[1], c.size())
	}
	return nil
}

// layout recognises the names. Its error says what the file is instead, as far as that is known.
func (t contents) layout() (layout, error) {
	l, err := recognise(t.names)
	if err != nil {
		err = cmp.Or(t.foreign(t.names), err)
	}
	return l, err
}

// seen returns the fields of a Config that names and shapes determine.
func (t contents) seen(l layout) (Config, error) {
	size := func(ours string, i int) int { // 0 if there is none
		if shape, _, err := t.shape(l, ours); err == nil && i < len(shape) {
			return shape[i]
		}
		return 0
	}
	c := Config{
		PatchSize:  size("patch_embed.proj.weight", 3),
		Dim:        size("patch_embed.proj.weight", 0),
		Hidden:     size("blocks.0.mlp.fc1.weight", 0),
		Registers:  size("reg_token", 1),
		PreNorm:    l.from["norm_pre.weight"] != nil,
		LayerScale: l.from["blocks.0.ls1.gamma"] != nil,
	}
	blocks := map[int]bool{}
	for ours := range l.from {
		if number, ok := strings.CutPrefix(ours, "blocks."); ok {
			number, _, _ = strings.Cut(number, ".")
			n, err := strconv.Atoi(number)
			if err != nil || n >= maxDepth {
				return c, fmt.Errorf("it has a block number %.20s, want less than %d", number, maxDepth)
			}
			blocks[n] = true
			c.Depth = max(c.Depth, n+1)
		}
	}
	for n := range c.Depth {
		if !blocks[n] {
			return c, fmt.Errorf("it has a block number %d, but none number %d", c.Depth-1, n)
		}
	}
	// One output is Prompt-CAM's score vector; a CLIP's is the projection to texts, unless it has as many outputs
	// as ImageNet has classes, or timm's selection of 11,821 of the larger ImageNet.
	if n := size("head.weight", 0); n > 1 && (!c.PreNorm || n == 1000 || n == 11821) {
		c.Labels = n
	}
	if c.Dim == 0 || c.PatchSize == 0 || c.Depth == 0 {
		return c, errors.New("it has no patch embedding or no blocks")
	}
	return c, nil
}

// originals returns the file's names.
func (t contents) originals(bare []string) (names []string) {
	for _, name := range bare {
		names = append(names, t.original[name])
	}
	return names
}

// A misfit says in what a file differs from an architecture: what of it is missing, what the backbone in the file
// has that it has not, what has other shapes, and, of interest if something is missing, what lies beside.
type misfit struct{ missing, unknown, wrong, aside []string }

// compare returns in what the file differs from architecture c.
func (t contents) compare(l layout, c Config) (m misfit) {
	want := c.shapes()
	for _, ours := range slices.Sorted(maps.Keys(want)) {
		if l.from[ours] == nil {
			m.missing = append(m.missing, ours)
			continue
		}
		shape, known, err := t.shape(l, ours)
		if err != nil {
			m.wrong = append(m.wrong, err.Error())
		} else if known && !fits(c, ours, shape, want[ours], t.grid(c.PatchSize)) {
			m.wrong = append(m.wrong, fmt.Sprintf("%s is %v, want %v", ours, shape, want[ours]))
		}
	}
	for ours := range l.from {
		if want[ours] == nil && (!isClassifier(ours) || c.Labels > 0 && ours != "head.weight" && ours != "head.bias") {
			m.unknown = append(m.unknown, ours)
		}
	}
	m.unknown = append(m.unknown, t.originals(l.unknown)...)
	m.aside = t.originals(l.aside)
	return m
}

// fits reports whether a tensor has the shape wanted, or, for pos_embed, one that can be resized to it.
func fits(c Config, ours string, shape, want []int, stated [2]int) bool {
	if ours != "pos_embed" {
		return slices.Equal(shape, want)
	}
	if len(shape) != 3 || shape[0] != 1 || shape[2] != c.Dim {
		return false
	}
	_, _, ok := c.positions(shape[1], stated)
	return ok
}

func (m misfit) none() bool { return len(m.missing)+len(m.unknown)+len(m.wrong) == 0 }

// text counts the missing, unknown and misshapen tensors and names the first few of each.
func (m misfit) text(few int) string {
	some := func(words []string, between string) string {
		more := len(words) - few
		if more > 0 {
			words = append(slices.Clone(words[:few]), fmt.Sprintf("and %d more", more))
		}
		return strings.Join(words, between)
	}
	named := func(names []string) string {
		short := slices.Clone(names)
		for i := range short[:min(few, len(short))] {
			short[i] = checkpoint.Clean(short[i])
		}
		return some(short, ", ")
	}
	count := func(n int) string {
		if n == 1 {
			return "1 tensor"
		}
		return fmt.Sprintf("%d tensors", n)
	}
	var parts []string
	if n := len(m.missing); n > 0 {
		parts = append(parts, fmt.Sprintf("%s missing (%s)", count(n), named(m.missing)))
	}
	unknown := slices.Clone(m.unknown)
	if len(m.missing) > 0 { // it may lie there by another name
		unknown = append(unknown, m.aside...)
	}
	slices.Sort(unknown)
	if n := len(unknown); n > 0 {
		parts = append(parts, fmt.Sprintf("%s unknown (%s)", count(n), named(unknown)))
	}
	if len(m.wrong) > 0 {
		parts = append(parts, some(m.wrong, "; "))
	}
	return strings.Join(parts, "; ")
}

// reason returns why a file that differs from what it should be cannot be run at all, or nil.
func (t contents) reason(m misfit) error {
	if m.none() {
		return nil
	}
	if foreign := t.foreign(m.unknown); foreign != nil {
		return foreign
	}
	is := func(ours string) bool { return slices.Contains(m.missing, ours) }
	switch {
	case slices.ContainsFunc(m.unknown, func(s string) bool { return strings.Contains("."+s, ".fc_norm.") }) && is("norm.weight"):
		return fmt.Errorf("%w: fine-tuned with mean pooling (fc_norm in place of norm): the weights from before the fine-tuning have a norm", ErrUnsupported)
	case is("cls_token"):
		return fmt.Errorf("%w: a vision transformer without class token, as SigLIP's", ErrUnsupported)
	case is("pos_embed"):
		return fmt.Errorf("%w: a vision transformer without a table of position embeddings (DINOv3's are rotary, BEiT's relative)", ErrUnsupported)
	case is("blocks.0.attn.qkv.bias") && is("blocks.1.attn.qkv.bias") && !is("blocks.0.attn.qkv.weight"):
		return fmt.Errorf("%w: queries, keys or values without bias", ErrUnsupported)
	}
	return nil
}
