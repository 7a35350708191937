package run

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/promptcam/promptcam/data"
	"github.com/promptcam/promptcam/nn/fit"
	"github.com/promptcam/promptcam/nn/fit/knob"
	"github.com/promptcam/promptcam/nn/optim"
	"github.com/promptcam/promptcam/promptcam"
	"github.com/promptcam/promptcam/tensor"
	"github.com/promptcam/promptcam/vit"
)

// Recipe decides, with the images and the backbone, every bit of a trained model. A run is resumed only with
// the recipe that it began with. The tags give each setting's flag, name in JSON, limits and help; the
// defaults are those of Quick. Schedule.Epochs and Distill.Teacher are no settings and stay zero.
type Recipe struct {
	Test      float64 `knob:"test" group:"Photographs" default:"0.2" range:"(0,1]" arg:"share" help:"share of each class's images held out for testing, where the folder has no test split of its own"`
	Val       float64 `knob:"val" range:"[0,1)" arg:"share" help:"share of the training images held out to choose the best epoch; 0: the last epoch is used. A folder with both val and test brings its own"`
	Calibrate float64 `knob:"calibrate" range:"[0,1)" arg:"share" help:"share of the training images held out to calibrate prediction sets, which have the true class of --coverage of the photographs; 0: the images that choose the best epoch do, if there are any"`
	Augment   string  `knob:"augment" default:"crop" choices:"crop rrc none" arg:"kind" help:"augmentation of training images: crop (resize to 15/14, random crop, mirror: the authors'), rrc (random resized crop, mirror) or none"`
	Views     int     `knob:"views" default:"2" range:"[1,1024]" help:"cached views of each training image: itself, its mirror image, then augmented ones and their mirror images; an epoch sees one of them"`

	Mode          promptcam.Mode `knob:"mode" group:"Model" default:"last" arg:"where" help:"where class prompts enter: last (the last layer), deep (the same, with class-agnostic prompts in the layers before: the paper's), shallow (the first layer) or from:N (layer N)"`
	Agnostic      int            `knob:"agnostic" range:"[0,4096]" help:"class-agnostic prompts in each layer before the class prompts; modes shallow and last have none"`
	PatchesOnly   bool           `knob:"patches-only" default:"true" help:"in the last layer class prompts attend to patches alone"`
	PromptDropout float64        `knob:"dropout" range:"[0,1)" arg:"share" help:"dropout of prompt elements"`
	PatchDropout  float64        `knob:"patch-dropout" default:"0.75" range:"[0,1)" arg:"share" help:"patch dropout: share of each image's patches hidden from class prompts in a training step"`
	DropPath      float64        `knob:"drop-path" range:"[0,1)" arg:"share" help:"stochastic depth: rate of the last block, rising linearly from 0"`
	Rank          int            `knob:"rank" default:"16" range:"[0,4096]" help:"LoRA rank on the last block, shared by all classes; 0: off"`

	Preset    string `knob:"preset" json:"-" group:"Training" default:"quick" choices:"quick long" arg:"name" help:"defaults of mode last: quick, or long, which is more accurate and takes several times as long"`
	Epochs    int    `knob:"epochs" range:"[0,1048576]" help:"passes over the training images; 0: 10, or as many as make 900 steps (preset long: 80, or 6,800 steps)"`
	Batch     int    `knob:"batch" default:"32" range:"[1,1048576]" help:"images per step"`
	Optimizer string `knob:"optimizer" default:"adamw" choices:"adamw sgd" arg:"kind" help:"adamw, or sgd with momentum 0.9"`
	Schedule  optim.Schedule
	Decay     float64 `knob:"decay" default:"0.001" range:"[0,1000]" help:"weight decay"`
	Distill   promptcam.Distill
	Binary    promptcam.BinaryLoss
	Needed    promptcam.NeededMaps
	CutMix    promptcam.CutMix
	Hard      promptcam.HardExamples
	EMA       fit.EMA
	Seed      int64 `knob:"seed" default:"1" help:"random seed: splits, start, order, augmentation, dropout"`
}

