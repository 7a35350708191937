// Package measure says what Prompt-CAM's maps are worth, on images whose annotations say where things are.
//
// [Sight] measures how much of the attention of each head falls on each region of an image, and
// whether its hottest patch does (the pointing game), beside the backbone's own class token.
// [ScoreTraits] sums that up. [Swap] scores counterfactuals: photographs with the traits exchanged that tell one
// class from another. All sums come with intervals.
//
// [NewRegions] makes the regions of annotations such as CUB-200-2011's, and [Exchanges] and [Pairs] the
// counterfactuals of the birds that package data/birds draws.
//
//	regions := measure.NewRegions(notes, set.FS, set.Test, model)
//	sightings, err := measure.Sightings(model.Explanations(ctx, loader), regions.Of, promptcam.BlurPatches)
//	scores := measure.ScoreTraits(sightings, len(model.Classes), regions.Target, heat.DefaultBootstrap())
//
// Reading order: regions.go, sighting.go, traits.go; swap.go, drawn.go.
package measure
