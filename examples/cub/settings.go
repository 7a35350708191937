package main

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/promptcam/promptcam/nn/fit"
	"github.com/promptcam/promptcam/nn/optim"
	"github.com/promptcam/promptcam/promptcam"
	"github.com/promptcam/promptcam/promptcam/figure"
)

// recipe holds the settings that decide with which bits a training run ends. A
// run can be resumed only with the same ones. The JSON names are the flags'.
type recipe struct {
	Mode          promptcam.Mode `json:"mode"`
	Agnostic      int            `json:"agnostic"`
	PatchesOnly   bool           `json:"patches-only"`
	PromptDropout float64        `json:"dropout"`
	PatchDropout  float64        `json:"patch-dropout"`
	DropPath      float64        `json:"drop-path"`
	Rank          int            `json:"rank"`
	Distill       float64        `json:"distill"`
	Temperature   float64        `json:"temperature"`
	Binary        float64        `json:"binary"`
	Mix           float64        `json:"mix"`
	MixUntil      float64        `json:"mix-until"`
	Hard          float64        `json:"hard"`
	HardFrom      float64        `json:"hard-from"`
	Average       float64        `json:"average"`
	Epochs        int            `json:"epochs"`
	Batch         int            `json:"batch"`
	Optimizer     string         `json:"optimizer"`
	LR            float64        `json:"lr"`
	MinLR         float64        `json:"min-lr"`
	Warmup        float64        `json:"warmup"`
	Decay         float64        `json:"decay"`
	Augment       string         `json:"augment"`
	Views         int            `json:"views"`
	Val           float64        `json:"val"`
	Test          float64        `json:"test"`
	Seed          int64          `json:"seed"`
}

// defaults returns what a mode is trained with unless flags say otherwise.
//
// Those of last, and its preset long, were chosen on held-out training images of a hundred
// classes of CUB with a ViT-Ti/16; README.md tells what each measure gives. Those of deep are the
// recipe with which the authors' code reaches 81 % on ten look-alike classes, with thirty
// class-agnostic prompts: on held-out images of a hundred classes ten learn more slowly.
// With sgd the schedule is the authors' own.
func defaults(mode promptcam.Mode, optimizer string, long bool) recipe {
	r := recipe{
		Mode: mode, Agnostic: 30, Epochs: 25, Batch: 16, Optimizer: optimizer, LR: 0.003, MinLR: 1e-6,
		Warmup: 3, Decay: 1e-3, Augment: "crop", Views: 2, Val: 0.1, Test: 0.2, Seed: 1, Temperature: 0.5,
	}
	switch mode {
	case promptcam.Last:
		r.Agnostic, r.PatchesOnly, r.Epochs, r.Batch, r.LR, r.Warmup = 0, true, 0, 32, 0.06, 1
		r.PatchDropout, r.Rank, r.Distill = 0.75, 16, 2
		r.Val = 0 // the last epoch is the best or near it, and a tenth more images are worth a point
		if long {
			r.Views, r.Rank, r.Mix = 4, 32, 0.7
		}
	case promptcam.Shallow, promptcam.FromLayer(1):
		r.Agnostic = 0 // they have no layer for them
	}
	if optimizer == "sgd" {
		o := promptcam.OfficialTrain()
		r.Epochs, r.Warmup, r.Batch = o.Epochs, o.Schedule.Warmup, 16
		r.LR, r.MinLR, r.Decay = o.Schedule.Base, o.Schedule.Min, 1e-3
	}
	return r
}

// forDrawnBirds changes what mode last is trained with, by AdamW, to what serves drawn birds. What tells two species
// apart is often in one or two patches, which must not be hidden; the class token misses more of it than the prompts, and
// teaches them nothing; and a mirror image is no more than another scene. In mixtures prompts learn where the trait itself
// is, but not the smallest ones, for which images must be whole. What is left then is two or three pairs of species: without
// Hard, and a rate that stays high, whether they are told apart in time is a matter of luck, and without Binary one of the two
// prompts is content to look anywhere. The mean of the parameters evens out what such a rate, and the choice of images, leave.
func (r *recipe) forDrawnBirds(long bool) {
	if r.Mode != promptcam.Last || r.Optimizer != "adamw" {
		return
	}
	r.PatchDropout, r.Distill, r.Binary, r.Rank, r.Views, r.MinLR = 0, 0, 0.04, 64, 1, 0.01
	r.Mix, r.MixUntil, r.Hard, r.HardFrom, r.Average, r.Epochs = 0.5, 0.4, 0.8, 0.2, 0.99, 20
	if long {
		r.Epochs = 40
	}
}

// epochsFor returns what -epochs 0 means for so many training images: few take more epochs, since
// prompts take steps to learn.
func (s *settings) epochsFor(images int) int {
	least, steps := 10, 900
	if s.long {
		least, steps = 80, 6800
	}
	each := (images + s.Batch - 1) / s.Batch
	return max(least, (steps+each-1)/each)
}

