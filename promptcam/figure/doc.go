// Package figure draws maps of evidence and of attention. Overlay puts one over a photograph; Sheet draws all
// maps of a photograph in one picture, with captions and colour bars; Report writes one HTML page about a training
// run. Evidence and Explained make the rows of a Sheet or a Report. A Style says how: by which Colormap, and on which
// Scale. Package figure/curves draws training curves.
//
// Pictures are image.Image values: encode them with image/png, or write them with WritePNG.
//
// Pictures have the letters of Go's own fonts, Latin, Greek and Cyrillic; others are escaped. Control
// characters and marks that turn the direction of text are replaced, on pages too, and long names are cut.
//
// Reading order: colormap.go, overlay.go, row.go with name.go and evidence.go, sheet.go with colorbar.go, then
// report.go with page.go, card.go and report.html.
package figure
