package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

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
	source
	Model   string           `knob:"model" group:"Model" arg:"file" help:"the trained model: model.safetensors or the folder that it is in, or a checkpoint of the authors' code, which holds its backbone. Other models' backbones are looked for where they were in training, as weights.txt beside the model says, unless --weights names them"`
	Compare words            `knob:"compare" group:"Results" arg:"list" help:"classes, by name or number, from which the predicted one is told in place of its look-alike, and whose maps are shown too"`
	file    *checkpoint.File // the model's
}

// The flags of all of these commands, of those that open a folder with classes, and of those that test a model.
const (
	loaded = "model weights arch size download "
	opened = loaded + "data classes workers skip-bad test seed batch cache out "
	tested = opened + "traits samples top blur scale colormap"
)

// command makes a command of t with these flags. Without --out it refuses a default folder that holds a file
// of another run; the file's name may be empty.
func (t *trained) command(cmd *cobra.Command, common, flags, file string, work func(ctx context.Context, args []string) error) *cobra.Command {
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		t.Command = commandLine(cmd, args)
		if err := t.Validate(); err != nil {
			return console.UsageError{Err: err}
		}
		if t.Model == "" {
			return console.Usagef("--model is missing: the trained model, such as out/model.safetensors, or its folder")
		}
		if err := t.forgotten(cmd.Flags(), file); err != nil {
			return err
		}
		var err error
		if t.file, err = openModel(cmd.Context(), t.Model); err != nil {
			return err
		}
		defer t.file.Close() // it is only read
		path := t.file.Path()
		t.ModelDir = filepath.Dir(path)
		if cmd.Flags().Changed("test") {
			t.share = t.Test
		}
		return t.ended(cmd.Context(), work(cmd.Context(), args), t.saved)
	}
	return flagged(cmd, t.console, t, "model weights quiet "+common, flags, nil)
}

// openModel opens the file of a trained model, or that in its folder.
func openModel(ctx context.Context, path string) (*checkpoint.File, error) {
	inside := filepath.Join(path, run.ModelFile)
	switch info, err := os.Stat(path); {
	case err != nil || !info.IsDir():
	case exists(inside):
		path = inside
	case exists(path, run.StateFile):
		return nil, fmt.Errorf("--model %s: the training in this folder has not ended: cub train with the same flags and --resume continues it", path)
	default: // another's model may be in it
		f, err := checkpoint.OpenContext(ctx, path, checkpoint.Limits{})
		if err != nil {
			return nil, fmt.Errorf("--model %s: no %s in this folder, want the --out of a training", path, run.ModelFile)
		}
		return f, nil
	}
	f, err := openFile(ctx, "model", path)
	if err != nil {
		return nil, err
	}
	if what := of(f); what == stateOf || what == featuresOf {
		f.Close()
		return nil, fmt.Errorf("--model %s is %s: want the %s that training left", path, what, run.ModelFile)
	}
	return f, nil
}

// load loads the model, after downloading its weights if they are asked for.
func (t *trained) load(ctx context.Context) (*promptcam.Model, error) {
	path := t.file.Path()
	if promptcam.IsOfficial(t.file) {
		return t.official()
	}
	info, err := promptcam.ReadInfo(t.file)
	if err != nil {
		if kind, wrong := vit.Kind(t.file); wrong == nil {
			return nil, fmt.Errorf("--model %s is a backbone, a %s: --model wants the model.safetensors of a training, and --weights the backbone that it was trained on", path, kind)
		}
		return nil, fmt.Errorf("--model: %w", err)
	}
	arch := info.Backbone.Config
	if t.Arch != "auto" || t.Size != (pixels{}) {
		return nil, console.Usagef("--arch and --size are stated by %s: %s at %dx%d pixels", path, arch.Name, arch.ImageSize[0], arch.ImageSize[1])
	}
	if err := t.fetchBackbone(ctx, info.Backbone); err != nil {
		return nil, err
	}
	w, err := t.weights(ctx)
	if err != nil {
		return nil, err
	}
	defer w.Close() // it is only read
	b, err := vit.LoadFromContext(ctx, w, arch)
	if err != nil {
		return nil, fmt.Errorf("--weights %s is not the %s that %s was trained on: %w", t.Weights, arch.Name, path, err)
	}
	m, err := promptcam.Load(t.file, b)
	if errors.Is(err, promptcam.ErrWrongBackbone) {
		return nil, fmt.Errorf("--weights %s: %w", t.Weights, err)
	}
	if err != nil {
		return nil, fmt.Errorf("--model: %w", err)
	}
	return m, nil
}

