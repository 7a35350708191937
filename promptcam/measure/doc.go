// Package measure scores Prompt-CAM's maps, on images whose annotations say where things are or by what the
// model does without what the maps name.
//
// [Localize] scores each head's map on the regions of an image: the attention that falls on each, and the
// pointing game; beside them the maps of the backbone's own class token. [LocalizeFirst] scores the evidence that is
// shown first. [ScoreTraits] sums both up. [Swap] scores counterfactuals: photographs with the traits exchanged that
// tell one class from another. [Drop] needs no annotations: it scores how much of a prediction's margin rests on the
// patches that a map names, by running the model without them, and [Flips] whether the prediction flips when class
// prompts no longer read these patches. [MinimalEdit] says where the smallest change lies that flips it. All sums have
// intervals.
//
// [NewRegions] makes the regions from annotations such as CUB-200-2011's, and package drawn the counterfactuals
// of the birds that package data/birds draws.
//
//	regions := measure.NewRegions(notes, set.FS, set.Test, model)
//	images, err := measure.LocalizeAll(model.Explanations(ctx, loader), regions.Of, promptcam.BlurPatches)
//	scores := measure.ScoreTraits(images, len(model.Classes), regions.Target, heat.DefaultBootstrap())
//
// Reading order: regions.go, localize.go, traits.go; swap.go; drop.go; flips.go; package drawn.
package measure
