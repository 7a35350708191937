// Package figure draws attention maps. Overlay puts one over a photograph; Sheet draws all maps of a
// photograph in one picture, with captions and a colour bar; Report writes one HTML page about a training
// run. A Style says how: by which Colormap, and on which Scale. Package figure/curves draws training curves.
//
// Pictures are image.Image values: encode them with image/png, or write them with WritePNG.
//
// Pictures have the letters of Go's own fonts, Latin, Greek and Cyrillic; others are escaped. Control
// characters and marks that turn the direction of text are replaced, on pages too, and long names are cut.
//
// Reading order: colormap.go, overlay.go, row.go with name.go, sheet.go with colorbar.go, then report.go with
// page.go and report.html.
package figure
