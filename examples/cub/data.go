package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/promptcam/promptcam/data"
	"github.com/promptcam/promptcam/examples/internal/console"
)

func dataCommand(c *console.Console) *cobra.Command {
	p := &photographs{}
	job := newJob(c)
	cmd := &cobra.Command{
		Use: "data FOLDER", Args: cobra.ExactArgs(1), Short: "Show how a folder of photographs is read",
		Long: `Prints the classes and the images of each split as training would read them, what is skipped, and which
images cannot be read. birds renders the synthetic birds and names their folder.`,
		Example: "  cub data photographs",
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		p.Data = args[0]
		if err := p.open(cmd.Context(), c, job); err != nil {
			return err
		}
		return describe(cmd.Context(), c, job.Set)
	}
	return flagged(cmd, c, "classes test val seed quiet", nil, only{p, "classes"}, only{job, "test val seed"})
}

// describe prints what is in a set.
func describe(ctx context.Context, c *console.Console, set *data.Set) error {
	lists := []struct {
		name  string
		items []data.Item
	}{{"training", set.Train}, {"validation", set.Val}, {"test", set.Test}}
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %d classes\n", set.Root, len(set.Classes))
	count := map[int][3]int{}
	var all []data.Item
	for i, l := range lists {
		for _, it := range l.items {
			n := count[it.Class]
			n[i]++
			count[it.Class] = n
		}
		all = append(all, l.items...)
	}
	for class, name := range set.Classes {
		n := count[class]
		fmt.Fprintf(&b, "  %s: %d training, %d validation, %d test\n", name, n[0], n[1], n[2])
	}
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
