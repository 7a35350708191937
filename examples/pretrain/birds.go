package main

import (
	"math/rand/v2"

	"github.com/promptcam/promptcam/data"
	"github.com/promptcam/promptcam/data/birds"
	"github.com/promptcam/promptcam/vit/pretrain"
)

// flock returns the birds that s asks for.
func (s *settings) flock() *birds.Flock {
	return &birds.Flock{
		Birds: s.Birds, Pictures: s.Scenes, Size: s.drawnSize(), Batch: s.Batch, Piece: s.Piece,
		Kin: s.Kin, Rise: pretrain.Easy * float64(s.Epochs), Seed: s.Seed,
	}
}

// drawnSize is the side of a picture to crop: a third more than the network's, since crops are enlarged.
func (s *settings) drawnSize() int { return min(max(s.Image*4/3, 32), 1024) }

// species returns images of all species of birds, so many of each for the bank and as many to ask about.
func (s *settings) species(each int) *pretrain.Test {
	c := s.Backbone()
	t, transform := &pretrain.Test{}, data.EvalTransform(c.ImageSize, c.Mean, c.Std)
	rng := rand.New(rand.NewPCG(uint64(s.Seed)+3<<32, 0))
	for label, species := range birds.AllSpecies() {
		for i := range 2 * each {
			to := &t.Bank
			if i >= each {
				to = &t.Asked
			}
			to.Add(transform.Apply(birds.Draw(species.Traits, birds.NewScene(rng.Uint64()), s.drawnSize()).RGB, nil), label)
		}
	}
	return t
}
