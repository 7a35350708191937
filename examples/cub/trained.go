package main

import (
	"cmp"
	"context"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/promptcam/promptcam/data"
	"github.com/promptcam/promptcam/examples/internal/console"
	"github.com/promptcam/promptcam/promptcam"
	"github.com/promptcam/promptcam/promptcam/run"
	"github.com/promptcam/promptcam/tensor/checkpoint"
	"github.com/promptcam/promptcam/vit"
	"github.com/promptcam/promptcam/vit/pretrained"
)

// trained is what the commands that use a trained model work with.
type trained struct {
	Model string `knob:"model" group:"Model" arg:"file" help:"the trained model: model.safetensors or the folder that it is in, or a checkpoint of the authors' code, which needs no --weights"`
	photographs
	backbone
	job *run.Job
}

// settings are the flags of run.Job that all of them have.
const settings = " workers skip-bad out blur"

// work is what a command does.
type work func(ctx context.Context, flags *pflag.FlagSet, args []string) error

// command makes a command of t. Its own flags are some of run.Job's.
func (t *trained) command(cmd *cobra.Command, c *console.Console, common, own string, work work, more ...any) *cobra.Command {
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := t.job.Validate(); err != nil {
			return console.UsageError{Err: err}
		}
		err := work(cmd.Context(), cmd.Flags(), args)
		return interrupted(cmd.Context(), t.again(err, t.job), func() string { return "the same line starts again" })
	}
	more = append(more, only{t, "model weights arch size data download classes traits"}, only{t.job, own + settings})
	return flagged(cmd, c, "model weights quiet "+common, nil, more...)
}

// load loads the model.
func (t *trained) load() (*promptcam.Model, error) {
	path, err := t.path()
	if err != nil {
		return nil, err
	}
	f, err := checkpoint.Open(path)
	if err != nil {
		return nil, fmt.Errorf("--model: %w", err)
	}
	defer f.Close() // it is only read
	t.job.ModelDir = filepath.Dir(path)
	if promptcam.IsOfficial(f) {
		return t.official(f)
	}
	info, err := promptcam.ReadInfo(f)
	if err != nil {
		if _, wrong := vit.Detect(f); wrong == nil {
			return nil, fmt.Errorf("--model %s is a backbone: want the model.safetensors that training left, and this file in --weights", path)
		}
		return nil, fmt.Errorf("--model: %w", err)
	}
	arch := info.Backbone.Config
	switch {
	case t.Arch != "auto" || t.Size != (pixels{}):
		return nil, console.Usagef("--arch and --size are stated by %s: %s at %dx%d pixels", path, arch.Name, arch.ImageSize[0], arch.ImageSize[1])
	case t.Weights == "" && info.Backbone.SHA256 == pretrained.Birds().SHA256:
		t.Weights = own
	case t.Weights == "":
		return nil, console.Usagef("--weights is missing: %s was trained on the backbone %s with SHA-256 %s, which is not in it", path, arch.Name, info.Backbone.SHA256)
	}
	w, err := t.file()
	if err != nil {
		return nil, err
	}
	defer w.Close() // it is only read
	b, err := vit.LoadFrom(w, arch)
	if err != nil {
		return nil, fmt.Errorf("--weights %s is not the %s that %s was trained on: %w", t.Weights, arch.Name, path, err)
	}
	m, err := promptcam.Load(f, b)
	if err != nil {
		return nil, fmt.Errorf("--model: %w", err)
	}
	return m, nil
}

// ready loads the model, after downloading its weights if they are asked for.
func (t *trained) ready(ctx context.Context, c *console.Console) (*promptcam.Model, error) {
	none := t.photographs
	none.Data = cmp.Or(none.Data, "none") // a data set is not needed
	if err := fetch(ctx, c, &none, &t.backbone, t.Model); err != nil {
		return nil, err
	}
	return t.load()
}

