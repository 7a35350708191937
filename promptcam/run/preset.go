package run

import (
	"fmt"
	"maps"
	"slices"

	"github.com/promptcam/promptcam/nn/fit/knob"
	"github.com/promptcam/promptcam/nn/optim"
	"github.com/promptcam/promptcam/promptcam"
)

// Quick is the default: mode last, chosen on held-out training images of a hundred classes of CUB with a
// ViT-Ti/16.
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
// hard-class sampling and a learning rate that stays high, and without binary cross-entropy one of the two
// prompts is content to look anywhere. The EMA evens out the noise of such a rate and of the sampling.
func DrawnBirds() Recipe { return Quick().forDrawnBirds() }

// preset returns the defaults of a mode, an optimizer and a preset.
func preset(mode promptcam.Mode, optimizer, name string) Recipe {
	var r Recipe
	knob.Defaults(&r)
	r.Mode, r.Optimizer, r.Preset = mode, optimizer, name
	switch {
	case mode == promptcam.Last:
		r.Schedule, r.Distill.Weight = optim.Schedule{Base: 0.06, Min: 1e-6, Warmup: 1}, 2
		if name == "long" {
			r.Views, r.Rank, r.CutMix.Share = 4, 32, 0.7
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
	r.Distill.Weight, r.Binary.Weight, r.EMA.Decay = 0, 0.04, 0.99
	r.CutMix = promptcam.CutMix{Share: 0.5, Until: 0.4}
	r.Hard = promptcam.HardExamples{Share: 0.8, From: 0.2}
	return r
}

// Images says for what images a recipe is resolved.
type Images struct {
	Drawn    bool // they are drawn birds
	Uncached bool // their features are not kept, so that nothing can be distilled or mixed
}

// Resolve returns the recipe with the given settings, by flag, such as {"mode": "deep"}. All others are the
// defaults of its mode, optimizer and preset, and of the images; of them a lower learning rate lowers the
// last one as well, no augmentation leaves one view, and photographs without cached features are neither
// distilled nor mixed. It returns an error for a value that is no number or the like; Validate finds what is
// out of range.
func (im Images) Resolve(given map[string]string) (Recipe, error) {
	first := Quick()
	if err := first.set(given); err != nil {
		return first, err
	}
	r := preset(first.Mode, first.Optimizer, first.Preset)
	if im.Drawn {
		r = r.forDrawnBirds()
	}
	if _, ok := given["lr"]; ok {
		r.Schedule.Min *= min(1, first.Schedule.Base/r.Schedule.Base)
	}
	if first.Augment == "none" {
		r.Views = 1
	}
	if im.Uncached {
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
