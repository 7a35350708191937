package pretrained_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/promptcam/promptcam/autograd"
	"github.com/promptcam/promptcam/data"
	"github.com/promptcam/promptcam/data/birds"
	"github.com/promptcam/promptcam/tensor"
	"github.com/promptcam/promptcam/vit/pretrained"
	"github.com/promptcam/promptcam/vit/probe"
)

// features returns the class tokens [N, D] of so many birds of each species, and the species.
func features(each int, seed uint64) (*tensor.Tensor, []int) {
	b := pretrained.Birds()
	c := birds.DefaultConfig()
	c.Seed, c.Train, c.Test = seed, each, 0
	t := data.EvalTransform(b.Config.ImageSize, b.Config.Mean, b.Config.Std)
	all := tensor.New(len(c.Species)*each, b.Config.Dim)
	var labels []int
	tape := &autograd.Tape{NoGrad: true}
	for s := range c.Species {
		x := tensor.New(each, 3, t.Height, t.Width)
		for i := range each {
			t.Normalise(x.Select(0, i).Data(), t.Apply(c.Draw(s, i).RGB, nil))
			labels = append(labels, s)
		}
		tokens := b.Tokens(tape.Const(x), b.Config.Depth)
		tensor.CopyTo(all.Slice(0, s*each, (s+1)*each), probe.Features(b, b.Config.Depth, tokens).Value())
		tape.Reset()
	}
	return all, labels
}

// It was told of no species, and tells all 24 of them from each other.
func TestBirdsAreToldApart(t *testing.T) {
	x, labels := features(8, 1)
	means, err := probe.FitMeans(x, labels, 24)
	require.NoError(t, err)
	y, truth := features(4, 2)
	top1, _ := probe.Accuracy(means.Scores(y), truth)
	assert.Greater(t, top1, 0.9)
}

func ExampleBirds() {
	b := pretrained.Birds()
	rows, columns := b.Config.Grid()
	fmt.Println(b.Config.ImageSize, "pixels,", rows, "x", columns, "patches")
	// Output: [96 96] pixels, 12 x 12 patches
}
