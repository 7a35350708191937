package figure

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"html/template"
	"image"
	"io"
	"iter"
	"os"
	"path/filepath"

	"github.com/promptcam/promptcam/promptcam"
	"github.com/promptcam/promptcam/tensor/checkpoint"
	"github.com/promptcam/promptcam/vit/heat"
)

// Report is what one training run has to show: the result, sample photographs with their maps,
// confusions, classes, and how all that was made. It becomes one HTML page that needs no other
// file, no network and no JavaScript.
type Report struct {
	Title   string
	Classes []ClassResult // of the test images; the result at the top of the page is their sum

	Confusions []promptcam.Confusion // in the order in which they are shown

	Traits *TraitTable // nil means none

	// Samples are asked for one at a time while the report is written, so they can be
	// explained then. Samples of one class should follow each other. An error ends the
	// writing and is returned. nil means none.
	Samples iter.Seq2[Sample, error]

	Splits []SplitResult // scores to compare, such as those on validation images and of other methods
	Facts  []Fact        // how the model was made: backbone, mode, epochs, seconds, seed...
	Curves []byte        // a picture of the training curves, PNG, JPEG or SVG; nil means none

	// Style draws the maps. Under the Absolute scale without a Limit, each sample has its
	// own. Panel is the longest side of the stored photographs.
	Style Style
}

// Fact is one line of a report's table of settings.
type Fact struct{ Name, Value string }

// SplitResult is the score on one set of images; Top1 and Top5 are from 0 to 1.
type SplitResult struct {
	Name       string
	Images     int
	Top1, Top5 float64
}

// ClassResult says how many of a class's images are classified correctly. Name is shown as
// DisplayName has it.
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

// TraitTable says where the maps of each class point, for data sets that say what is where.
type TraitTable struct {
	Text             []string // paragraphs above it
	Trait, Head, Top string   // headings of the columns of traits, heads and top-ranked heads; without Top that column is left out
	Rows             []TraitRow
}

// TraitRow says where the map of one head of a class points. Class is an index of
// Report.Classes. Scores of no images are left blank.
type TraitRow struct {
	Class                  int
	Trait, Head            string
	Points                 heat.Interval // share of images whose hottest patch is on the trait
	Chance                 float64       // of that
	Mass, Bird, Background heat.Interval // share of attention
	Top                    string        // the head that Rank puts first most often
	TopPoints              heat.Interval // Points of the head that Rank puts first in each image
}

// Sample is one explained photograph. Photo is the part of it that the model saw, in any size
// and stretch: maps are drawn over all of it. True and Predicted are indices of
// Report.Classes.
type Sample struct {
	Name            string
	Photo           image.Image
	True, Predicted int
	Rows            []Row
}

// WriteFile writes the report to path, an .html file; an earlier one is replaced only once the
// new one is complete. Finished samples wait in a temporary file beside it. It returns ctx's
// error if ctx ends first.
func (r *Report) WriteFile(ctx context.Context, path string) error {
	err := checkpoint.WriteFile(path, func(w io.Writer) error { return r.write(ctx, w, filepath.Dir(path)) })
	if err != nil {
		return fmt.Errorf("figure: write report %w", err)
	}
	return nil
}

// Write writes the report to w. Memory does not grow with the number of samples: finished ones
// wait in a temporary file in the system's folder for those, and nothing reaches w before the
// last one is done. It returns ctx's error if ctx ends first.
func (r *Report) Write(ctx context.Context, w io.Writer) error {
	if err := r.write(ctx, w, ""); err != nil {
		return fmt.Errorf("figure: write report: %w", err)
	}
	return nil
}

// write keeps finished samples in folder: the tables above them link to them.
func (r *Report) write(ctx context.Context, w io.Writer, folder string) (err error) {
	spool, err := os.CreateTemp(folder, ".report-samples-*")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, spool.Close(), os.Remove(spool.Name())) }()
	g, err := r.writeSamples(ctx, spool)
	if err != nil {
		return err
	}
	if _, err := spool.Seek(0, io.SeekStart); err != nil {
		return err
	}
	top, err := r.top(g)
	if err != nil {
		return err
	}
	if err := page.ExecuteTemplate(w, "top", top); err != nil {
		return err
	}
	if _, err := io.Copy(w, spool); err != nil {
		return err
	}
	if err := page.ExecuteTemplate(w, "bottom", nil); err != nil {
		return err
	}
	return ctx.Err()
}

//go:embed report.html
var reportHTML string

var page = template.Must(template.New("report").Funcs(template.FuncMap{
	"count":   thousands,
	"percent": func(share float64) string { return fmt.Sprintf("%.1f %%", 100*share) },
	"mean": func(i heat.Interval) string {
		if i.N == 0 {
			return "–"
		}
		return fmt.Sprintf("%.1f %%", 100*i.Mean)
	},
	"bounds": func(i heat.Interval) string { return fmt.Sprintf("%.0f to %.0f %%", 100*i.Low, 100*i.High) },
	"width":  func(share float64) string { return fmt.Sprintf("%.1f%%", 100*unit(share)) }, // CSS allows no space
}).Parse(reportHTML))

// thousands writes n with commas.
func thousands(n int) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%s,%03d", thousands(n/1000), n%1000)
}

// A gallery is what the page says about the samples before it shows them.
type gallery struct {
	class    map[int]string    // by true class: the first sample's anchor
	mistake  map[[2]int]string // by true and predicted class
	examples bytes.Buffer      // the first few that are classified correctly, finished
	first    int               // how many these are

	samples, correct, blind int // blind: correct even with every head blurred
}

const examples = 3 // at the top of the page

// writeSamples writes the samples, each as soon as it comes, the examples to the gallery.
func (r *Report) writeSamples(ctx context.Context, spool io.Writer) (*gallery, error) {
	g := &gallery{class: map[int]string{}, mistake: map[[2]int]string{}}
	if r.Samples == nil {
		return g, ctx.Err()
	}
	class := -1 // of the last sample in the spool
	for s, err := range r.Samples {
		if err := errors.Join(ctx.Err(), err); err != nil {
			return nil, err
		}
		v, err := r.view(s, g.samples)
		if err != nil {
			return nil, fmt.Errorf("sample %q: %w", s.Name, err)
		}
		w := spool
		if v.Correct && g.first < examples {
			w, v.First = &g.examples, true
			g.first++
		} else {
			v.First = s.True != class
			class = s.True
		}
		if err := page.ExecuteTemplate(w, "sample", v); err != nil {
			return nil, err
		}
		g.add(s, v.Anchor)
	}
	return g, ctx.Err()
}

func (g *gallery) add(s Sample, anchor string) {
	if _, ok := g.class[s.True]; !ok {
		g.class[s.True] = anchor
	}
	if pair := [2]int{s.True, s.Predicted}; g.mistake[pair] == "" {
		g.mistake[pair] = anchor
	}
	g.samples++
	if s.True == s.Predicted {
		g.correct++
		for _, row := range s.Rows {
			if row.StillWins {
				g.blind++
				break
			}
		}
	}
}
