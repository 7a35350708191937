package main

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/promptcam/promptcam/nn/optim"
	"github.com/promptcam/promptcam/tensor/checkpoint"
	"github.com/promptcam/promptcam/vit"
)

// recipe holds the settings that decide with which bits a run ends. A run can be resumed only with
// the same ones. The JSON names are the flags'.
type recipe struct {
	Patch int `json:"patch"`
	Image int `json:"image"`
	Early int `json:"early"`
	Dim   int `json:"dim"`
	Depth int `json:"depth"`
	Heads int `json:"heads"`

	Registers int `json:"registers"`
	Window    int `json:"window"`

	Hidden     int `json:"head-hidden"`
	Bottleneck int `json:"head-bottleneck"`
	Outputs    int `json:"outputs"`

	Scenes     int     `json:"scenes"`
	Kin        float64 `json:"kin"`
	Locals     int     `json:"locals"`
	Local      int     `json:"local"`
	GlobalArea float64 `json:"global-area"`
	LocalArea  float64 `json:"local-area"`
	Flip       float64 `json:"flip"`
	Jitter     float64 `json:"jitter"`
	Grey       float64 `json:"grey"`
	Blur       float64 `json:"blur"`
	Solarize   float64 `json:"solarize"`

	Epochs         int     `json:"epochs"`
	Batch          int     `json:"batch"`
	Piece          int     `json:"piece"`
	Optimizer      string  `json:"optimizer"`
	LR             float64 `json:"lr"`
	MinLR          float64 `json:"min-lr"`
	Warmup         float64 `json:"warmup"`
	Decay          float64 `json:"decay"`
	LastDecay      float64 `json:"last-decay"`
	Momentum       float64 `json:"momentum"`
	Centring       float64 `json:"centring"`
	Contrast       float64 `json:"contrast"`
	Temperature    float64 `json:"temperature"`
	WarmTemp       float64 `json:"warm-temperature"`
	WarmTempEpochs float64 `json:"warm-epochs"`
	Freeze         int     `json:"freeze"`
	Clip           float64 `json:"clip"`
	DropPath       float64 `json:"drop-path"`
	Seed           int64   `json:"seed"`
}

// settings is what the command line says.
type settings struct {
	recipe
	data, out, knn    string
	birds             int
	knnEvery, knnMost int
	dtype             string
	resume, skipBad   bool
}

// A usageError is a wrong command line.
type usageError struct{ error }

func usage(format string, a ...any) error { return usageError{fmt.Errorf(format, a...)} }

const about = `pretrain teaches a vision transformer to see, without labels, from a folder of images, by self-distillation
(DINO: Caron et al., arXiv 2104.14294): a student says of each part of an image what its teacher, the moving mean of the
student, says of other parts.

  pretrain -data photographs -out out
      trains; stop it at any time and go on with the same line and -resume
  pretrain -data photographs -knn CUB_200_2011 -out out
      tells after every epoch, too, how well the features find images of the same species
  pretrain -birds 6400 -contrast 0.2 -kin 0.85 -scenes 2 -locals 0 -early 64 -dim 192 -depth 3 -heads 12 -window 2 \
      -global-area 0.9 -jitter 0.1 -optimizer muon -lr 0.005 -warmup 0.3 -epochs 70 -last-decay 0.04 -type f16 -out out
      draws 6,400 birds for each epoch, and asks for the species of others: so the library's own weights were made

Leaves in -out, after every epoch: backbone.safetensors (the teacher's weights under DINO's names) and backbone.json (its
architecture, which the weights state, too), metrics.csv, curves.png and, until it has finished, state.safetensors.

Flags:
`

