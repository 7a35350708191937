package birds

import (
	"context"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"

	"github.com/promptcam/promptcam/data"
)

// Flock is birds with random traits to pre-train on: each epoch has new birds, and none is seen twice. It is
// an Images of package vit/pretrain.
//
// With one picture of each bird, its views would have the background in common, which says nothing about the
// bird. With several, they have the bird's traits alone in common.
//
// If birds differed in most of their traits, the network could tell them apart by the plainest and would
// never learn the smallest. So the birds of a piece become kin: they inherit each trait from a common
// ancestor with a probability that rises over the first epochs.
type Flock struct {
	Birds        int     // per epoch
	Pictures     int     // of each bird, in other poses, places and lights
	Size         int     // side of a picture in pixels
	Batch, Piece int     // birds per step, and those of them with one ancestor
	Kin          float64 // final probability that a trait is inherited
	Rise         float64 // epochs until then
	Seed         int64
}

// Len returns the number of birds in an epoch.
func (f *Flock) Len() int { return f.Birds }

// Scenes returns the number of pictures of each bird.
func (f *Flock) Scenes() int { return f.Pictures }

// Shuffled is false: each epoch has new birds, and kin belong together.
func (f *Flock) Shuffled() bool { return false }

// At draws bird i of an epoch, both from 0, in one of its scenes.
func (f *Flock) At(_ context.Context, i, epoch, scene int) (*data.RGB, error) {
	traits, rng := f.bird(i, epoch)
	for range scene {
		rng.Uint64()
	}
	return Draw(traits, NewScene(rng.Uint64()), f.Size).RGB, nil
}

// bird returns a bird's traits and the source of its scenes' seeds.
func (f *Flock) bird(i, epoch int) (Traits, *rand.Rand) {
	rng := rand.New(rand.NewPCG(uint64(f.Seed)+2<<32, uint64(epoch)<<32|uint64(i)))
	traits := Random(rng)
	// The last piece of a batch may be smaller.
	pieces := (f.Batch + f.Piece - 1) / f.Piece
	family := i/f.Batch*pieces + i%f.Batch/f.Piece
	ancestor := Random(rand.New(rand.NewPCG(uint64(f.Seed)+4<<32, uint64(epoch)<<32|uint64(family))))
	inherits := f.Kin * min(float64(epoch)/f.Rise, 1)
	for k := range traits {
		if rng.Float64() < inherits {
			traits[k] = ancestor[k]
		}
	}
	return traits, rng
}

// Identity changes when the birds do.
func (f *Flock) Identity() string {
	first, _ := f.At(context.Background(), 0, 0, 0)
	return fmt.Sprintf("%d drawn birds, %d pictures of each, kin %v (%.12x)", f.Birds, f.Pictures, f.Kin,
		sha256.Sum256(fmt.Append(nil, *f, first.Pix)))
}
