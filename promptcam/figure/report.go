package figure

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"io"
	"iter"
	"math"
	"os"
	"path/filepath"

	"golang.org/x/text/runes"
	"golang.org/x/text/transform"

	"github.com/promptcam/promptcam/promptcam"
	"github.com/promptcam/promptcam/tensor/checkpoint"
	"github.com/promptcam/promptcam/vit/heat"
)

// Report shows one training run: accuracy, sample photographs with their maps, confusions, classes, and how
// the model was made. It becomes one HTML page that needs no other file, no network and no JavaScript.
type Report struct {
	Title   string
	Classes []ClassResult // of the test images; the result at the top of the page is their sum

	// Survival is the share of the correctly classified test images that keep their class with every map
	// blurred (promptcam.Explanation.Survives): no map explains those. Of no images it is unknown.
	Survival heat.Interval

	Confusions []promptcam.Confusion // shown in this order, each beside its reverse

	// LookAlikes are the nearest look-alikes of each class, such as those of a promptcam.Reference: [C][K], or nil
	// if they are unknown.
	LookAlikes [][]promptcam.LookAlike

	Traits *TraitTable // nil means none

	// Samples are pulled one at a time while the report is written, so they can be explained then. Samples of
	// one class should follow each other. An error ends the writing and is returned. nil means none.
	Samples iter.Seq2[Sample, error]

	Splits []SplitResult // scores to compare, such as those on validation images and of other methods
	Facts  []Fact        // how the model was made: backbone, mode, epochs, seconds, seed...
	Curves []byte        // a picture of the training curves, PNG, JPEG or SVG; nil means none
	Course string        // the training in words, for readers who do not see the curves

	// Mistakes are all test images that are classified wrongly, listed with links to those that are Samples.
	Mistakes []Mistake

	// Style draws the maps. Under the Absolute scale without a Limit, each sample has its own. Panel is the
	// longest side of the stored photographs.
	Style Style
}

// Fact is one line of a report's table of settings.
type Fact struct{ Name, Value string }

// Mistake is an image of class True that is predicted as class Predicted, with that probability.
type Mistake struct {
	Name            string // as the Sample's
	True, Predicted int
	Probability     float64
}

// SplitResult is the accuracy on one set of images, from 0 to 1.
type SplitResult struct {
	Name       string
	Images     int
	Top1, Top5 float64
}

// ClassResult counts how many of a class's images are classified correctly. The page shows DisplayName of
// Name.
type ClassResult struct {
	Name            string
	Images, Correct int
}

// Accuracy returns the share of the images that is classified correctly, 0 without images.
func (c ClassResult) Accuracy() float64 {
	if c.Images == 0 {
		return 0
	}
	return float64(c.Correct) / float64(c.Images)
}

// TraitTable says where the maps of each class point, for data sets with annotated parts or traits.
type TraitTable struct {
	Text             []string // paragraphs above it
	Trait, Head, Top string   // headings of the columns of traits, heads and top-ranked heads; "" leaves out Top
	Rows             []TraitRow
}

// TraitRow says where the map of one head of a class points. Class is an index of Report.Classes. Scores of
// no images are left blank.
type TraitRow struct {
	Class                  int
	Trait, Head            string
	Points                 heat.Interval // share of images whose hottest patch is on the trait
	Chance                 float64       // of that
	Mass, Bird, Background heat.Interval // share of attention
	Top                    string        // the head that Rank puts first most often
	TopPoints              heat.Interval // Points of the head that Rank puts first in each image
}

// Sample is one explained photograph. Photo is the part of it that the model saw, in any size and aspect:
// maps cover all of it. True and Predicted are indices of Report.Classes. Where Rows hold evidence, its map leads;
// the heads and the rows of attention can be unfolded.
type Sample struct {
	Name            string
	Photo           image.Image
	True, Predicted int
	Rows            []Row
}

// WriteFile writes the report to path, an .html file; an earlier one is replaced only once the new one is
// complete. Memory does not grow with the number of samples: finished ones are kept in a temporary file beside
// it. It returns ctx's error if ctx ends first.
func (r *Report) WriteFile(ctx context.Context, path string) error {
	err := checkpoint.WriteFile(path, func(w io.Writer) (err error) {
		spool, err := os.CreateTemp(filepath.Dir(path), ".report-samples-*")
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, spool.Close(), os.Remove(spool.Name())) }()
		return r.write(ctx, w, spool, io.NewSectionReader(spool, 0, math.MaxInt64))
	})
	if err != nil {
		return fmt.Errorf("figure: write report %w", err)
	}
	return nil
}

// Write writes the report to w. It needs no file system: finished samples are kept in memory, some ten
// kilobytes each, and nothing is written to w before the last is done. It returns ctx's error if ctx ends
// first.
func (r *Report) Write(ctx context.Context, w io.Writer) error {
	var spool bytes.Buffer
	if err := r.write(ctx, w, &spool, &spool); err != nil {
		return fmt.Errorf("figure: write report: %w", err)
	}
	return nil
}

// write keeps finished samples in spool, since the tables above them link to them. finished reads spool.
func (r *Report) write(ctx context.Context, w, spool io.Writer, finished io.Reader) error {
	view, err := r.view()
	if err != nil {
		return err
	}
	if err := view.writeSamples(ctx, spool); err != nil {
		return err
	}
	clean := transform.NewWriter(w, runes.Map(visible)) // whatever names hold
	if err := page.ExecuteTemplate(clean, "top", view); err != nil {
		return err
	}
	if _, err := io.Copy(clean, finished); err != nil {
		return err
	}
	if err := page.ExecuteTemplate(clean, "bottom", nil); err != nil {
		return err
	}
	return errors.Join(clean.Close(), ctx.Err())
}