// Validate says what is wrong with r, or returns nil. The number of layers is not known here: New checks that
// Mode has one.
func (r Recipe) Validate() error {
	if err := knob.Check(&r); err != nil {
		return err
	}
	switch {
	case r.Schedule.Epochs != 0 || r.Distill.Teacher != nil:
		return errors.New("a recipe with Schedule.Epochs or Distill.Teacher: training sets them")
	case r.Schedule.Min > r.Schedule.Base:
		return fmt.Errorf("--min-lr is %g, want at most the %g of --lr", r.Schedule.Min, r.Schedule.Base)
	case r.Augment == "none" && r.Views > 1:
		return fmt.Errorf("--views is %d, but with --augment none each image has one view", r.Views)
	case r.Preset == "long" && r.Mode != promptcam.Last:
		return fmt.Errorf("--preset long has defaults of mode last alone, and --mode is %s", r.Mode)
	}
	c := r.train()
	c.Epochs = max(c.Epochs, 1)                                                        // what 0 means depends on the images
	c.Distill.Teacher = func(*data.Batch) *tensor.Tensor { panic("not for training") } // which is fitted later
	if err := c.Validate(); err != nil {
		return err
	}
	return r.model(2).Validate(math.MaxInt) // any number of classes
}

// EpochsFor returns Epochs or, where that is 0, how many are enough for so many training images: few images
// take more epochs, because prompts need a number of steps to learn.
func (r Recipe) EpochsFor(images int) int {
	if r.Epochs > 0 {
		return r.Epochs
	}
	least, steps := 10, 900
	if r.Preset == "long" {
		least, steps = 80, 6800
	}
	each := 1 + (images-1)/r.Batch // rounded up
	return max(least, (steps+each-1)/each)
}

// MarshalJSON writes the settings by the names of their flags.
func (r Recipe) MarshalJSON() ([]byte, error) { return knob.Marshal(&r) }

// UnmarshalJSON reads what MarshalJSON wrote.
func (r *Recipe) UnmarshalJSON(text []byte) error { return knob.Unmarshal(text, r) }

// words lists the settings of a group that are not off, by the names of their flags.
func (r Recipe) words(group string) string {
	var all []string
	for k := range knob.Walk(&r) {
		switch value := k.String(); {
		case k.Group != group || value == "0" || value == "false" || k.JSON == "":
		case value == "true":
			all = append(all, k.Flag)
		default:
			all = append(all, k.Flag+" "+value)
		}
	}
	return strings.Join(all, ", ")
}

// model returns the configuration of a model of so many classes.
func (r Recipe) model(classes int) promptcam.Config {
	return promptcam.Config{
		Mode: r.Mode, Classes: classes, Agnostic: r.Agnostic, PatchesOnly: r.PatchesOnly,
		PromptDropout: float32(r.PromptDropout), PatchDropout: float32(r.PatchDropout), DropPath: float32(r.DropPath), Rank: r.Rank,
	}
}

// train returns the configuration of the training, without a teacher.
func (r Recipe) train() promptcam.TrainConfig {
	var optimizer optim.Config = optim.AdamW{WeightDecay: float32(r.Decay)}
	if r.Optimizer == "sgd" {
		optimizer = optim.SGD{Momentum: 0.9, WeightDecay: float32(r.Decay)}
	}
	return promptcam.TrainConfig{
		Epochs: r.Epochs, Optimizer: optimizer, Schedule: r.Schedule, Seed: uint64(r.Seed),
		Distill: r.Distill, Binary: r.Binary, Needed: r.Needed, CutMix: r.CutMix, Hard: r.Hard, EMA: r.EMA,
	}
}

// transforms returns the transforms of training images and of all others.
func (r Recipe) transforms(c vit.Config) (augmented, plain data.Transform) {
	plain = data.EvalTransform(c.ImageSize, c.Mean, c.Std)
	augmented = plain
	switch r.Augment {
	case "crop":
		augmented = data.TrainTransform(c.ImageSize, c.Mean, c.Std)
	case "rrc":
		// torchvision's crops go down to 8 % of the photograph, which often have nothing of the trait that
		// tells two species apart.
		augmented.Area, augmented.Flip = [2]float64{0.4, 1}, 0.5
	}
	return augmented, plain
}

// Quick is the default: mode last, chosen on held-out training images of a hundred classes of CUB with a
// ViT-Ti/16. The loss for needed maps costs less than half a point of accuracy there: with it 1.8 % of the correct
// predictions survive with all maps blurred, 36.8 % without it (test images, seeds 1 to 3).
func Quick() Recipe { return preset(promptcam.Last, "adamw", "quick") }

// Long is Quick with more views, more LoRA and CutMix, for several times as many epochs.
func Long() Recipe { return preset(promptcam.Last, "adamw", "long") }

// Deep is the paper's form of the model, with the recipe by which the authors' code reaches 81 % on ten
// look-alike classes, and thirty class-agnostic prompts: on held-out images of a hundred classes ten learn
// more slowly.
func Deep() Recipe { return preset(promptcam.Deep, "adamw", "quick") }

