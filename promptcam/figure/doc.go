// Package figure draws attention maps: colormaps, an Overlay over a photograph, a Sheet of all
// maps of one photograph, and a Report of a training run as one HTML file.
package figure