// flags defines all flags, which fill s.
func flags(s *settings) *flag.FlagSet {
	fs := flag.NewFlagSet("pretrain", flag.ContinueOnError)
	fs.SetOutput(io.Discard) // errors and help are printed by run

	fs.StringVar(&s.data, "data", "", "`folder` of images, at any depth")
	fs.IntVar(&s.birds, "birds", 0, "draw so many birds for each epoch in place of -data")
	fs.BoolVar(&s.skipBad, "skip-bad", false, "go on without images that cannot be read")
	fs.StringVar(&s.out, "out", "pretrain-out", "`folder` for results")
	fs.StringVar(&s.knn, "knn", "", "`folder` of labelled images, CLASS/IMAGE or CUB's layout: after epochs, the teacher's features find the nearest 20 images of the training part, or half, for each of the others; with -birds, without it, drawn species")
	fs.IntVar(&s.knnEvery, "knn-every", 1, "epochs from one such test to the next")
	fs.IntVar(&s.knnMost, "knn-most", 0, "images of each class and part that are used at most; 0: all, or with -birds 20 of each species")
	fs.BoolVar(&s.resume, "resume", false, "go on with the unfinished run in -out")
	fs.StringVar(&s.dtype, "type", "f32", "of the weights in backbone.safetensors: f32 or f16")

	fs.IntVar(&s.Patch, "patch", 8, "side of a patch in `pixels`")
	fs.IntVar(&s.Image, "image", 96, "side of an image, and of a global crop, in `pixels`")
	fs.IntVar(&s.Early, "early", 0, "side of global crops in the first six tenths of the epochs in `pixels`: smaller ones are seen faster; 0: -image")
	fs.IntVar(&s.Dim, "dim", 192, "width of a token")
	fs.IntVar(&s.Depth, "depth", 6, "blocks")
	fs.IntVar(&s.Heads, "heads", 3, "attention heads")

	fs.IntVar(&s.Registers, "registers", 0, "learned tokens beside the class token, where blocks may keep what they would keep in patches of the background else (Darcet et al., arXiv 2309.16588)")

	fs.IntVar(&s.Window, "window", 0, "side in `patches` of windows that blocks see but for the last, where the class token enters: what a patch tells is then what is near it; 0: blocks see all")

	fs.IntVar(&s.Hidden, "head-hidden", 512, "width of the projection head's hidden layers")
	fs.IntVar(&s.Bottleneck, "head-bottleneck", 128, "width of its bottleneck")
	fs.IntVar(&s.Outputs, "outputs", 4096, "its outputs, K (DINO: 65536 for ImageNet)")

	fs.IntVar(&s.Scenes, "scenes", 3, "pictures of each of -birds, in other poses, places and lights: one for each global crop, the others for the local ones; 1: all are cut out of one, as of a photograph")
	fs.Float64Var(&s.Kin, "kin", 0, "`share` of their traits that -birds of a piece have from one ancestor, rising from 0 over the first six tenths of the epochs: to be told apart by what few are left")
	fs.IntVar(&s.Locals, "locals", 4, "local crops of each image, beside two global ones")
	fs.IntVar(&s.Local, "local", 48, "side of a local crop in `pixels`")
	fs.Float64Var(&s.GlobalArea, "global-area", 0.4, "least `share` of an image that a global crop shows, and most that a local one does")
	fs.Float64Var(&s.LocalArea, "local-area", 0.05, "least `share` that a local crop shows")
	fs.Float64Var(&s.Flip, "flip", 0.5, "`probability` of a mirror image")
	fs.Float64Var(&s.Jitter, "jitter", 0.2, "changes of brightness and contrast within 1 +- this, of saturation half and of hue a quarter as much (DINO: 0.4); 0: none, where colour is all")
	fs.Float64Var(&s.Grey, "grey", 0, "`probability` of a crop without colour (DINO: 0.2)")
	fs.Float64Var(&s.Blur, "blur", 0, "`probability` of a blurred crop (DINO: 0.1 to 1)")
	fs.Float64Var(&s.Solarize, "solarize", 0, "`probability` that the second global crop is solarised (DINO: 0.2)")

	fs.IntVar(&s.Epochs, "epochs", 100, "passes over the images")
	fs.IntVar(&s.Batch, "batch", 64, "images of a step")
	fs.IntVar(&s.Piece, "piece", 32, "images of a step that are computed at a time, and over which the head normalises: fewer take less memory")
	fs.StringVar(&s.Optimizer, "optimizer", "adamw", "adamw, DINO's, or muon: for the matrices of the blocks Muon, which with -contrast learns sooner")
	fs.Float64Var(&s.LR, "lr", 5e-4, "highest learning `rate`")
	fs.Float64Var(&s.MinLR, "min-lr", 1e-6, "last learning `rate`")
	fs.Float64Var(&s.Warmup, "warmup", 10, "`epochs` in which the rate rises from 0")
	fs.Float64Var(&s.Decay, "decay", 0.04, "weight decay at the beginning")
	fs.Float64Var(&s.LastDecay, "last-decay", 0.4, "and at the end, along a cosine")
	fs.Float64Var(&s.Momentum, "momentum", 0.99, "of the teacher at the beginning; 1 at the end, along a cosine (DINO: 0.996, for thirty times the steps)")
	fs.Float64Var(&s.Contrast, "contrast", 0, "`temperature`, such as 0.2, of another objective, MoCo v3's: to tell each image of a piece from all others; it learns sooner from -birds in several scenes; 0: DINO's")
	fs.Float64Var(&s.Centring, "centring", 0.9, "momentum of the centre, the mean of the teacher's scores: to hold what all images have in common back it has to be faster than the teacher")
	fs.Float64Var(&s.Temperature, "temperature", 0.04, "by which the teacher's scores are divided: the lower, the surer it is")
	fs.Float64Var(&s.WarmTemp, "warm-temperature", 0.04, "the same at the beginning")
	fs.Float64Var(&s.WarmTempEpochs, "warm-epochs", 0, "`epochs` from one to the other")
	fs.IntVar(&s.Freeze, "freeze", 1, "`epochs` in which the head's last layer stays as it is")
	fs.Float64Var(&s.Clip, "clip", 3, "greatest length of one parameter's gradient; 0: any")
	fs.Float64Var(&s.DropPath, "drop-path", 0, "`probability` with which a student's last block is left out for a crop, or with -window one for a window; less for earlier ones (DINO: 0.1)")
	fs.Int64Var(&s.Seed, "seed", 1, "of everything random")
	return fs
}