// Official is Deep with the optimizer and the schedule of the authors' code.
func Official() Recipe { return preset(promptcam.Deep, "sgd", "quick") }

// DrawnBirds is Quick for the images of package data/birds. What distinguishes two species is often within
// one or two patches, which must not be hidden; the class token misses more of it than the prompts do, so it
// has nothing to teach them; and a mirror image is no more than another scene. In mixtures prompts learn
// where the trait itself is, but not the smallest traits, for which images must be whole. What is left then
// is two or three pairs of species: whether they are told apart in time is a matter of luck without
// hard-example sampling and a learning rate that stays high, and without binary cross-entropy one of the two
// prompts is content to look anywhere. The EMA evens out the noise of such a rate and of the sampling. All
// predictions need their maps without a loss for it.
func DrawnBirds() Recipe { return Quick().forDrawnBirds() }

// preset returns the defaults of a mode, an optimizer and a preset.
func preset(mode promptcam.Mode, optimizer, name string) Recipe {
	var r Recipe
	knob.Defaults(&r)
	r.Mode, r.Optimizer, r.Preset = mode, optimizer, name
	switch {
	case mode == promptcam.Last:
		r.Schedule, r.Distill.Weight, r.Needed.Weight = optim.Schedule{Base: 0.06, Min: 1e-6, Warmup: 1}, 2, 0.3
		if name == "long" {
			r.Views, r.Rank, r.CutMix.Share, r.Needed.Weight = 4, 32, 0.7, 0
		}
	default:
		r.Agnostic, r.PatchesOnly, r.PatchDropout, r.Rank = 30, false, 0, 0
		r.Epochs, r.Batch, r.Schedule, r.Val = 25, 16, optim.Schedule{Base: 0.003, Min: 1e-6, Warmup: 3}, 0.1
	}
	if mode == promptcam.Shallow || mode == promptcam.FromLayer(1) {
		r.Agnostic = 0 // there is no layer for them
	}
	if optimizer == "sgd" {
		o := promptcam.OfficialTrain()
		r.Epochs, r.Schedule, r.Batch, r.Decay = o.Epochs, o.Schedule, 16, 1e-3
	}
	return r
}

func (r Recipe) forDrawnBirds() Recipe {
	if r.Mode != promptcam.Last || r.Optimizer != "adamw" {
		return r
	}
	r.PatchDropout, r.Rank, r.Views, r.Schedule.Min, r.Epochs = 0, 64, 1, 0.01, 20
	if r.Preset == "long" {
		r.Epochs = 40
	}
	r.Distill.Weight, r.Binary.Weight, r.Needed.Weight, r.EMA.Decay = 0, 0.04, 0, 0.99
	r.CutMix = promptcam.CutMix{Share: 0.5, Until: 0.4}
	r.Hard = promptcam.HardExamples{Share: 0.8, From: 0.2}
	return r
}

// Defaults says which defaults Resolve starts from: those for what kind of images.
type Defaults struct {
	Drawn    bool // they are drawn birds
	Uncached bool // their features are not kept, so that nothing can be distilled or mixed
}

// Resolve returns the recipe with the given settings, by flag, such as {"mode": "deep"}. All others are the
// defaults of its mode, optimizer and preset, and of the images; of them a lower learning rate lowers the
// last one as well, no augmentation leaves one view, and photographs without cached features are neither
// distilled nor mixed. It returns an error for a value that is no number or the like; Validate finds what is
// out of range.
func (d Defaults) Resolve(given map[string]string) (Recipe, error) {
	first := Quick()
	if err := first.set(given); err != nil {
		return first, err
	}
	r := preset(first.Mode, first.Optimizer, first.Preset)
	if d.Drawn {
		r = r.forDrawnBirds()
	}
	if share := first.Schedule.Base / r.Schedule.Base; given["lr"] != "" && share > 0 && share < 1 {
		r.Schedule.Min *= share
	}
	if first.Augment == "none" {
		r.Views = 1
	}
	if d.Uncached {
		r.Distill.Weight, r.CutMix.Share = 0, 0
	}
	return r, r.set(given)
}

// set sets the given settings.
func (r *Recipe) set(given map[string]string) error {
	known := map[string]*knob.Knob{}
	for k := range knob.Walk(r) {
		known[k.Flag] = k
	}
	for _, flag := range slices.Sorted(maps.Keys(given)) {
		k := known[flag]
		if k == nil {
			return fmt.Errorf("--%s is no setting of a recipe", flag)
		}
		if err := k.Set(given[flag]); err != nil {
			return fmt.Errorf("--%s: %w", flag, err)
		}
	}
	return nil
}