// settings is what the command line says.
type settings struct {
	recipe
	data, weights, arch, load, out string
	cache                          string
	long, baseline                 bool
	size                           [2]int // height and width; 0: the architecture's own
	classes, explain               []string
	class                          string
	addClass                       string // folder of photographs of a new class
	top, samples, workers          int
	resume, skipBad, quiet         bool
	traits                         bool // whether where maps lie is measured
	download                       bool
	fetches                        *wanted // by -download; nil: nothing
	draws                          string  // folder of drawn birds; empty: -data is another
	ownWeights                     bool    // -weights are those within the program
	blur                           promptcam.Blur
	style                          figure.Style

	given map[string]bool // the flags that were set
}

// A usageError is a wrong command line.
type usageError struct{ error }

func usage(format string, a ...any) error { return usageError{fmt.Errorf(format, a...)} }

// parse reads the command line. flag.ErrHelp means that help was asked for and
// is written to stdout.
func parse(args []string, stdout io.Writer) (*settings, error) {
	// The defaults depend on the mode, the optimizer, the preset and the images, so they are found first.
	first := &settings{}
	d := defaults(promptcam.Last, "adamw", false)
	fs := flags(first, d)
	err := fs.Parse(args)
	bare := err == nil // neither images nor a model are named: those serve that come with the program
	fs.Visit(func(f *flag.Flag) {
		bare = bare && !slices.Contains([]string{"data", "weights", "load", "download"}, f.Name)
	})
	if err == nil || errors.Is(err, flag.ErrHelp) {
		d = defaults(first.Mode, first.Optimizer, first.long)
		if bare || first.data == own && !exists(own) {
			d.forDrawnBirds(first.long)
		}
	}
	s := &settings{given: map[string]bool{}}
	fs = flags(s, d)
	err = fs.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		return nil, errors.Join(err, help(stdout, fs))
	}
	if err != nil {
		return nil, usageError{err}
	}
	fs.Visit(func(f *flag.Flag) {
		// A variable of the shell that is empty lets the next flag slip into its place.
		if name, ok := strings.CutPrefix(f.Value.String(), "-"); ok && fs.Lookup(name) != nil && err == nil {
			err = usage("-%s has no value: -%s comes next", f.Name, name)
		}
	})
	if err != nil {
		return nil, err
	}
	if fs.NArg() > 0 {
		return nil, usage("%q is no flag: every argument needs a flag before it, such as -data", fs.Arg(0))
	}
	fs.Visit(func(f *flag.Flag) { s.given[f.Name] = true })
	if !s.given["min-lr"] {
		s.MinLR *= min(1, s.LR/d.LR) // never above -lr
	}
	if s.Augment == "none" && !s.given["views"] {
		s.Views = 1
	}
	if s.cache == noCache { // the teacher and mixtures need features
		if !s.given["distill"] {
			s.Distill = 0
		}
		if !s.given["mix"] {
			s.Mix = 0
		}
	}
	// A folder or a file of that name is what is meant, if -data or -weights says so.
	if bare || s.data == own && !exists(own) {
		if s.draws, err = drawnFolder(); err != nil {
			return nil, err
		}
		s.data = s.draws
	}
	if bare || s.weights == own && !isFile(own) {
		s.weights, s.ownWeights = own, true
	}
	if err := s.downloads(); err != nil {
		return nil, err
	}
	return s, s.check()
}

// A value is a flag whose text set turns into something else.
type value[T any] struct {
	to   *T
	text string
	read func(string) (T, error)
}

func (v *value[T]) String() string { return v.text }
func (v *value[T]) Get() any       { return *v.to }
func (v *value[T]) Set(text string) error {
	x, err := v.read(text)
	if err != nil {
		return err
	}
	*v.to, v.text = x, text
	return nil
}

// custom adds a flag that read understands, with a default that it does too.
func custom[T any](fs *flag.FlagSet, to *T, name, text, about string, read func(string) (T, error)) {
	v := &value[T]{to: to, read: read}
	if err := v.Set(text); err != nil {
		panic("default of -" + name + ": " + err.Error())
	}
	fs.Var(v, name, about)
}

// choice reads one of some words.
func choice[T any](words map[string]T) func(string) (T, error) {
	return func(text string) (T, error) {
		v, ok := words[text]
		if !ok {
			return v, fmt.Errorf("want one of %s", strings.Join(sortedKeys(words), ", "))
		}
		return v, nil
	}
}

func list(text string) ([]string, error) {
	var words []string
	for word := range strings.SplitSeq(text, ",") {
		if word = strings.TrimSpace(word); word != "" {
			words = append(words, word)
		}
	}
	return words, nil
}