// parse reads the command line. flag.ErrHelp means that help was asked for and is written to stdout.
func parse(args []string, stdout io.Writer) (*settings, error) {
	s := &settings{}
	fs := flags(s)
	err := fs.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprint(stdout, about)
		fs.SetOutput(stdout)
		fs.PrintDefaults()
		return nil, err
	}
	if err != nil {
		return nil, usageError{err}
	}
	if fs.NArg() > 0 {
		return nil, usage("%q is no flag: every argument needs a flag before it, such as -data", fs.Arg(0))
	}
	s.Early = cmp.Or(s.Early, s.Image)
	return s, s.check()
}

// check finds values out of range and flags that do not go together.
func (s *settings) check() error {
	if s.data == "" && s.birds == 0 {
		return usage("-data is missing: the folder of images; or -birds, how many to draw")
	}
	if s.data != "" && s.birds != 0 {
		return usage("-data and -birds are both given, want one")
	}
	if s.out == "" {
		return usage("-out is empty, want a folder")
	}
	if s.dtype != "f32" && s.dtype != "f16" {
		return usage("-type is %q, want f32 or f16", s.dtype)
	}
	if s.Optimizer != "adamw" && s.Optimizer != "muon" {
		return usage("-optimizer is %q, want adamw or muon", s.Optimizer)
	}
	for _, f := range []struct {
		name      string
		v         float64
		low, high float64
	}{
		{"birds", float64(s.birds), 0, 1 << 30}, {"knn-every", float64(s.knnEvery), 1, 1 << 30}, {"knn-most", float64(s.knnMost), 0, 1 << 30},
		{"head-hidden", float64(s.Hidden), 1, 1 << 16}, {"head-bottleneck", float64(s.Bottleneck), 1, 1 << 16}, {"outputs", float64(s.Outputs), 2, 1 << 20},
		{"scenes", float64(s.Scenes), 1, 64}, {"kin", s.Kin, 0, 1}, {"locals", float64(s.Locals), 0, 64}, {"global-area", s.GlobalArea, 1e-3, 1}, {"local-area", s.LocalArea, 1e-3, s.GlobalArea},
		{"flip", s.Flip, 0, 1}, {"jitter", s.Jitter, 0, 2}, {"grey", s.Grey, 0, 1}, {"blur", s.Blur, 0, 1}, {"solarize", s.Solarize, 0, 1},
		{"epochs", float64(s.Epochs), 1, 1 << 20}, {"batch", float64(s.Batch), 1, 1 << 20}, {"piece", float64(s.Piece), 1, 1 << 20},
		{"lr", s.LR, 1e-12, 1}, {"min-lr", s.MinLR, 0, s.LR}, {"warmup", s.Warmup, 0, 1 << 20}, {"decay", s.Decay, 0, 10}, {"last-decay", s.LastDecay, 0, 10},
		{"momentum", s.Momentum, 0, 1}, {"centring", s.Centring, 0, 1}, {"contrast", s.Contrast, 0, 10}, {"temperature", s.Temperature, 1e-3, 10}, {"warm-temperature", s.WarmTemp, 1e-3, 10}, {"warm-epochs", s.WarmTempEpochs, 0, 1 << 20},
		{"freeze", float64(s.Freeze), 0, 1 << 20}, {"clip", s.Clip, 0, math.MaxFloat32}, {"drop-path", s.DropPath, 0, 0.9},
	} {
		if !(f.v >= f.low && f.v <= f.high) {
			return usage("-%s is %v, want %v to %v", f.name, f.v, f.low, f.high)
		}
	}
	if s.data != "" && s.Kin > 0 {
		return usage("-kin is %v, but the images of -data have no ancestors: want -birds", s.Kin)
	}
	if s.Contrast > 0 && (s.Piece == 1 || s.Batch%s.Piece == 1) {
		return usage("-contrast tells the images of a piece apart: a -batch of %d in pieces of -piece %d leaves one image alone", s.Batch, s.Piece)
	}
	c := s.config()
	if err := c.Validate(); err != nil {
		return usageError{fmt.Errorf("-patch, -image, -dim, -depth, -heads, -window: %w", err)}
	}
	for _, crop := range []struct {
		name string
		side int
	}{{"local", s.Local}, {"early", s.Early}} {
		if crop.name == "local" && s.Locals == 0 {
			continue
		}
		c.ImageSize = [2]int{crop.side, crop.side}
		if err := c.Validate(); err != nil {
			return usageError{fmt.Errorf("-%s %d: %w", crop.name, crop.side, err)}
		}
	}
	return nil
}

