package promptcam

import (
	"cmp"
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/promptcam/promptcam/autograd"
	"github.com/promptcam/promptcam/data"
	"github.com/promptcam/promptcam/vit/heat"
)

// A Sighting is how the maps of one image lie to the regions of it.
type Sighting struct {
	Index            int // of the image in the loader's items
	Class, Predicted int // Class is the true one
	Top              int // the head of Class's prompt that Rank puts first

	Regions []Extent
	Heads   []Gaze // [H] of Class's prompt
	Token   []Gaze // [H] of the backbone's own class token in its last layer, without any prompts
	Mean    Gaze   // of the mean of Token's maps
}

// An Extent is how large a region is.
type Extent struct {
	Area, Chance float64 // Region.Area and Region.Chance
	Hidden       bool    // Region.Hidden
}

// A Gaze is how one map lies to each region.
type Gaze struct {
	Mass   []float64 // Heat.Mass
	Points []bool    // Heat.Points
}

// Sight runs the model on all images of l and measures, on the regions of each, the maps of the true
// class's heads and of the backbone's class token. regions is called once for each image, with its
// position in the loader's items, for several at a time; all images have the same number of
// regions, in the same order. progress, if not nil, is called after each batch with the
// number of images done. Sightings are in the order of the loader's items. Errors are those
// of Evaluate and of regions.
func (m *Model) Sight(ctx context.Context, l Batches, regions func(index int) ([]heat.Region, error), blur Blur, progress func(done int)) ([]Sighting, error) {
	tape := m.tape()
	defer m.done(tape)
	var all []Sighting
	for batch, err := range l.Epoch(ctx, 0) {
		if err != nil {
			return nil, err
		}
		if err := m.accepts(batch); err != nil {
			return nil, err
		}
		explained, tokens := m.explainBatch(tape, batch)
		tape.Reset()
		sightings, errs := make([]Sighting, len(explained)), make([]error, len(explained))
		var wg sync.WaitGroup
		var next atomic.Int64
		for range min(runtime.GOMAXPROCS(0), len(explained)) {
			wg.Go(func() {
				for i := int(next.Add(1)) - 1; i < len(explained); i = int(next.Add(1)) - 1 {
					at, err := regions(batch.Index[i])
					if errs[i] = err; err == nil {
						sightings[i] = explained[i].sight(batch.Labels[i], tokens[i], at, blur)
						sightings[i].Index = batch.Index[i]
					}
				}
			})
		}
		wg.Wait()
		if err := errors.Join(errs...); err != nil {
			return nil, err
		}
		all = append(all, sightings...)
		if progress != nil {
			progress(len(all))
		}
	}
	slices.SortFunc(all, func(a, b Sighting) int { return cmp.Compare(a.Index, b.Index) })
	return all, nil
}

// explainBatch explains each image of a batch that m accepts, and returns where the heads of the
// backbone's class token look, [B][H].
func (m *Model) explainBatch(tape *autograd.Tape, b *data.Batch) ([]*Explanation, [][]heat.Map) {
	last := len(m.Backbone.Blocks) - 1
	h, w := m.Backbone.Config.Grid()
	var x, plain *autograd.Var // the second without prompts
	if b.Tokens != nil {
		x = tape.Const(b.Tokens)
	} else {
		images := tape.Const(b.Images)
		x = m.tokens(images)
		if len(m.Agnostic) > 0 {
			plain = m.Backbone.Tokens(images, last)
		}
	}
	if plain == nil {
		plain = m.Backbone.Run(x, h, w, m.first, last)
	}
	_, attn := m.Backbone.Class(plain) // [B, H, prefix+M]
	tokens := make([][]heat.Map, attn.Dim(0))
	for i := range tokens {
		for head := range attn.Dim(1) {
			row := attn.Select(0, i).Select(0, head).Data()
			tokens[i] = append(tokens[i], heat.Map{W: w, H: h, Values: slices.Clone(row[len(row)-h*w:])})
		}
	}
	return m.explanations(m.carry(tape.Frame(), x, m.prompts(x, m.Class))), tokens
}

// sight measures the maps of a class and of the class token.
func (e *Explanation) sight(class int, token []heat.Map, regions []heat.Region, blur Blur) Sighting {
	s := Sighting{Class: class, Predicted: e.Predicted(), Top: e.Rank(class, blur).Heads[0].Head}
	for _, r := range regions {
		s.Regions = append(s.Regions, Extent{r.Area(), r.Chance(), r.Hidden()})
	}
	for head := range e.Heads() {
		s.Heads = append(s.Heads, gaze(e.Heat(class, head), regions))
	}
	mean := heat.Map{W: token[0].W, H: token[0].H, Values: make([]float32, len(token[0].Values))}
	for _, t := range token {
		s.Token = append(s.Token, gaze(t, regions))
		for i, v := range t.Values {
			mean.Values[i] += v / float32(len(token))
		}
	}
	s.Mean = gaze(mean, regions)
	return s
}

func gaze(h heat.Map, regions []heat.Region) Gaze {
	g := Gaze{make([]float64, len(regions)), make([]bool, len(regions))}
	for i, r := range regions {
		g.Mass[i], g.Points[i] = h.Mass(r), h.Points(r)
	}
	return g
}
