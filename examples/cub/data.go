package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/promptcam/promptcam/data"
	"github.com/promptcam/promptcam/examples/internal/console"
)

func dataCommand(c *console.Console) *cobra.Command {
	s := newSource(c)
	cmd := &cobra.Command{
		Use: "data FOLDER", Args: cobra.ExactArgs(1), Short: "Show how a folder of photographs is read",
		Long: `Prints the classes and the images of each split as training would read them, what is skipped, and which
images cannot be read. birds renders the synthetic birds and names their folder.`,
		Example: "  cub data photographs",
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		s.Data = args[0]
		if err := s.open(cmd.Context()); err != nil {
			return err
		}
		return describe(cmd.Context(), c, s.Set)
	}
	return flagged(cmd, c, &s, "classes test val seed quiet", "classes test val seed", nil)
}

// describe prints what is in a set.
func describe(ctx context.Context, c *console.Console, set *data.Set) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %d classes\n", set.Root, len(set.Classes))
	count := make([][3]int, len(set.Classes))
	for i, items := range [][]data.Item{set.Train, set.Val, set.Test} {
		for _, it := range items {
			count[it.Class][i]++
		}
	}
	for class, n := range count {
		fmt.Fprintf(&b, "  %s: %d training, %d validation, %d test\n", set.Classes[class], n[0], n[1], n[2])
	}
	all := slices.Concat(set.Train, set.Val, set.Test)
	bad := data.Check(ctx, set.FS, all, func(done, total int) {
		c.Show(console.Progress{Part: "checking images", Done: int64(done), Total: int64(total), Text: fmt.Sprintf("%d/%d", done, total)})
	})
	if err := ctx.Err(); err != nil {
		return err
	}
	for _, im := range bad {
		fmt.Fprintf(&b, "  cannot be read: %v\n", im.Err)
	}
	fmt.Fprintf(&b, "%d images: %d training, %d validation, %d test; %d cannot be read", len(all), len(set.Train), len(set.Val), len(set.Test), len(bad))
	c.Result(b.String())
	return nil
}
