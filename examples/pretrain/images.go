package main

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"

	"github.com/promptcam/promptcam/data"
	"github.com/promptcam/promptcam/data/birds"
	"github.com/promptcam/promptcam/examples/internal/console"
	"github.com/promptcam/promptcam/vit/pretrain"
)

// images opens --data or returns --birds to draw.
func (s *settings) images(ctx context.Context, c *console.Console) (pretrain.Images, error) {
	if s.Birds > 0 {
		return &birds.Flock{
			Birds: s.Birds, Pictures: s.Scenes, Size: s.drawnSize(), Batch: s.Batch, Piece: s.Piece,
			Kin: s.Kin, Rise: pretrain.Easy * float64(s.Epochs), Seed: s.Seed,
		}, nil
	}
	f, err := pretrain.OpenFolder(data.Dir(s.Data))
	if err != nil {
		return nil, fmt.Errorf("--data: %w", err)
	}
	bad, err := f.Check(ctx, func(done, total int) {
		c.Show(console.Progress{Part: "checking images", Done: int64(done), Total: int64(total), Text: fmt.Sprintf("%d/%d", done, total)})
	})
	if err != nil {
		return nil, err
	}
	if len(bad) > 0 && !s.SkipBad {
		return nil, fmt.Errorf("--data %s: %d of %d images cannot be read (--skip-bad goes on without them), the first is %w",
			s.Data, len(bad), len(bad)+f.Len(), bad[0].Err)
	}
	for _, b := range bad {
		c.Say(b.Err.Error())
	}
	return f, nil
}

// test opens --knn or, for --birds, draws as many images of each species for the bank as to ask about.
func (s *settings) test(ctx context.Context) (*pretrain.Test, error) {
	c := s.Backbone()
	switch {
	case s.KNN != "":
		return pretrain.OpenTest(ctx, s.KNN, c, s.KNNMost, s.Seed)
	case s.Birds == 0:
		return nil, nil
	}
	t, transform := &pretrain.Test{}, data.EvalTransform(c.ImageSize, c.Mean, c.Std)
	rng := rand.New(rand.NewPCG(uint64(s.Seed)+3<<32, 0))
	each := cmp.Or(s.KNNMost, 20)
	for label, species := range birds.AllSpecies() {
		for i := range 2 * each {
			to := []*pretrain.Labelled{&t.Bank, &t.Asked}[i/each]
			to.Add(transform.Apply(birds.Draw(species.Traits, birds.NewScene(rng.Uint64()), s.drawnSize()).RGB, nil), label)
		}
	}
	return t, nil
}

// drawnSize is the side of a picture to crop: a third more than the network's, since crops are enlarged.
func (s *settings) drawnSize() int { return min(max(s.Image*4/3, 32), 1024) }
