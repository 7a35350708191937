package main

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/promptcam/promptcam/examples/internal/console"
	"github.com/promptcam/promptcam/nn/fit/knob"
	"github.com/promptcam/promptcam/promptcam"
	"github.com/promptcam/promptcam/promptcam/run"
	"github.com/promptcam/promptcam/vit"
)

// training is what train works with.
type training struct {
	source
	Continue bool `knob:"resume" group:"Training" help:"continue the unfinished run in --out; the result is bit-for-bit that of an uninterrupted run"`
}

func trainCommand(c *console.Console) *cobra.Command {
	return (&training{source: newSource(c)}).command()
}

func (t *training) command() *cobra.Command {
	cmd := &cobra.Command{
		Use: "train", Args: none, Short: "Train on a folder of photographs, test, explain and report",
		Long: `Trains one prompt per class on a folder of photographs, tests on held-out ones and writes a report with the
attention maps of sample photographs. Without --data and --weights it does so on synthetic birds with the
bundled backbone. Stop it at any time and continue with the same line and --resume.

--out then holds report/index.html, model.safetensors, metrics.json, predictions.csv, history.csv, curves.png,
images.csv (which photographs were trained on), traits.csv (with annotations), features.safetensors (the cached
output of the frozen layers) and, until the run ends, state.safetensors.`,
		Example: `  cub train --data photographs --weights vit_tiny_patch16_224.safetensors --out out
  cub train --data CUB_200_2011 --weights vit_tiny_patch16_224.safetensors --classes 54,55,56,57 --out orioles
  # CUB-200-2011 and DINO's ViT-S/16, downloaded first
  cub train --download --out out
  # the defaults of another mode
  cub train --mode deep -h`,
		RunE: func(cmd *cobra.Command, args []string) error {
			t.Command = commandLine(cmd, args)
			return t.ended(cmd.Context(), t.run(cmd.Context(), cmd.Flags()), t.saved)
		},
	}
	return flagged(cmd, t.console, t, "data weights download out resume preset mode epochs seed quiet", "", t.settle)
}

// settle resolves the settings whose defaults depend on others.
func (t *training) settle(flags *pflag.FlagSet) (err error) {
	help := flags.Changed("help") || flags.Changed("help-all") // which shows the defaults for photographs
	if !flags.Changed("data") && !flags.Changed("weights") && !t.Download && !help {
		t.Data, t.Weights, t.bare = own, own, true
	}
	given := map[string]string{}
	for k := range knob.Walk(&t.Recipe) {
		if flags.Changed(k.Flag) {
			given[k.Flag] = k.String()
		}
	}
	t.Recipe, err = run.Defaults{Drawn: t.drawn(), Uncached: t.Cache == "off"}.Resolve(given)
	return err
}

func (t *training) run(ctx context.Context, flags *pflag.FlagSet) error {
	if err := cmp.Or(t.settle(flags), t.knownNames(), t.Validate()); err != nil {
		return console.UsageError{Err: err}
	}
	if err := t.check(); err != nil {
		return err
	}
	switch {
	case t.Weights == "" && !t.Download:
		return console.Usagef("--weights is missing: the file of the pre-trained backbone; %s is a small one that knows synthetic birds alone", own)
	case t.bundled() && t.Arch != "auto" && !t.Download:
		return console.Usagef("--arch is given, but the architecture of --weights %s is known", own)
	case t.bundled() && t.Mode != promptcam.Last:
		return console.Usagef("--mode is %s, but all blocks of --weights %s except the last see windows of patches, so prompts can only enter the last: want --mode last", t.Mode, own)
	case !t.Continue && !exists(t.Out, run.StateFile):
		if err := t.forgotten(flags, run.MetricsFile); err != nil {
			return err
		}
	}
	if err := t.fetchWeights(ctx, defaultWeights); err != nil {
		return err
	}
	if err := t.open(ctx); err != nil {
		return err
	}
	b, err := t.loadBackbone(ctx)
	if err != nil {
		return err
	}
	if err := t.mode(b.Config.Depth); err != nil {
		return console.UsageError{Err: err}
	}
	if t.Continue {
		_, err = t.Resume(ctx, b)
	} else {
		_, err = t.Train(ctx, b)
	}
	if err != nil {
		return err
	}
	return t.remember()
}

// knownNames returns an error unless --mode and --arch have names that exist.
func (t *training) knownNames() error {
	if err := t.mode(math.MaxInt); err != nil || t.Arch == "auto" || strings.HasSuffix(t.Arch, ".json") {
		return err
	}
	if _, err := vit.Preset(t.Arch); err != nil {
		return fmt.Errorf("--arch: %w", err)
	}
	return nil
}

// mode returns an error unless a backbone of so many blocks has the layer of --mode.
func (t *training) mode(depth int) error {
	err := promptcam.Config{Mode: t.Mode, Classes: 2}.Validate(depth)
	if err == nil {
		return nil
	}
	return fmt.Errorf("--%s", strings.TrimPrefix(err.Error(), "promptcam: "))
}

// forgotten returns an error if --out is not given and the folder that it then means holds a file of another
// run.
func (s *source) forgotten(flags *pflag.FlagSet, file string) error {
	if file == "" || flags.Changed("out") || !exists(s.Out, file) {
		return nil
	}
	return console.Usagef("--out is missing, and the default folder %s holds the results of another run", s.Out)
}

// saved says what an interrupted training has left and how to continue it.
func (t *training) saved() string {
	state := filepath.Join(t.Out, run.StateFile)
	switch done, of := t.Unfinished(); {
	case of > 0 && done < of:
		return fmt.Sprintf("epoch %d of %d is on disk in %s: the same line with --resume continues", done, of, state)
	case of > 0:
		return fmt.Sprintf("training is done and on disk in %s: the same line with --resume makes the report", state)
	}
	return t.source.saved()
}
