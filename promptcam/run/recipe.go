package run

import (
	"fmt"
	"math"
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
// defaults are those of Quick.
type Recipe struct {
	Test    float64 `knob:"test" group:"Photographs" default:"0.2" range:"(0,1)" arg:"share" help:"share of each class's images held out for testing, where the folder has no test split of its own"`
	Val     float64 `knob:"val" range:"[0,1)" arg:"share" help:"share of the training images held out to choose the best epoch; 0: the last epoch is used. A folder with both val and test brings its own"`
	Augment string  `knob:"augment" default:"crop" choices:"crop rrc none" arg:"kind" help:"augmentation of training images: crop (resize to 15/14, random crop, mirror: the authors'), rrc (random resized crop, mirror) or none"`
	Views   int     `knob:"views" default:"2" range:"[1,)" help:"cached views of each training image: itself, its mirror image, then augmented ones and their mirror images; an epoch sees one of them"`

	Mode          promptcam.Mode `knob:"mode" group:"Model" default:"last" arg:"where" help:"where class prompts enter: last (the last layer), deep (the same, with class-agnostic prompts in the layers before: the paper's), shallow (the first layer) or from:N (layer N)"`
	Agnostic      int            `knob:"agnostic" range:"[0,)" help:"class-agnostic prompts in each layer before the class prompts; modes shallow and last have none"`
	PatchesOnly   bool           `knob:"patches-only" default:"true" help:"in the last layer class prompts attend to patches alone"`
	PromptDropout float64        `knob:"dropout" range:"[0,1)" arg:"share" help:"dropout of prompt elements"`
	PatchDropout  float64        `knob:"patch-dropout" default:"0.75" range:"[0,1)" arg:"share" help:"patch dropout: share of each image's patches hidden from class prompts in a training step"`
	DropPath      float64        `knob:"drop-path" range:"[0,1)" arg:"share" help:"stochastic depth: rate of the last block, rising linearly from 0"`
	Rank          int            `knob:"rank" default:"16" range:"[0,)" help:"LoRA rank on the last block, shared by all classes; 0: off"`

	Preset    string `knob:"preset" json:"-" group:"Training" default:"quick" choices:"quick long" arg:"name" help:"defaults of mode last: quick, or long, which is more accurate and takes several times as long"`
	Epochs    int    `knob:"epochs" range:"[0,)" help:"passes over the training images; 0: 10, or as many as make 900 steps (preset long: 80, or 6,800 steps)"`
	Batch     int    `knob:"batch" default:"32" range:"[1,)" help:"images per step"`
	Optimizer string `knob:"optimizer" default:"adamw" choices:"adamw sgd" arg:"kind" help:"adamw, or sgd with momentum 0.9"`
	Schedule  optim.Schedule
	Decay     float64 `knob:"decay" default:"0.001" range:"[0,)" help:"weight decay"`
	Distill   promptcam.Distill
	Binary    promptcam.BinaryLoss
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
	each := (images + r.Batch - 1) / r.Batch
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
		Distill: r.Distill, Binary: r.Binary, CutMix: r.CutMix, Hard: r.Hard, EMA: r.EMA,
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
