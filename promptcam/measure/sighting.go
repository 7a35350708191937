package measure

import (
	"cmp"
	"iter"
	"runtime"
	"slices"
	"sync"

	"github.com/promptcam/promptcam/promptcam"
	"github.com/promptcam/promptcam/vit/heat"
)

// A Sighting says how much of the maps of one image falls on regions of the image.
type Sighting struct {
	Index            int // of the image in the loader's items
	Class, Predicted int // Class is the true one
	Top              int // the head of Class's prompt that Rank puts first

	Regions []Extent
	Heads   []Gaze // [H] of Class's prompt
	Token   []Gaze // [H] of the backbone's own class token in its last layer, without any prompts
	Mean    Gaze   // of the mean of the class token's maps
}

// An Extent is the size of a region.
type Extent struct {
	Area, Chance float64 // Region.Area and Region.Chance
	Hidden       bool    // Region.Hidden
}

// A Gaze says for each region how one map relates to it.
type Gaze struct {
	Mass   []float64 // Map.Mass
	Points []bool    // Map.Points
}

// Sight measures the maps of an image on its regions: those of the heads of its true class, e.Label, and
// those of the backbone's class token. It panics if e.Label is unknown.
func Sight(e *promptcam.Explanation, regions []heat.Region, blur promptcam.Blur) Sighting {
	s := Sighting{Index: e.Index, Class: e.Label, Predicted: e.Predicted(), Top: e.Rank(e.Label, blur).Heads[0].Head}
	for _, r := range regions {
		s.Regions = append(s.Regions, Extent{r.Area(), r.Chance(), r.Hidden()})
	}
	for head := range e.Heads() {
		s.Heads = append(s.Heads, gaze(e.Heat(e.Label, head), regions))
	}
	token := e.ClassToken()
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

// Sightings measures all explanations, several at a time, and returns the sightings in the order of
// Index. regions is called once for each image, concurrently; all images have the same number of regions, in
// the same order. The first error, of explanations or regions, ends it.
func Sightings(explanations iter.Seq2[*promptcam.Explanation, error], regions func(index int) ([]heat.Region, error), blur promptcam.Blur) ([]Sighting, error) {
	var (
		all    []Sighting
		failed error
		lock   sync.Mutex // of both
		wg     sync.WaitGroup
		free   = make(chan struct{}, runtime.GOMAXPROCS(0))
	)
	fail := func(err error) (stop bool) {
		lock.Lock()
		defer lock.Unlock()
		if failed == nil {
			failed = err
		}
		return failed != nil
	}
	for e, err := range explanations {
		if fail(err) {
			break
		}
		free <- struct{}{}
		wg.Go(func() {
			defer func() { <-free }()
			at, err := regions(e.Index)
			if fail(err) {
				return
			}
			s := Sight(e, at, blur)
			lock.Lock()
			defer lock.Unlock()
			all = append(all, s)
		})
	}
	wg.Wait()
	if failed != nil {
		return nil, failed
	}
	slices.SortFunc(all, func(a, b Sighting) int { return cmp.Compare(a.Index, b.Index) })
	return all, nil
}