// path returns the file of the model.
func (t *trained) path() (string, error) {
	if t.Model == "" {
		return "", console.Usagef("--model is missing: the trained model, such as out/model.safetensors")
	}
	if inside := filepath.Join(t.Model, "model.safetensors"); exists(inside) {
		return inside, nil
	}
	return t.Model, nil
}

// official loads a checkpoint of the authors' code, which holds its own backbone and names no classes.
func (t *trained) official(f *checkpoint.File) (*promptcam.Model, error) {
	if t.Weights != "" {
		return nil, console.Usagef("--weights is not needed: %s, a checkpoint of the authors' code, holds its own backbone", f.Path())
	}
	c, err := t.config(f)
	if err != nil {
		return nil, err
	}
	m, err := promptcam.LoadOfficial(f, c)
	if err != nil {
		return nil, fmt.Errorf("--model: %w", err)
	}
	if set := t.job.Set; set != nil {
		if len(set.Classes) != m.Config.Classes {
			return nil, fmt.Errorf("--model %s has %d classes, --data %s has %d", f.Path(), m.Config.Classes, t.Data, len(set.Classes))
		}
		m.Classes = set.Classes
	}
	return m, nil
}

// test evaluates the model on --data's test images.
func (t *trained) test(ctx context.Context, c *console.Console) (*run.Result, error) {
	if err := t.check(t.job); err != nil {
		return nil, err
	}
	if err := fetch(ctx, c, &t.photographs, &t.backbone, t.Model); err != nil {
		return nil, err
	}
	if err := t.open(ctx, c, t.job); err != nil {
		return nil, err
	}
	m, err := t.load()
	if err != nil {
		return nil, err
	}
	return t.job.Evaluate(ctx, m)
}

func evaluateCommand(c *console.Console) *cobra.Command {
	t := &trained{job: newJob(c)}
	cmd := &cobra.Command{
		Use: "evaluate", Args: cobra.NoArgs, Short: "Test a trained model on a folder of photographs and report",
		Long: `Tests a trained model on the test images of a folder and writes the report, metrics.json and predictions.csv
to --out. Where the folder has no test split, --test and --seed must be those of the training.`,
		Example: "  cub evaluate --model out --weights vit_tiny.safetensors --data CUB_200_2011 --out test",
	}
	return t.command(cmd, c, "data out test seed", "test seed batch cache samples top scale colormap", func(ctx context.Context, flags *pflag.FlagSet, _ []string) error {
		if err := forgotten(t.job, flags, "history.csv"); err != nil {
			return err
		}
		_, err := t.test(ctx, c)
		return err
	})
}

func traitsCommand(c *console.Console) *cobra.Command {
	t := &trained{job: newJob(c)}
	cmd := &cobra.Command{
		Use: "traits", Args: cobra.NoArgs, Short: "Measure whether the maps of a trained model point at the traits",
		Long: `Measures, on an annotated folder (CUB's parts and bounding boxes, or masks), how much of each head's attention
falls on the trait that tells a class from its nearest look-alike, and prints a table by class. --out gets
traits.csv, with every head and region, and what cub evaluate writes.`,
		Example: "  cub traits --model out --data birds --out traits",
	}
	return t.command(cmd, c, "data out test seed", "test seed batch cache samples top scale colormap", func(ctx context.Context, flags *pflag.FlagSet, _ []string) error {
		if err := forgotten(t.job, flags, "history.csv"); err != nil {
			return err
		}
		r, err := t.test(ctx, c)
		if err != nil {
			return err
		}
		if r.Metrics.Traits == nil {
			return fmt.Errorf("--data %s: no annotations of where things are: want CUB's parts and bounding_boxes.txt, or masks", t.Data)
		}
		var b strings.Builder
		w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "class\tlook-alikes\ttrait\tbest head\tpoints at it\ttop-ranked head\tpoints at it")
		for _, row := range r.Metrics.Traits.PerClass {
			head := func(n *int) string {
				if n == nil {
					return "-"
				}
				return strconv.Itoa(*n)
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%.1f %%\t%s\t%.1f %%\n", row.Class, strings.Join(row.LookAlikes, ", "), strings.Join(row.Traits, ", "),
				head(row.BestHead), row.Best["trait"].Points.Mean, head(row.TopHead), row.Top["trait"].Points.Mean)
		}
		w.Flush() // a strings.Builder takes everything
		c.Result(strings.TrimRight(b.String(), "\n"))
		return nil
	})
}