// early is the share of the epochs in which things are still easy: small crops, birds that have
// little in common.
const early = 0.6

// side returns the side of global crops in an epoch, counted from 0.
func (s *settings) side(epoch int) int {
	if float64(epoch) < early*float64(s.Epochs) {
		return s.Early
	}
	return s.Image
}

// config returns the architecture of the backbone.
func (s *settings) config() vit.Config {
	mean, std := s.pixels()
	return vit.Config{
		Name:      fmt.Sprintf("pretrained-%dx%d-patch%d", s.Dim, s.Depth, s.Patch),
		ImageSize: [2]int{s.Image, s.Image}, PatchSize: s.Patch, Dim: s.Dim, Depth: s.Depth, Heads: s.Heads, Hidden: 4 * s.Dim, Registers: s.Registers, Window: s.Window,
		Eps: 1e-6, Mean: mean, Std: std,
	}
}

// pixels returns what pixels are normalised with: ImageNet's statistics, DINO's.
func (s *settings) pixels() (mean, std [3]float32) {
	return [3]float32{0.485, 0.456, 0.406}, [3]float32{0.229, 0.224, 0.225}
}

func (s *settings) head() headSize { return headSize{s.Hidden, s.Bottleneck, s.Outputs} }

// pace returns how the step is made that ends so many epochs after the start.
func (s *settings) pace(epoch float64) pace {
	all := float64(s.Epochs)
	cosine := func(from, to float64) float32 {
		return optim.Schedule{Base: from, Min: to, Epochs: all}.At(epoch)
	}
	temperature := s.Temperature
	if epoch < s.WarmTempEpochs {
		temperature = s.WarmTemp + (s.Temperature-s.WarmTemp)*epoch/s.WarmTempEpochs
	}
	return pace{
		rate:        optim.Schedule{Base: s.LR, Min: s.MinLR, Warmup: s.Warmup, Epochs: all}.At(epoch),
		decay:       cosine(s.Decay, s.LastDecay),
		momentum:    cosine(s.Momentum, 1),
		centring:    float32(s.Centring),
		contrast:    float32(s.Contrast),
		temperature: float32(temperature),
		frozen:      epoch <= float64(s.Freeze),
	}
}

// element returns the type of the exported weights.
func (s *settings) element() checkpoint.DType {
	return checkpoint.DType(strings.ToUpper(s.dtype))
}
