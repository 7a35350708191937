package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/promptcam/promptcam/examples/internal/console"
	"github.com/promptcam/promptcam/nn/fit/knob"
	"github.com/promptcam/promptcam/promptcam"
	"github.com/promptcam/promptcam/promptcam/run"
)

// training is what train works with.
type training struct {
	photographs
	backbone
	job  *run.Job
	mode struct {
		Resume bool `knob:"resume" group:"Training" help:"continue the unfinished run in --out; the result is bit-for-bit that of an uninterrupted run"`
	}
}

func trainCommand(c *console.Console) *cobra.Command { return (&training{job: newJob(c)}).command(c) }

func (t *training) command(c *console.Console) *cobra.Command {
	cmd := &cobra.Command{
		Use: "train", Args: cobra.NoArgs, Short: "Train on a folder of photographs, test, explain and report",
		Long: `Trains one prompt per class on a folder of photographs, tests on held-out ones and writes a report with the
attention maps of sample photographs. Without --data and --weights it does so on synthetic birds with the
bundled backbone. Stop it at any time and continue with the same line and --resume.

--out then holds report/index.html, model.safetensors, metrics.json, predictions.csv, history.csv, curves.png,
traits.csv (with annotations), features.safetensors (the cached output of the frozen layers) and, until the run
ends, state.safetensors.`,
		Example: `  cub train --data photographs --weights vit_tiny.safetensors --out out
  cub train --download --out out           CUB-200-2011 and DINO's ViT-S/16, downloaded first
  cub train --data CUB_200_2011 --weights vit_tiny.safetensors --classes 54,55,56,57 --out orioles
  cub train --mode deep -h                 the defaults of another mode`,
		RunE: func(cmd *cobra.Command, _ []string) error { return t.run(cmd.Context(), c, cmd.Flags()) },
	}
	return flagged(cmd, c, "data weights download out resume preset mode epochs seed quiet", t.settle,
		&t.photographs, &t.backbone, t.job, &t.mode)
}

// settle resolves the settings whose defaults depend on others.
func (t *training) settle(flags *pflag.FlagSet) error {
	if !flags.Changed("data") && !flags.Changed("weights") && !t.Download {
		t.Data, t.Weights = own, own
	}
	given := map[string]string{}
	for k := range knob.Walk(&t.job.Recipe) {
		if flags.Changed(k.Flag) {
			given[k.Flag] = k.String()
		}
	}
	recipe, err := run.Images{Drawn: t.drawn(), Uncached: t.job.Cache == "off"}.Resolve(given)
	t.job.Recipe = recipe
	return err
}

func (t *training) run(ctx context.Context, c *console.Console, flags *pflag.FlagSet) error {
	if err := cmp.Or(t.settle(flags), t.job.Recipe.Validate(), t.job.Validate()); err != nil {
		return console.UsageError{Err: err}
	}
	if err := t.check(t.job); err != nil {
		return err
	}
	if err := t.named(); err != nil && !t.Download {
		return err
	}
	if t.bundled() && t.job.Mode != promptcam.Last {
		return console.Usagef("--mode is %s, but all blocks of --weights %s except the last see windows of patches, so prompts can only enter the last: want --mode last", t.job.Mode, own)
	}
	if !t.mode.Resume && !exists(t.job.Out, "state.safetensors") {
		if err := forgotten(t.job, flags, "metrics.json"); err != nil {
			return err
		}
	}
	if err := fetch(ctx, c, &t.photographs, &t.backbone, ""); err != nil {
		return err
	}
	if err := t.open(ctx, c, t.job); err != nil {
		return err
	}
	b, err := t.load()
	if err != nil {
		return err
	}
	work := t.job.Train
	if t.mode.Resume {
		work = t.job.Resume
	}
	_, err = work(ctx, b)
	return interrupted(ctx, t.again(err, t.job), t.saved)
}

// forgotten returns an error if --out is not given and the folder that it then means holds a file of
// another run.
func forgotten(job *run.Job, flags *pflag.FlagSet, file string) error {
	if flags.Changed("out") || !exists(job.Out, file) {
		return nil
	}
	return console.Usagef("--out is missing, and the default folder %s holds the results of another run", job.Out)
}

// saved says what an interrupted run has left and how to continue it.
func (t *training) saved() string {
	state := filepath.Join(t.job.Out, "state.safetensors")
	switch done, of := t.job.Unfinished(); {
	case of > 0 && done < of:
		return fmt.Sprintf("epoch %d of %d is on disk in %s: the same line with --resume continues", done, of, state)
	case of > 0:
		return fmt.Sprintf("training is done and on disk in %s: the same line with --resume makes the report", state)
	}
	again := "the same line starts again"
	if features := filepath.Join(cmp.Or(t.job.Cache, t.job.Out), "features.safetensors"); exists(features) {
		again += ", with the features cached so far in " + features
	}
	return again
}

// interrupted says what an interrupted command has left.
func interrupted(ctx context.Context, err error, saved func() string) error {
	if err != nil && ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return interruption{saved(), err}
	}
	return err
}

// interruption is the end of a command by a signal.
type interruption struct {
	saved string
	cause error
}

func (i interruption) Error() string { return "interrupted; " + i.saved }
func (i interruption) Unwrap() error { return i.cause }
