package run

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"strconv"

	"github.com/promptcam/promptcam/data"
	"github.com/promptcam/promptcam/promptcam"
)

// Prediction is a row of WritePredictions' table: a model's answer for one photograph, without a true class.
type Prediction struct {
	Path                           string
	Predicted, Second              string // classes
	Probability, SecondProbability float64
	Head                           int      // the head that Rank puts first for the predicted class
	Row, Column                    int      // of its hottest patch, from 0
	Set                            []string // classes of the prediction set, the most probable first; nil if the model makes none
	Doubt                          string   // promptcam.Explanation.Doubt
	Err                            error    // why the photograph cannot be read; all else is then zero
}

// Predict predicts the class of each photograph. Those that cannot be read have an Err or, with SkipBad, are
// left out and counted at the end. If none can be read, that is the last error. Of Job it uses Photos, SkipBad
// and Blur.
func (j *Job) Predict(ctx context.Context, m *promptcam.Model, photos []string) iter.Seq2[Prediction, error] {
	return func(yield func(Prediction, error) bool) {
		j, err := j.forPhotos()
		if err = cmp.Or(err, m.Info().Validate()); err != nil {
			yield(Prediction{}, err)
			return
		}
		show := j.Observer.count("photographs", len(photos))
		unreadable := 0
		var first error // of those
		for i, path := range photos {
			p, err := j.predict(ctx, m, path)
			if p.Err != nil {
				unreadable, first = unreadable+1, cmp.Or(first, p.Err)
			}
			if show(i + 1); p.Err != nil && j.SkipBad {
				continue
			}
			if !yield(p, err) || err != nil {
				return
			}
		}
		switch {
		case unreadable > 0 && unreadable == len(photos):
			yield(Prediction{}, fmt.Errorf("none of %d photographs can be read, the first: %w", unreadable, first))
		case unreadable > 0:
			j.Observer.say(Warning, "%d of %d photographs cannot be read, the first: %s", unreadable, len(photos), data.Printable(first.Error()))
		}
	}
}

func (j *Job) predict(ctx context.Context, m *promptcam.Model, path string) (Prediction, error) {
	photo, err := data.Limits{}.Read(ctx, j.Photos, path)
	if data.IsBad(err) || errors.Is(err, fs.ErrPermission) {
		return Prediction{Path: path, Err: err}, nil
	}
	if err != nil {
		return Prediction{}, err
	}
	e, err := m.ExplainContext(ctx, photo)
	if err != nil {
		return Prediction{}, fmt.Errorf("%s: %w", path, err)
	}
	two := e.Top(2)
	p := Prediction{
		Path: path, Predicted: m.Classes[two[0]], Second: m.Classes[two[1]],
		Probability: e.Probabilities[two[0]], SecondProbability: e.Probabilities[two[1]],
		Head: e.Rank(two[0], j.blur()).Heads[0].Head, Doubt: e.Doubt(),
	}
	set, _ := e.PredictionSet()
	p.Set = namesOf(set, m.Classes)
	p.Column, p.Row = e.Heat(two[0], p.Head).Peak()
	return p, nil
}

// WritePredictions writes predictions as CSV, one row each as they come, the classes of a set divided by semicolons. Names that a spreadsheet would take for
// formulas begin with an apostrophe there, as in all tables of this package, and control characters are escaped.
func WritePredictions(w io.Writer, all iter.Seq2[Prediction, error]) error {
	table := newTable(w)
	table.write("path", "predicted", "probability", "second", "second_probability", "head", "row", "column", "error", "set", "doubt") // its error is that of the next flush
	for p, err := range all {
		if err != nil {
			return cmp.Or(err, table.flush())
		}
		row := []string{p.Path, p.Predicted, number(p.Probability), p.Second, number(p.SecondProbability), strconv.Itoa(p.Head), strconv.Itoa(p.Row), strconv.Itoa(p.Column), "", listed(p.Set), p.Doubt}
		if p.Err != nil {
			row = []string{p.Path, "", "", "", "", "", "", "", p.Err.Error(), "", ""}
		}
		if err := cmp.Or(table.write(row...), table.flush()); err != nil {
			return err
		}
	}
	return table.flush()
}

// Photographs returns the photographs at the paths: files, and all images in folders and the folders in
// those. The observer is warned of photographs in folders that cannot be read.
func Photographs(o Observer, paths ...string) (all []string, err error) {
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			return nil, fmt.Errorf("%q: %w", path, errors.Unwrap(err)) // without the call's name
		}
		if !info.IsDir() {
			all = append(all, path)
			continue
		}
		items, skipped, err := data.ImageFiles(data.Dir(path))
		if err != nil {
			return nil, err
		}
		left := data.LeftOut(skipped)
		switch {
		case len(items) == 0 && left != "":
			return nil, fmt.Errorf("%s: no photographs in this folder that can be read; %s", path, left)
		case len(items) == 0:
			return nil, fmt.Errorf("%s: no photographs in this folder", path)
		case left != "":
			o.say(Warning, "%s: %s", path, left)
		}
		for _, it := range items {
			all = append(all, filepath.Join(path, filepath.FromSlash(it.Path)))
		}
	}
	return all, nil
}