// readPhotos reads a list of files, or one whose name has a comma.
func readPhotos(text string) ([]string, error) {
	if text != "" && exists(text) {
		return []string{text}, nil
	}
	return list(text)
}

// parseSize reads "224" or "224x320", height by width; "0" leaves it open.
func parseSize(text string) (size [2]int, err error) {
	h, w, both := strings.Cut(text, "x")
	if !both {
		w = h
	}
	for i, side := range [2]string{h, w} {
		if size[i], err = strconv.Atoi(side); err != nil || size[i] < 0 {
			return size, errors.New("want pixels such as 224, or height x width such as 224x320")
		}
	}
	return size, nil
}

// check finds what the flag package cannot: values out of range, and flags that
// do not go together.
func (s *settings) check() error {
	switch {
	case len(s.explain) > 0 && s.load == "":
		return usage("-explain needs -load, the trained model that is to explain")
	case s.addClass != "" && (s.load == "" || len(s.explain) > 0):
		return usage("-add-class needs -load, the trained model, and goes without -explain")
	case s.class != "" && len(s.explain) == 0:
		return usage("-class says what to -explain, which is not given")
	case s.data == "" && len(s.explain) == 0 && s.addClass == "":
		return usage("-data is missing: the folder of photographs; %s are drawn ones", own)
	case s.weights == "" && s.load == "":
		return usage("-weights is missing: the file of the pre-trained backbone; %s is a small one that knows drawn birds alone", own)
	case s.ownWeights && s.given["arch"]:
		return usage("-arch is given, but the architecture of -weights %s is known", own)
	case s.ownWeights && s.load == "" && s.Mode != promptcam.Last:
		return usage("-mode is %s, but in all blocks of -weights %s but the last each patch sees its window alone, and prompts can enter the last alone: want -mode last", s.Mode, own)
	case s.out == "":
		return usage("-out is empty, want a folder")
	case !(s.Val >= 0 && s.Val < 1):
		return usage("-val is %g, want at least 0 and less than 1", s.Val)
	case !(s.Test > 0 && s.Test < 1):
		return usage("-test is %g, want more than 0 and less than 1", s.Test)
	case s.Batch < 1 || s.Views < 1:
		return usage("-batch is %d and -views is %d, want at least 1", s.Batch, s.Views)
	case s.Augment == "none" && s.Views > 1:
		return usage("-views is %d, but with -augment none there is one view of each image", s.Views)
	case s.long && s.Mode != promptcam.Last:
		return usage("-preset long has defaults of mode last alone, and -mode is %s", s.Mode)
	case s.top < 1:
		return usage("-top is %d, want at least 1", s.top)
	case s.samples < 0 || s.workers < 0:
		return usage("-samples is %d and -workers is %d, want none negative", s.samples, s.workers)
	}
	if s.load == "" {
		c := s.trainConfig()
		c.Epochs = cmp.Or(c.Epochs, 1)           // what 0 means depends on the images
		c.Distill.Teacher = new(baselines).teach // it is fitted later
		if err := c.Validate(); err != nil {
			return usageError{err}
		}
		// The number of classes and of layers is not known yet; any will do for the rest.
		if err := s.config(2).Validate(math.MaxInt); err != nil {
			return usageError{err}
		}
		return nil
	}
	for _, name := range append(trainingFlags, "resume") {
		if s.given[name] {
			return usage("-%s is for training, and -load skips it", name)
		}
	}
	return nil
}

// config returns the model's settings for so many classes.
func (s *settings) config(classes int) promptcam.Config {
	return promptcam.Config{
		Mode: s.Mode, Classes: classes, Agnostic: s.Agnostic, PatchesOnly: s.PatchesOnly,
		PromptDropout: float32(s.PromptDropout), PatchDropout: float32(s.PatchDropout), DropPath: float32(s.DropPath), Rank: s.Rank,
	}
}

func (s *settings) trainConfig() promptcam.TrainConfig {
	var optimizer optim.Config = optim.AdamW{WeightDecay: float32(s.Decay)}
	if s.Optimizer == "sgd" {
		optimizer = optim.SGD{Momentum: 0.9, WeightDecay: float32(s.Decay)}
	}
	return promptcam.TrainConfig{
		Epochs: s.Epochs, Optimizer: optimizer, Schedule: optim.Schedule{Base: s.LR, Min: s.MinLR, Warmup: s.Warmup}, Seed: uint64(s.Seed),
		Distill: promptcam.Distill{Weight: s.Distill, Temperature: s.Temperature}, Binary: promptcam.BinaryLoss{Weight: s.Binary},
		CutMix: promptcam.CutMix{Share: s.Mix, Until: s.MixUntil}, Hard: promptcam.HardExamples{Share: s.Hard, From: s.HardFrom},
		EMA: fit.EMA{Decay: s.Average},
	}
}
