package measure

import (
	"cmp"
	"context"
	"iter"
	"runtime"
	"slices"
	"sync"

	"github.com/promptcam/promptcam/promptcam"
	"github.com/promptcam/promptcam/vit/heat"
)

// Localization says how well the maps of one image localize its regions, R in number.
type Localization struct {
	Index            int // of the image in the loader's items
	Class, Predicted int // Class is the true one
	Top              int // the head of Class that Rank puts first

	Area, Chance []float64 // [R], Region.Area and Region.Chance
	Hidden       []bool    // [R], Region.Hidden

	Heads []Hits // [H], the maps of Class
	Token []Hits // [H], the maps of the backbone's own class token in its last block, without prompts
	Mean  Hits   // of the mean of Token's maps
}

// Hits are the scores of one map on each of the regions.
type Hits struct {
	Mass   []float64 // [R], Map.Mass
	Points []bool    // [R], Map.Points
}

// Localize scores the maps of an image on its regions: those of its true class, e.Label, and of the
// backbone's class token. It panics unless e.Label is a class.
func Localize(e *promptcam.Explanation, regions []heat.Region, blur promptcam.Blur) Localization {
	l := Localization{Index: e.Index, Class: e.Label, Predicted: e.Predicted(), Top: e.Rank(e.Label, blur).Heads[0].Head}
	for _, r := range regions {
		l.Area, l.Chance, l.Hidden = append(l.Area, r.Area()), append(l.Chance, r.Chance()), append(l.Hidden, r.Hidden())
	}
	hits := func(h heat.Map) (all Hits) {
		for _, r := range regions {
			all.Mass, all.Points = append(all.Mass, h.Mass(r)), append(all.Points, h.Points(r))
		}
		return all
	}
	for head := range e.Heads() {
		l.Heads = append(l.Heads, hits(e.Heat(e.Label, head)))
	}
	token := e.ClassToken()
	mean := heat.Map{W: token[0].W, H: token[0].H, Values: make([]float32, len(token[0].Values))}
	for _, h := range token {
		l.Token = append(l.Token, hits(h))
		for i, v := range h.Values {
			mean.Values[i] += v / float32(len(token))
		}
	}
	l.Mean = hits(mean)
	return l
}

// LocalizeAll runs Localize on all explanations, several at a time, and returns the results in the order of
// Index. regions is called once for each image, concurrently, and returns the same number of regions in the
// same order. The first error, of explanations or regions, ends it.
func LocalizeAll(explanations iter.Seq2[*promptcam.Explanation, error], regions func(index int) ([]heat.Region, error), blur promptcam.Blur) ([]Localization, error) {
	var (
		all  []Localization
		lock sync.Mutex // of all
		wg   sync.WaitGroup
		free = make(chan struct{}, runtime.GOMAXPROCS(0))
	)
	ctx, fail := context.WithCancelCause(context.Background()) // keeps the first error
	defer fail(nil)
	for e, err := range explanations {
		if err != nil {
			fail(err)
		}
		if ctx.Err() != nil {
			break
		}
		free <- struct{}{}
		wg.Go(func() {
			defer func() { <-free }()
			of, err := regions(e.Index)
			if err != nil {
				fail(err)
				return
			}
			l := Localize(e, of, blur)
			lock.Lock()
			defer lock.Unlock()
			all = append(all, l)
		})
	}
	wg.Wait()
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	slices.SortFunc(all, func(a, b Localization) int { return cmp.Compare(a.Index, b.Index) })
	return all, nil
}
