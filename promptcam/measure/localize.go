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

	Places
	Heads []Hits // [H], the maps of Class
	Token []Hits // [H], the maps of the backbone's own class token in its last block, without prompts
	Mean  Hits   // of the mean of Token's maps

	First First // from LocalizeFirst
	Flip  Flip  // from Flips, at five patches
	Edit  *Edit // from MinimalEdit, of a third of the images that are predicted correctly; nil for others
}

// Places are the sizes of the regions of one image.
type Places struct {
	Area, Chance []float64 // [R], Region.Area and Region.Chance
	Hidden       []bool    // [R], Region.Hidden
}

func placesOf(regions []heat.Region) (p Places) {
	for _, r := range regions {
		p.Area, p.Chance, p.Hidden = append(p.Area, r.Area()), append(p.Chance, r.Chance()), append(p.Hidden, r.Hidden())
	}
	return p
}

// First says how well what is shown first, the answer to promptcam.Explanation.Question, localizes regions, such
// as what tells the predicted class from its look-alike. Of the signed evidence the positive part counts.
type First struct {
	For, Against int
	Places
	Panels []Hits // three, as they are shown: of all evidence, and of its two strongest heads
}

// Hits are the scores of one map on each of the regions.
type Hits struct {
	Mass   []float64 // [R], Map.Mass
	Points []bool    // [R], Map.Points
}

// Localize scores the maps of an image on its regions: those of its true class, e.Label, and of the
// backbone's class token. LocalizeFirst scores what is shown first. It panics unless e.Label is a class.
func Localize(e *promptcam.Explanation, regions []heat.Region, blur promptcam.Blur) Localization {
	l := Localization{Index: e.Index, Class: e.Label, Predicted: e.Predicted(), Top: e.Rank(e.Label, blur).Heads[0].Head, Places: placesOf(regions)}
	hits := func(h heat.Map) Hits { return hitsOn(regions, h) }
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

func hitsOn(regions []heat.Region, h heat.Map) (all Hits) {
	for _, r := range regions {
		all.Mass, all.Points = append(all.Mass, h.Mass(r)), append(all.Points, h.Points(r))
	}
	return all
}

// LocalizeFirst scores on an image's regions what is shown of it first.
func LocalizeFirst(e *promptcam.Explanation, regions []heat.Region) First {
	q := e.Question()
	f := First{For: q.For[0], Against: q.Against[0], Places: placesOf(regions)}
	v := e.Evidence(q)
	panels := []heat.Map{v.Map()}
	for _, h := range v.Heads[:min(2, len(v.Heads))] {
		panels = append(panels, h.Map)
	}
	for _, p := range panels {
		f.Panels = append(f.Panels, hitsOn(regions, p.Positive()))
	}
	return f
}

const (
	flipped    = 5  // patches
	flipSeed   = 1  // of the random ones
	edited     = 3  // every third image, since the search takes ten times as long as all else
	mostEdited = 20 // patches
)

// LocalizeAll runs Localize, LocalizeFirst, Flips and, for some images, MinimalEdit on all explanations, several at a time, and returns the results in
// the order of Index. regions, such as Regions.Of, is called once for each image, concurrently, with the classes
// of its Question. It returns the regions for Localize and those for LocalizeFirst, of which Trait is where these
// two classes differ; for every image the same number in the same order. The first error, of explanations or
// regions, ends it.
func LocalizeAll(explanations iter.Seq2[*promptcam.Explanation, error], regions func(index, c, o int) (all, between []heat.Region, err error), blur promptcam.Blur) ([]Localization, error) {
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
			q := e.Question()
			of, between, err := regions(e.Index, q.For[0], q.Against[0])
			if err != nil {
				fail(err)
				return
			}
			l := Localize(e, of, blur)
			l.First, l.Flip = LocalizeFirst(e, between), Flips(e, flipped, flipSeed)
			if e.Predicted() == e.Label && e.Index%edited == 0 && len(between) > 0 && !between[Trait].Hidden() {
				edit := MinimalEdit(e, q.For[0], q.Against[0], between[Trait], mostEdited)
				l.Edit = &edit
			}
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
