// Package heat holds attention maps over the patch grid of a vision transformer, and scores them. It knows no
// model: a Map may come from Prompt-CAM or any other method.
//
// A Map has one value per patch. A View turns masks, points and boxes in a photograph into Regions of the
// same grid. Map.Mass is the share of a map that falls on a Region; Map.Points is the pointing game.
// Bootstrap puts a confidence interval around a mean over images.
package heat
