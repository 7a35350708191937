package main

import (
	"context"
	"fmt"
	"math/rand/v2"

	"github.com/promptcam/promptcam/data"
	"github.com/promptcam/promptcam/data/birds"
	"github.com/promptcam/promptcam/vit"
)

// drawn is birds whose traits are put together at random, others in every epoch: of traits and
// scenes there are so many that no bird is seen twice.
//
// With one scene of each bird, views agree best on what is behind it, which says nothing of the
// bird. With more, all that they have in common is the bird's traits.
type drawn struct {
	n, scenes, size int // birds of an epoch; pictures of each; side of a picture in pixels
	seed            uint64
}

// drawBirds returns birds to be cropped for networks that see images of this side.
func drawBirds(n, scenes, side int, seed int64) *drawn {
	// A third more than is seen, since the crops enlarge.
	return &drawn{n, scenes, min(max(side*4/3, 32), 1024), uint64(seed)}
}

func (d *drawn) Len() int    { return d.n }
func (d *drawn) Scenes() int { return d.scenes }

func (d *drawn) At(_ context.Context, i, epoch, scene int) (*data.RGB, error) {
	rng := rand.New(rand.NewPCG(d.seed+2<<32, uint64(epoch)<<32|uint64(i)))
	traits := birds.Random(rng)
	for range scene {
		rng.Uint64()
	}
	return birds.Draw(traits, birds.NewScene(rng.Uint64()), d.size).RGB, nil
}

// Identity changes when birds are drawn otherwise.
func (d *drawn) Identity() string {
	first, _ := d.At(context.Background(), 0, 0, 0)
	return digest(fmt.Sprint(d.n, d.scenes, d.size, first.Pix))
}

// drawnSpecies returns images of all species of birds, so many of each to look among and as many
// to ask about.
func drawnSpecies(c vit.Config, each int, seed int64) *neighbours {
	all := birds.AllSpecies()
	n := &neighbours{transform: data.EvalTransform(c.ImageSize, c.Mean, c.Std), classes: len(all)}
	rng := rand.New(rand.NewPCG(uint64(seed)+3<<32, 0))
	size := drawBirds(0, 1, c.ImageSize[0], seed).size
	for label, s := range all {
		for i := range 2 * each {
			to := &n.bank
			if i >= each {
				to = &n.asked
			}
			to.add(n.transform.Apply(birds.Draw(s.Traits, birds.NewScene(rng.Uint64()), size).RGB, nil), label)
		}
	}
	return n
}