func explainCommand(c *console.Console) *cobra.Command {
	t := &trained{job: newJob(c)}
	var compare struct {
		Compare words `knob:"compare" group:"Results" arg:"list" help:"classes, by name or number, whose maps are shown beside those of the predicted one"`
	}
	cmd := &cobra.Command{
		Use: "explain PHOTO|FOLDER...", Args: cobra.MinimumNArgs(1), Short: "Show what a trained model attends to in photographs",
		Long:    "Draws the attention maps of the predicted class, top-ranked head first, into one picture per photograph in --out, and describes them.",
		Example: "  cub explain --model out --weights vit_tiny.safetensors oriole.jpg --compare Scott_Oriole --out maps",
	}
	return t.command(cmd, c, "compare out top", "top scale colormap", func(ctx context.Context, flags *pflag.FlagSet, args []string) error {
		m, err := t.ready(ctx, c)
		if err != nil {
			return err
		}
		var classes []int
		for _, name := range compare.Compare {
			class, err := (&data.Set{Root: t.Model, Classes: m.Classes}).Find(name)
			if err != nil {
				return fmt.Errorf("--compare: %w", err)
			}
			classes = append(classes, class)
		}
		photos, err := t.job.Observer.Photographs(args...)
		if err != nil {
			return err
		}
		for e, err := range t.job.Explain(ctx, m, photos, classes...) {
			if err != nil {
				return err
			}
			c.Result(e.Text + e.Picture)
		}
		return nil
	}, &compare)
}

func predictCommand(c *console.Console) *cobra.Command {
	t := &trained{job: newJob(c)}
	cmd := &cobra.Command{
		Use: "predict PHOTO|FOLDER...", Args: cobra.MinimumNArgs(1), Short: "Classify unlabelled photographs into a CSV table",
		Long: `Prints one row per photograph: path, predicted class and probability, the runner-up, the top-ranked head and the
row and column of its hottest patch. A photograph that cannot be read has an error in its row.`,
		Example: "  cub predict --model out --weights vit_tiny.safetensors photographs > predictions.csv",
	}
	return t.command(cmd, c, "skip-bad", "", func(ctx context.Context, flags *pflag.FlagSet, args []string) error {
		m, err := t.ready(ctx, c)
		if err != nil {
			return err
		}
		photos, err := t.job.Observer.Photographs(args...)
		if err != nil {
			return err
		}
		return run.WritePredictions(cmd.OutOrStdout(), t.job.Predict(ctx, m, photos))
	})
}

func addClassCommand(c *console.Console) *cobra.Command {
	t := &trained{job: newJob(c)}
	cmd := &cobra.Command{
		Use: "add-class FOLDER", Args: cobra.ExactArgs(1), Short: "Add a class without retraining the others",
		Long: `Trains the prompt of one new class, named after the folder of its photographs, and writes the model with it to
--out. The other prompts stay as they are. With --data, photographs of the other classes teach the new prompt
where to stop; without, it takes some of theirs.`,
		Example: "  cub add-class --model out --weights vit_tiny.safetensors Altamira_Oriole --data CUB_200_2011 --out more",
	}
	return t.command(cmd, c, "data out test seed", "test seed batch views cache", func(ctx context.Context, flags *pflag.FlagSet, args []string) error {
		if err := forgotten(t.job, flags, "metrics.json"); err != nil {
			return err
		}
		if t.Data != "" {
			if err := t.check(t.job); err != nil {
				return err
			}
			if err := t.open(ctx, c, t.job); err != nil {
				return err
			}
		}
		m, err := t.ready(ctx, c)
		if err != nil {
			return err
		}
		_, err = t.job.AddClass(ctx, m, args[0])
		return err
	})
}
