package main

import (
	"context"
	"fmt"
	"math"
	"path/filepath"

	"github.com/promptcam/promptcam/autograd"
	"github.com/promptcam/promptcam/data"
	"github.com/promptcam/promptcam/tensor"
	"github.com/promptcam/promptcam/vit"
)

// Of the vote, as DINO's eval_knn.py has it by default.
const (
	voters          = 20
	voteTemperature = 0.07
)

// neighbours tells how well features find images of the same class: each image asked about is
// given the class for which the nearest images of the bank vote.
type neighbours struct {
	transform   data.Transform
	classes     int
	bank, asked labelled
}

// labelled is images of known classes, as the network sees them but for Normalise.
type labelled struct {
	images []*data.RGB
	labels []int
}

// openNeighbours reads a folder of class folders, or CUB's layout. Where it has no test split, half
// of each class is asked about. Of each class and split the first `most` are used; 0 means all.
func openNeighbours(ctx context.Context, dir string, c vit.Config, most int, seed int64) (*neighbours, error) {
	set, err := data.Open(dir, data.Options{TestShare: 0.5, Seed: seed})
	if err != nil {
		return nil, fmt.Errorf("-knn: %w", err)
	}
	n := &neighbours{transform: data.EvalTransform(c.ImageSize, c.Mean, c.Std), classes: len(set.Classes)}
	for _, part := range []struct {
		to    *labelled
		items []data.Item
	}{{&n.bank, set.Train}, {&n.asked, set.Test}} {
		of := make([]int, n.classes)
		for _, it := range part.items {
			if of[it.Class]++; most > 0 && of[it.Class] > most {
				continue
			}
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			img, err := data.ReadImage(filepath.Join(set.Root, it.Path))
			if err != nil {
				return nil, fmt.Errorf("-knn: %w", err)
			}
			part.to.add(n.transform.Apply(img, nil), it.Class)
		}
	}
	if len(n.asked.images) == 0 {
		return nil, fmt.Errorf("-knn %s: no test images", dir)
	}
	return n, nil
}

func (l *labelled) add(img *data.RGB, label int) {
	l.images, l.labels = append(l.images, img), append(l.labels, label)
}

// accuracy returns the share of images that are given their own class, from 0 to 1: by the class
// token, and by it together with the mean of the patches.
func (n *neighbours) accuracy(ctx context.Context, b *vit.Model) (class, both float64, err error) {
	bank, err := n.features(ctx, b, n.bank.images)
	if err != nil {
		return 0, 0, err
	}
	asked, err := n.features(ctx, b, n.asked.images)
	if err != nil {
		return 0, 0, err
	}
	d := b.Config.Dim
	score := func(cols int) float64 {
		similar := asked.Slice(1, 0, cols).MatMul(bank.Slice(1, 0, cols).Transpose()) // [asked, bank]
		if cols > d {
			similar = similar.Scale(0.5) // of two rows of unit length
		}
		right := 0
		for i, label := range n.asked.labels {
			if vote(similar.Select(0, i).Data(), n.bank.labels, n.classes) == label {
				right++
			}
		}
		return float64(right) / float64(len(n.asked.labels))
	}
	return score(d), score(2 * d), nil
}

// features returns, for each image, its class token and the mean of its patches, each of unit
// length, side by side: [images, 2D].
func (n *neighbours) features(ctx context.Context, b *vit.Model, images []*data.RGB) (*tensor.Tensor, error) {
	const batch = 32
	d, c := b.Config.Dim, b.Config
	out := tensor.New(len(images), 2*d)
	pixels := tensor.New(batch, 3, c.ImageSize[0], c.ImageSize[1])
	tape := autograd.Tape{NoGrad: true}
	for from := 0; from < len(images); from += batch {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		to := min(from+batch, len(images))
		for i, img := range images[from:to] {
			n.transform.Normalise(pixels.Select(0, i).Data(), img)
		}
		x := b.Features(tape.Const(pixels.Slice(0, 0, to-from))).Value() // [B, 1+M, D]
		for i := range to - from {
			row := out.Select(0, from+i).Data()
			tokens := x.Select(0, i)
			copy(row[:d], tokens.Select(0, 0).Data())
			tensor.SumTo(tensor.FromSlice(row[d:], 1, d), tokens.Slice(0, 1, tokens.Dim(0)))
			unit(row[:d])
			unit(row[d:])
		}
		tape.Reset()
	}
	return out, nil
}

// unit scales x to length 1.
func unit(x []float32) {
	var sum float64
	for _, v := range x {
		sum += float64(float64(v) * float64(v))
	}
	length := float32(max(math.Sqrt(sum), 1e-12))
	for i := range x {
		x[i] /= length
	}
}

// vote returns the class that most of the images of the largest similarity are of, each counting
// exp(similarity / 0.07); the first of equals.
func vote(similar []float32, labels []int, classes int) int {
	nearest := make([]int, 0, voters+1) // the most similar first
	for i, s := range similar {
		if len(nearest) == voters && s <= similar[nearest[voters-1]] {
			continue
		}
		at := len(nearest)
		nearest = append(nearest, i)
		for ; at > 0 && s > similar[nearest[at-1]]; at-- {
			nearest[at], nearest[at-1] = nearest[at-1], nearest[at]
		}
		nearest = nearest[:min(len(nearest), voters)]
	}
	votes := make([]float64, classes)
	best := 0
	for _, i := range nearest {
		votes[labels[i]] += math.Exp(float64(similar[i]) / voteTemperature)
	}
	for c, v := range votes {
		if v > votes[best] {
			best = c
		}
	}
	return best
}
