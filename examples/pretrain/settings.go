package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"slices"

	"github.com/spf13/pflag"

	"github.com/promptcam/promptcam/data"
	"github.com/promptcam/promptcam/data/birds"
	"github.com/promptcam/promptcam/examples/internal/console"
	"github.com/promptcam/promptcam/nn/fit/knob"
	"github.com/promptcam/promptcam/vit/pretrain"
)

// settings is what the command line says.
type settings struct {
	Data    string `knob:"data" group:"Run" arg:"folder" help:"folder of images, at any depth"`
	Birds   int    `knob:"birds" range:"[0,1073741824]" help:"draw so many birds for each epoch in place of --data"`
	SkipBad bool   `knob:"skip-bad" help:"skip unreadable images (default: list them and stop)"`
	Out     string `knob:"out" default:"pretrain-out" arg:"folder" help:"folder of the results"`
	Resume  bool   `knob:"resume" help:"continue the unfinished run in --out; the result is bit-for-bit that of an uninterrupted run"`
	Type    string `knob:"type" default:"f32" choices:"f32 f16" help:"of the weights in backbone.safetensors, f32 or f16"`

	KNN      string `knob:"knn" group:"k-NN test" arg:"folder" help:"of labelled images, CLASS/IMAGE or CUB's layout: after epochs, the nearest 20 images of the training part, or half, vote for the class of each other image; with --birds, by default drawn species"`
	KNNEvery int    `knob:"knn-every" default:"1" range:"[1,1048576]" help:"epochs from one test to the next"`
	KNNMost  int    `knob:"knn-most" default:"0" range:"[0,1048576]" help:"greatest number of images of each class and part; 0: all, or with --birds 20 of each species"`

	pretrain.Config

	Scenes int     `knob:"scenes" group:"Drawn birds" default:"3" range:"[1,64]" help:"pictures of each of --birds, in other poses, places and lights: one for each global crop, the others for the local ones; 1: all views are of one picture, as of a photograph"`
	Kin    float64 `knob:"kin" default:"0" range:"[0,1]" arg:"share" help:"of their traits that the --birds of a piece have from one ancestor, rising from 0 over the first six tenths of the epochs: only the few other traits tell them apart"`
}

const about = `pretrain teaches a vision transformer to see, without labels, from a folder of images, by self-distillation (DINO:
Caron et al., arXiv 2104.14294): a student learns to say of each part of an image what its teacher, the student's
EMA, says of other parts.

It takes many images and many hours: 5,000 photographs and 100 epochs about half a day on two cores. The program says how
many images a second it sees, and how long the epoch takes. Stop it at any time and continue with the same line and
--resume.

After every epoch, --out holds backbone.safetensors (the teacher's weights under DINO's names, with their architecture),
which cub train takes as --weights, backbone.json (the architecture again), metrics.csv, curves.png and, until the end,
state.safetensors.

Usage:
  pretrain [flags]

Examples:
  pretrain --data photographs --out out
  # after every epoch also test how well the features find images of the same species
  pretrain --data photographs --knn CUB_200_2011 --out out
  # draw 6,400 birds for each epoch, and tell them apart by MoCo v3: so the library's own weights were made
  pretrain --birds 6400 --contrast 0.2 --kin 0.85 --scenes 2 --locals 0 --early 64 --dim 192 --depth 3 --heads 12 --window 2 --global-area 0.9 --jitter 0.1 --optimizer muon --lr 0.005 --warmup 0.3 --epochs 70 --last-decay 0.04 --type f16 --out out
`

// mostDrawn is how many images of each species the k-NN test draws at most: all are kept in memory.
const mostDrawn = 1000

