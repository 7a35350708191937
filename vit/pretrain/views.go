package pretrain

import (
	"context"
	"iter"
	"math/rand/v2"
	"slices"

	"github.com/promptcam/promptcam/autograd"
	"github.com/promptcam/promptcam/data"
	"github.com/promptcam/promptcam/tensor"
)

// piece is the crops of some images of a batch.
type piece struct {
	images int            // B
	global *tensor.Tensor // [2·B, 3, S, S], view by view
	local  *tensor.Tensor // [N·B, 3, s, s]
}

// all returns the crops as Vars of tp, those of a size together.
func (p *piece) all(tp *autograd.Tape) []*autograd.Var {
	if p.local.Len() == 0 {
		return []*autograd.Var{tp.Const(p.global)}
	}
	return []*autograd.Var{tp.Const(p.global), tp.Const(p.local)}
}

// views makes batches of crops.
type views struct {
	c       *Config
	images  Images
	globals [globals]crop
	local   crop
	pieces  []*piece // the batch, used again and again
}

// newViews returns the views that c asks for of images.
func newViews(images Images, c *Config) *views {
	b := c.Backbone()
	base := crop{grey: c.Grey, blur: c.Blur, Transform: data.Transform{
		Flip: c.Flip, Brightness: c.Jitter, Contrast: c.Jitter, Saturation: c.Jitter / 2, Hue: min(c.Jitter/4, 0.5),
		Filter: data.Bicubic, Mean: b.Mean, Std: b.Std, Area: [2]float64{c.GlobalArea, 1},
	}}
	v := &views{c: c, images: images, globals: [globals]crop{base, base}, local: base}
	v.globals[1].solarize = c.Solarize // of one of the two, so that they differ
	v.local.Area = [2]float64{c.LocalArea, c.GlobalArea}
	for n := c.Batch; n > 0; n -= c.Piece {
		b := min(n, c.Piece)
		v.pieces = append(v.pieces, &piece{b, nil, tensor.New(c.Locals*b, 3, c.Local, c.Local)})
	}
	v.resize(c.side(0))
	return v
}

// resize changes the side of global crops.
func (v *views) resize(side int) {
	for _, p := range v.pieces {
		if p.global == nil || p.global.Dim(2) != side {
			p.global = tensor.New(globals*p.images, 3, side, side)
		}
	}
}

func (v *views) Images() int { return v.Steps() * v.c.Batch }
func (v *views) Steps() int  { return v.images.Len() / v.c.Batch }

func (v *views) Epoch(ctx context.Context, n int) iter.Seq2[[]*piece, error] {
	return func(yield func([]*piece, error) bool) {
		for _, images := range v.order(n) {
			if !yield(v.batch(ctx, n, images)) {
				return
			}
		}
	}
}

// order returns the images of an epoch's batches; those that fill no batch are left out.
func (v *views) order(epoch int) [][]int {
	all := rand.New(rand.NewPCG(uint64(v.c.Seed), uint64(epoch))).Perm(v.images.Len())
	if !v.images.Shuffled() {
		slices.Sort(all)
	}
	return slices.Collect(slices.Chunk(all[:v.Steps()*v.c.Batch], v.c.Batch))
}

// batch makes the crops of images of an epoch, valid until the next call. They depend only on the seed, the
// epoch and the images.
func (v *views) batch(ctx context.Context, epoch int, images []int) ([]*piece, error) {
	v.resize(v.c.side(epoch))
	err := data.Each(ctx, len(images), 0, func(_, i int) error { return v.image(ctx, epoch, images[i], i) })
	return v.pieces, err
}

// image makes the crops of an image, the i-th of the batch.
func (v *views) image(ctx context.Context, epoch, image, i int) error {
	scenes := make([]*data.RGB, v.images.Scenes())
	for scene := range scenes {
		var err error
		if scenes[scene], err = v.images.At(ctx, image, epoch, scene); err != nil {
			return err
		}
	}
	p := v.pieces[i/v.c.Piece]
	i %= v.c.Piece
	// One more number than for the order, so that the two never share a source.
	rng := rand.New(rand.NewPCG(uint64(v.c.Seed)+1<<32, uint64(epoch)<<32|uint64(image)))
	for view, c := range v.globals {
		c.draw(p.global.Select(0, view*p.images+i), scenes[view%len(scenes)], rng)
	}
	apart := scenes[min(globals, len(scenes)-1):] // scenes that the teacher does not see, if there are enough
	for view := range v.c.Locals {
		v.local.draw(p.local.Select(0, view*p.images+i), apart[view%len(apart)], rng)
	}
	return nil
}
