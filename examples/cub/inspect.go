package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/promptcam/promptcam/data"
	"github.com/promptcam/promptcam/examples/internal/console"
	"github.com/promptcam/promptcam/promptcam"
	"github.com/promptcam/promptcam/promptcam/run"
	"github.com/promptcam/promptcam/tensor/checkpoint"
	"github.com/promptcam/promptcam/vit"
)

func inspectCommand(c *console.Console) *cobra.Command {
	return &cobra.Command{
		Use: "inspect FILE|FOLDER", Args: one("the file or a folder of files"), Short: "Show what a model, backbone or other checkpoint holds", DisableFlagsInUseLine: true,
		Long: `Prints what a safetensors or PyTorch file is, as far as this program knows it, its metadata and its tensors; of
a folder, what each such file in it is.`,
		Example: "  cub inspect out/model.safetensors",
		RunE: func(cmd *cobra.Command, args []string) error {
			if info, err := os.Stat(args[0]); err == nil && info.IsDir() {
				return inspectFolder(cmd.Context(), c, args[0])
			}
			f, err := checkpoint.OpenContext(cmd.Context(), args[0], checkpoint.Limits{})
			if errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("%s: no such file", args[0])
			}
			if err != nil {
				return console.Interrupted(cmd.Context(), err, func() string { return "nothing was written" })
			}
			defer f.Close() // it is only read
			c.Result(inspect(f))
			return nil
		},
	}
}

// inspectFolder prints a line for each file of weights in a folder.
func inspectFolder(ctx context.Context, c *console.Console, dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	found := false
	for _, e := range entries {
		if e.IsDir() || !checkpoint.IsWeights(e.Name()) {
			continue
		}
		found = true
		f, err := checkpoint.OpenContext(ctx, filepath.Join(dir, e.Name()), checkpoint.Limits{})
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			c.Result(err.Error())
			continue
		}
		what, _, _ := strings.Cut(kind(f), "\n") // without the classes
		c.Result(fmt.Sprintf("%s: %s", f.Path(), what))
		f.Close() // it is only read
	}
	if !found {
		return fmt.Errorf("%s: no weights (.safetensors, .pth, .pt, .bin, .ckpt) in this folder", dir)
	}
	return nil
}

// inspect describes a file.
func inspect(f *checkpoint.File) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\n", data.Printable(f.Path()), kind(f))
	meta := f.Metadata()
	for _, key := range slices.Sorted(maps.Keys(meta)) {
		fmt.Fprintf(&b, "  %s: %s\n", data.Printable(key), data.Printable(fmt.Sprintf("%.200s", meta[key])))
	}
	numbers := 0
	for _, name := range f.Names() {
		info, _ := f.Info(name)
		n := 1
		for _, d := range info.Shape {
			n *= d
		}
		numbers += n
		fmt.Fprintf(&b, "  %s %s %v\n", data.Printable(name), info.DType, info.Shape)
	}
	fmt.Fprintf(&b, "%d tensors, %d numbers", len(f.Names()), numbers)
	return b.String()
}

// What a file of this program is that is neither a model nor a backbone.
const (
	stateOf    = "the state of an unfinished training"
	featuresOf = "a file of cached features"
)

// of says which of them a file is, if any.
func of(f *checkpoint.File) string {
	if f.Metadata()["training"] != "" {
		return stateOf
	}
	if _, _, ok := f.Place("tokens"); ok {
		return featuresOf
	}
	return ""
}

// kind says what a file is.
func kind(f *checkpoint.File) string {
	if info, err := promptcam.ReadInfo(f); err == nil {
		c, b := info.Config, info.Backbone
		return fmt.Sprintf("a Prompt-CAM of %d classes, mode %s, LoRA rank %d, on backbone %s at %dx%d pixels with SHA-256 %s\n  classes: %s",
			c.Classes, c.Mode, c.Rank, data.Printable(b.Config.Name), b.Config.ImageSize[0], b.Config.ImageSize[1], data.Printable(b.SHA256), data.Printable(strings.Join(info.Classes, ", ")))
	}
	if promptcam.IsOfficial(f) {
		return "a Prompt-CAM of the authors' code, with its backbone"
	}
	if what := of(f); what == stateOf {
		return what + ": the command that began it continues with --resume"
	} else if what != "" {
		return what
	}
	if c, err := vit.Detect(f); err == nil {
		return fmt.Sprintf("a backbone, %s: patches of %d pixels, width %d, %d blocks, %d heads", data.Printable(c.Name), c.PatchSize, c.Dim, c.Depth, c.Heads)
	}
	switch size, err := vit.Kind(f); {
	case err == nil:
		return "a backbone, a " + size
	case errors.Is(err, vit.ErrUnsupported):
		return "a backbone that cannot be used: " + err.Error()
	}
	return "a checkpoint"
}

func dataCommand(c *console.Console) *cobra.Command {
	s := newSource(c)
	cmd := &cobra.Command{
		Use: "data FOLDER", Args: one("the folder of photographs"), Short: "Show how a folder of photographs is read",
		Long: `Prints the classes and the images of each split as training would read them, what is left out, copies of
the same photograph, and which images cannot be read. birds renders the synthetic birds and names their folder.`,
		Example: "  cub data photographs",
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		s.Data = args[0]
		if err := s.open(cmd.Context()); err != nil {
			return err
		}
		copies, err := run.Duplicates(cmd.Context(), s.Set)
		if err != nil {
			return err
		}
		for _, line := range copies {
			c.Warn(line)
		}
		return describe(cmd.Context(), c, s.Set)
	}
	return flagged(cmd, c, &s, "classes test val seed quiet", "classes test val seed", nil)
}

// describe prints what is in a set.
func describe(ctx context.Context, c *console.Console, set *data.Set) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %d classes\n", data.Printable(set.Root), len(set.Classes))
	count := make([][3]int, len(set.Classes))
	for i, items := range [][]data.Item{set.Train, set.Val, set.Test} {
		for _, it := range items {
			count[it.Class][i]++
		}
	}
	for class, n := range count {
		fmt.Fprintf(&b, "  %s: %d training, %d validation, %d test\n", data.Printable(set.Classes[class]), n[0], n[1], n[2])
	}
	all := slices.Concat(set.Train, set.Val, set.Test)
	bad, err := data.Check(ctx, set.FS, all, 0, func(done, total int) {
		c.Show(console.Progress{Part: "checking images", Done: int64(done), Total: int64(total), Text: fmt.Sprintf("%d/%d", done, total)})
	})
	if err != nil {
		return err
	}
	for _, im := range bad {
		fmt.Fprintf(&b, "  cannot be read: %s\n", data.Printable(im.Err.Error()))
	}
	fmt.Fprintf(&b, "%d images: %d training, %d validation, %d test; %d cannot be read", len(all), len(set.Train), len(set.Val), len(set.Test), len(bad))
	c.Result(b.String())
	return nil
}