// parse reads and checks the command line. It returns nil if help was asked for, which is then on stdout.
func parse(args []string, stdout io.Writer) (*settings, error) {
	s := &settings{}
	knob.Defaults(s)
	switch {
	case len(args) == 0:
	case args[0] == "help":
		args = []string{"-h"}
	case slices.Contains([]string{"version", "-version", "--version"}, args[0]):
		_, err := fmt.Fprintln(stdout, "pretrain "+console.Version())
		return nil, err
	}
	fs := pflag.NewFlagSet("pretrain", pflag.ContinueOnError)
	fs.Usage = func() {}
	for k := range knob.Walk(s) {
		if f := fs.VarPF(k, k.Flag, "", k.Help); k.IsBoolFlag() {
			f.NoOptDefVal = "true"
		}
	}
	err := cmp.Or(fs.Parse(console.Dashes(args)), console.Swallowed(fs), knob.Check(s), s.Config.Validate())
	switch {
	case errors.Is(err, pflag.ErrHelp):
		*s = settings{}
		knob.Defaults(s)
		width := console.Width()
		fmt.Fprintln(stdout, console.Wrap(about, width))
		return nil, knob.UsageIn(stdout, knob.Walk(s), width)
	case err != nil:
		return nil, console.UsageError{Err: flagError(fs, err)}
	case fs.NArg() > 0 && isFolder(fs.Arg(0)):
		return nil, console.Usagef("unexpected %q: a folder of images goes in --data", fs.Arg(0))
	case fs.NArg() > 0:
		return nil, console.Usagef("unexpected %q: want flags alone, such as --data; -h explains them", fs.Arg(0))
	case s.Data == "" && s.Birds == 0:
		return nil, console.Usagef("--data is missing: the folder of images; or --birds, how many to draw")
	case s.Data != "" && s.Birds != 0:
		return nil, console.Usagef("--data and --birds are both given, want one")
	case s.Birds > 0 && s.KNN == "" && s.KNNMost > mostDrawn:
		return nil, console.Usagef("--knn-most is %d, want at most %d with drawn species", s.KNNMost, mostDrawn)
	case s.Out == "":
		return nil, console.Usagef("--out is empty, want a folder")
	case s.Data != "" && s.Kin > 0:
		return nil, console.Usagef("--kin is %v, but the images of --data have no ancestors: want --birds", s.Kin)
	}
	return s, nil
}

// flagError says more about a wrong flag.
func flagError(fs *pflag.FlagSet, err error) error {
	var unknown *pflag.NotExistError
	if !errors.As(err, &unknown) {
		return console.FlagError(err)
	}
	name, hint := unknown.GetSpecifiedName(), ""
	var names []string
	fs.VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
	if near, ok := console.Nearest(names, name); ok {
		hint = ", the nearest is --" + near
	}
	return fmt.Errorf("no flag --%s%s; -h lists all", name, hint)
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// images opens --data or returns --birds to draw.
func (s *settings) images(ctx context.Context, c *console.Console) (pretrain.Images, error) {
	if s.Birds > 0 {
		return &birds.Flock{
			Birds: s.Birds, Pictures: s.Scenes, Size: s.drawnSize(), Batch: s.Batch, Piece: s.Piece,
			Kin: s.Kin, Rise: pretrain.Easy * float64(s.Epochs), Seed: s.Seed,
		}, nil
	}
	f, err := pretrain.OpenFolder(data.Dir(s.Data))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("--data %s: no such folder", s.Data)
	}
	if err != nil {
		return nil, fmt.Errorf("--data: %w", err)
	}
	if left := data.LeftOut(f.Skipped); left != "" {
		c.Warn(fmt.Sprintf("--data %s: %s", s.Data, left))
	}
	bad, err := f.Check(ctx, func(done, total int) {
		c.Show(console.Progress{Part: "checking images", Done: int64(done), Total: int64(total), Text: fmt.Sprintf("%d/%d", done, total)})
	})
	if err != nil {
		return nil, err
	}
	if len(bad) > 0 && !s.SkipBad {
		return nil, fmt.Errorf("--data %s: %d of %d images cannot be read (--skip-bad goes on without them), the first is %w",
			s.Data, len(bad), len(bad)+f.Len(), bad[0].Err)
	}
	for _, b := range bad {
		c.Say(b.Err.Error())
	}
	return f, nil
}

// test opens --knn or, for --birds, draws as many images of each species for the bank as to ask about.
func (s *settings) test(ctx context.Context) (*pretrain.Test, error) {
	c := s.Backbone()
	switch {
	case s.KNN != "":
		set, err := data.Open(s.KNN, data.Options{TestShare: 0.5, Seed: s.Seed})
		if err != nil {
			return nil, err
		}
		return pretrain.OpenTest(ctx, set, c, s.KNNMost)
	case s.Birds == 0:
		return nil, nil
	}
	t, transform := &pretrain.Test{}, data.EvalTransform(c.ImageSize, c.Mean, c.Std)
	rng := rand.New(rand.NewPCG(uint64(s.Seed)+3<<32, 0))
	each := cmp.Or(s.KNNMost, 20)
	for label, species := range birds.AllSpecies() {
		for i := range 2 * each {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			to := []*pretrain.Labelled{&t.Bank, &t.Asked}[i/each]
			to.Add(transform.Apply(birds.Draw(species.Traits, birds.NewScene(rng.Uint64()), s.drawnSize()).RGB, nil), label)
		}
	}
	return t, nil
}

// drawnSize is the side of a picture to crop: a third more than the network's, since crops are enlarged.
func (s *settings) drawnSize() int { return min(max(s.Image*4/3, 32), 1024) }