// fetchBackbone finds the weights that a model was trained on, without --weights: the bundled ones, the file of
// the training or, with --download, the published ones.
func (t *trained) fetchBackbone(ctx context.Context, b promptcam.BackboneInfo) error {
	name := b.Config.Name
	_, known := published.weights[name]
	there, was := t.recall()
	switch {
	case t.Weights != "":
		name = ""
	case b.SHA256 == pretrained.Birds().SHA256:
		name, t.Weights = "", own
	case there != "":
		name, t.Weights = "", there
		t.console.Say("weights: " + there + ", as in training")
	case !t.Download:
		return t.forgottenWeights(name, b.SHA256, was)
	case !known:
		return console.Usagef("--weights is missing: %s was trained on %s, and --download knows %s", t.file.Path(), name, names())
	}
	return t.fetchWeights(ctx, name)
}

// official loads a checkpoint of the authors' code, which holds its own backbone and names no classes.
func (t *trained) official() (*promptcam.Model, error) {
	if t.Weights != "" {
		return nil, console.Usagef("--weights is not needed: %s, a checkpoint of the authors' code, holds its own backbone", t.file.Path())
	}
	c, err := t.architecture(t.file, func(vit.Header) (vit.Config, error) { return promptcam.DetectOfficial(t.file) })
	if err != nil {
		return nil, err
	}
	m, err := promptcam.LoadOfficial(t.file, c)
	if err != nil {
		return nil, fmt.Errorf("--model: %w", err)
	}
	if t.Set == nil {
		return m, nil
	}
	if m.Classes = t.Set.Classes; len(m.Classes) != m.Config.Classes {
		return nil, fmt.Errorf("--model %s has %d classes, --data %s has %d", t.file.Path(), m.Config.Classes, t.Data, len(m.Classes))
	}
	return m, nil
}

// test evaluates the model on --data's test images.
func (t *trained) test(ctx context.Context) (*run.Result, error) {
	m, err := t.load(ctx)
	if err != nil {
		return nil, err
	}
	t.sayUnreferred(m)
	return t.Evaluate(ctx, m)
}

// sayUnreferred says what is missing of a model of an earlier version. One of the authors' is not changed.
func (t *trained) sayUnreferred(m *promptcam.Model) {
	if m.Reference == nil && !promptcam.IsOfficial(t.file) {
		t.console.Say("the model has no look-alikes, so each class is told from the runner-up in its photograph: cub refer finds them")
	}
}

func evaluateCommand(c *console.Console) *cobra.Command {
	t := &trained{source: newSource(c)}
	t.tested = true
	cmd := &cobra.Command{
		Use: "evaluate", Args: none, Short: "Test a trained model on a folder of photographs and report",
		Long: `Tests a trained model on the test images of a folder and writes the report, metrics.json and predictions.csv
to --out: the folder's own test split or, where it has none, all images but those that the model was trained on,
which images.csv beside the model lists. --test 0.2 tests that share of each class, chosen by --seed.`,
		Example: "  cub evaluate --model out --data CUB_200_2011 --out test",
	}
	return t.command(cmd, "data out test seed", tested, run.HistoryFile, func(ctx context.Context, _ []string) error {
		if err := t.open(ctx); err != nil {
			return err
		}
		_, err := t.test(ctx)
		return err
	})
}

