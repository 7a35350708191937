package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/promptcam/promptcam/examples/internal/console"
	"github.com/promptcam/promptcam/promptcam"
	"github.com/promptcam/promptcam/tensor"
	"github.com/promptcam/promptcam/tensor/checkpoint"
	"github.com/promptcam/promptcam/vit"
)

func inspectCommand(c *console.Console) *cobra.Command {
	return &cobra.Command{
		Use: "inspect FILE", Args: cobra.ExactArgs(1), Short: "Show what a model, backbone or other checkpoint holds",
		Long: "Prints what a safetensors or PyTorch file is, as far as this program knows it, its metadata and its tensors.",
		RunE: func(_ *cobra.Command, args []string) error {
			f, err := checkpoint.Open(args[0])
			if err != nil {
				return err
			}
			defer f.Close() // it is only read
			c.Result(inspect(f))
			return nil
		},
	}
}

// inspect describes a file.
func inspect(f *checkpoint.File) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\n", f.Path(), kind(f))
	meta := f.Metadata()
	for _, key := range slices.Sorted(maps.Keys(meta)) {
		fmt.Fprintf(&b, "  %s: %.200s\n", key, meta[key])
	}
	numbers := 0
	for _, name := range f.Names() {
		info, _ := f.Info(name)
		numbers += tensor.Size("inspect", info.Shape)
		fmt.Fprintf(&b, "  %s %s %v\n", name, info.DType, info.Shape)
	}
	fmt.Fprintf(&b, "%d tensors, %d numbers", len(f.Names()), numbers)
	return b.String()
}

// kind says what a file is.
func kind(f *checkpoint.File) string {
	if info, err := promptcam.ReadInfo(f); err == nil {
		c, b := info.Config, info.Backbone
		return fmt.Sprintf("a Prompt-CAM of %d classes, mode %s, LoRA rank %d, on backbone %s at %dx%d pixels with SHA-256 %s\n  classes: %s",
			c.Classes, c.Mode, c.Rank, b.Config.Name, b.Config.ImageSize[0], b.Config.ImageSize[1], b.SHA256, strings.Join(info.Classes, ", "))
	}
	if promptcam.IsOfficial(f) {
		return "a Prompt-CAM of the authors' code, with its backbone"
	}
	if f.Metadata()["training"] != "" {
		return "the state of an unfinished training: the command that began it continues with --resume"
	}
	if _, _, ok := f.Place("tokens"); ok {
		return "cached features"
	}
	if c, err := vit.Detect(f); err == nil {
		return fmt.Sprintf("a backbone, %s: patches of %d pixels, width %d, %d blocks, %d heads", c.Name, c.PatchSize, c.Dim, c.Depth, c.Heads)
	}
	return "a checkpoint"
}
