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
//
// Birds that differ in most of their traits are told apart by the plainest, and the smallest are
// never learned. So those of a piece become kin: of each trait they have, with a probability that
// rises over the first epochs, their common ancestor's.
type drawn struct {
	n, scenes, size int     // birds of an epoch; pictures of each; side of a picture in pixels
	batch, piece    int     // birds of a step, and those of it that have one ancestor
	kin, rise       float64 // that probability in the end, and the epochs until then
	seed            int64
}

// drawBirds returns n birds an epoch to be cropped as s says.
func drawBirds(n int, s *settings) *drawn {
	return &drawn{
		n: n, scenes: s.Scenes, size: drawnSize(s.Image), batch: s.Batch, piece: s.Piece,
		kin: s.Kin, rise: early * float64(s.Epochs), seed: s.Seed,
	}
}

// drawnSize is the side of a picture to be cropped for networks that see images of this side: a
// third more, since the crops enlarge.
func drawnSize(side int) int { return min(max(side*4/3, 32), 1024) }

func (d *drawn) Len() int    { return d.n }
func (d *drawn) Scenes() int { return d.scenes }

// Shuffled is false: each epoch's birds are others, and kin belong together.
func (d *drawn) Shuffled() bool { return false }

func (d *drawn) At(_ context.Context, i, epoch, scene int) (*data.RGB, error) {
	traits, rng := d.bird(i, epoch)
	for range scene {
		rng.Uint64()
	}
	return birds.Draw(traits, birds.NewScene(rng.Uint64()), d.size).RGB, nil
}

// bird returns a bird's traits and the source of its scenes' seeds.
func (d *drawn) bird(i, epoch int) (birds.Traits, *rand.Rand) {
	rng := rand.New(rand.NewPCG(uint64(d.seed)+2<<32, uint64(epoch)<<32|uint64(i)))
	traits := birds.Random(rng)
	// Pieces follow each other in a batch, of which the last may be smaller.
	pieces := (d.batch + d.piece - 1) / d.piece
	family := i/d.batch*pieces + i%d.batch/d.piece
	ancestor := birds.Random(rand.New(rand.NewPCG(uint64(d.seed)+4<<32, uint64(epoch)<<32|uint64(family))))
	inherits := d.kin * min(float64(epoch)/d.rise, 1)
	for k := range traits {
		if rng.Float64() < inherits {
			traits[k] = ancestor[k]
		}
	}
	return traits, rng
}

// Identity changes when birds are drawn otherwise.
func (d *drawn) Identity() string {
	first, _ := d.At(context.Background(), 0, 0, 0)
	return digest(fmt.Sprint(d.n, d.scenes, d.size, d.piece, d.kin, d.rise, first.Pix))
}

// drawnSpecies returns images of all species of birds, so many of each to look among and as many
// to ask about.
func drawnSpecies(c vit.Config, each int, seed int64) *neighbours {
	all := birds.AllSpecies()
	n := &neighbours{transform: data.EvalTransform(c.ImageSize, c.Mean, c.Std), classes: len(all)}
	rng := rand.New(rand.NewPCG(uint64(seed)+3<<32, 0))
	size := drawnSize(c.ImageSize[0])
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