func traitsCommand(c *console.Console) *cobra.Command {
	t := &trained{source: newSource(c)}
	t.tested = true
	cmd := &cobra.Command{
		Use: "traits", Args: none, Short: "Measure whether the maps of a trained model point at the traits",
		Long: `Measures, on an annotated folder (CUB's parts and bounding boxes, or masks), how much of each head's attention
falls on the trait that tells a class from its nearest look-alike, and prints a table by class. --out gets
traits.csv, with every head and region, and what cub evaluate writes.`,
		Example: "  cub traits --model out --data birds --out traits",
	}
	return t.command(cmd, "data out test seed", tested, run.HistoryFile, func(ctx context.Context, _ []string) error {
		if err := t.open(ctx); err != nil {
			return err
		}
		if t.Notes == nil {
			return fmt.Errorf("--data %s: no annotations of where things are: want CUB's parts and bounding_boxes.txt, or masks", t.Data)
		}
		r, err := t.test(ctx)
		if err != nil {
			return err
		}
		var b strings.Builder
		w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "class\tlook-alikes\ttrait\tbest head\tpoints at it\ttop-ranked head\tpoints at it")
		head := func(n *int) string {
			if n == nil {
				return "-"
			}
			return strconv.Itoa(*n)
		}
		for _, row := range r.Metrics.Traits.PerClass {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%.1f %%\t%s\t%.1f %%\n", data.Printable(row.Class), data.Printable(strings.Join(row.LookAlikes, ", ")), data.Printable(strings.Join(row.Traits, ", ")),
				head(row.BestHead), row.Best["trait"].Points.Mean, head(row.TopHead), row.Top["trait"].Points.Mean)
		}
		w.Flush() // a strings.Builder takes everything
		c.Result(strings.TrimRight(b.String(), "\n"))
		return nil
	})
}

// read loads the model and finds the photographs at paths.
func (t *trained) read(ctx context.Context, paths []string) (*promptcam.Model, []string, error) {
	m, err := t.load(ctx)
	if err != nil {
		return nil, nil, err
	}
	if paths, err = matching(paths); err != nil {
		return nil, nil, err
	}
	photos, err := run.Photographs(t.Observer, paths...)
	return m, photos, err
}

// matching returns the paths with the files that patterns among them match, where the shell leaves patterns
// to the program.
func matching(paths []string) (all []string, err error) {
	for _, path := range paths {
		if exists(path) || !strings.ContainsAny(path, "*?[") {
			all = append(all, path)
			continue
		}
		found, err := filepath.Glob(path)
		if err != nil || len(found) == 0 {
			return nil, fmt.Errorf("%q: no file or folder matches", path)
		}
		all = append(all, found...)
	}
	return all, nil
}

func explainCommand(c *console.Console) *cobra.Command {
	t := &trained{source: newSource(c)}
	t.beside = true
	cmd := &cobra.Command{
		Use: "explain PHOTO|FOLDER...", Args: some("a photograph or a folder of them"), Short: "Show what tells the class of photographs from its look-alike",
		Long: `Draws, into one picture per photograph in --out, the evidence for the predicted class (orange) and for its nearest
look-alike (blue), then the heads that have most of it, then the paper's view: the attention maps of the predicted
class, top-ranked head first. It says the same in words and numbers. --compare names other classes to tell it from.
A model without look-alikes (cub refer finds them; one of the authors' has none) tells it from the runner-up. With
--data, the folder of the training, a photograph of the other class stands beside.`,
		Example: "  cub explain --model out oriole.jpg --compare Scott_Oriole --out maps",
	}
	return t.command(cmd, "compare data out top", loaded+"data compare out top blur scale colormap", "", func(ctx context.Context, args []string) error {
		if t.Data != "" {
			if err := t.open(ctx); err != nil {
				return err
			}
		}
		m, photos, err := t.read(ctx, args)
		if err != nil {
			return err
		}
		if _, err := (&data.Set{Classes: m.Classes}).FindAll(t.Compare); err != nil {
			return console.Usagef("--compare: %w", err)
		}
		if len(t.Compare) == 0 {
			t.sayUnreferred(m)
		}
		for e, err := range t.Explain(ctx, m, photos, t.Compare...) {
			if err != nil {
				return err
			}
			if c.Quiet {
				x := e.Explanation
				c.Result(fmt.Sprintf("%s: %s, %.1f %%: %s", e.Path, data.Printable(m.Classes[x.Predicted()]), 100*x.Probabilities[x.Predicted()], e.Picture))
				continue
			}
			c.Result(e.Text + e.Picture)
		}
		return nil
	})
}

func predictCommand(c *console.Console) *cobra.Command {
	t := &trained{source: newSource(c)}
	cmd := &cobra.Command{
		Use: "predict PHOTO|FOLDER...", Args: some("a photograph or a folder of them"), Short: "Classify unlabelled photographs into a CSV table",
		Long: `Prints one row per photograph: path, predicted class and probability, the runner-up, the top-ranked head and the
row and column of its hottest patch, all counted from 0. A photograph that cannot be read has an error in its
row. The prediction set holds the true class with the confidence that --coverage gave it in training; it is empty
if no images were held out for it (cub train --calibrate). A doubt says that no trait which tells the class from
its look-alike is visible. cub explain says whether the prediction needs its maps.`,
		Example: "  cub predict --model out photographs > predictions.csv",
	}
	return t.command(cmd, "skip-bad", loaded+"blur skip-bad", "", func(ctx context.Context, args []string) error {
		table := c.Table()
		m, photos, err := t.read(ctx, args)
		if err != nil {
			return err
		}
		return run.WritePredictions(table, t.Predict(ctx, m, photos))
	})
}

func referCommand(c *console.Console) *cobra.Command {
	t := &trained{source: newSource(c)}
	cmd := &cobra.Command{
		Use: "refer", Args: none, Short: "Find each class's look-alikes, and what its prompt usually reads",
		Long: `Learns from the training images of a folder what each class's prompt usually reads, in images of its class and
of its look-alikes, and saves that in the model's file. What cub explain shows first is compared with it. A training
does so itself; this is for models of earlier versions. Of the model's own photographs, which images.csv beside it
lists, those that it was trained on are used.`,
		Example: "  cub refer --model out --data CUB_200_2011",
	}
	return t.command(cmd, "data", loaded+"data classes workers skip-bad cache", "", func(ctx context.Context, _ []string) error {
		if promptcam.IsOfficial(t.file) {
			return fmt.Errorf("--model %s, a checkpoint of the authors' code, holds its own backbone, and is not changed: it has no look-alikes", t.file.Path())
		}
		if err := t.open(ctx); err != nil {
			return err
		}
		m, err := t.load(ctx)
		if err != nil {
			return err
		}
		return t.Refer(ctx, m, t.file.Path())
	})
}

func addClassCommand(c *console.Console) *cobra.Command {
	t := &trained{source: newSource(c)}
	cmd := &cobra.Command{
		Use: "add-class FOLDER", Args: one("the folder of the new class's photographs"), Short: "Add a class without retraining the others",
		Long: `Trains the prompt of one new class, named after the folder of its photographs, and writes the model with it to
--out. The other prompts stay as they are. With --data, photographs of the other classes teach the new prompt
where to stop; without, it takes some of theirs.`,
		Example: "  cub add-class --model out Altamira_Oriole --data CUB_200_2011 --out more",
	}
	return t.command(cmd, "data out test seed", opened+"views", run.MetricsFile, func(ctx context.Context, args []string) error {
		if isFile(args[0]) {
			return console.Usagef("%s is a file, want the folder of the new class's photographs", args[0])
		}
		if !exists(args[0]) {
			return fmt.Errorf("%s: no such folder", args[0])
		}
		if t.Data != "" {
			if err := t.open(ctx); err != nil {
				return err
			}
		}
		m, err := t.load(ctx)
		if err != nil {
			return err
		}
		if _, err = t.AddClass(ctx, m, args[0]); err != nil {
			return err
		}
		return t.remember()
	})
}
