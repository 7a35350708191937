package main

import (
	"context"

	"github.com/promptcam/promptcam/autograd"
	"github.com/promptcam/promptcam/data"
	"github.com/promptcam/promptcam/tensor"
	"github.com/promptcam/promptcam/vit/features"
	"github.com/promptcam/promptcam/vit/probe"
)

// baselines are what the backbone's class token alone is good for: a linear probe, which also
// teaches the prompts, and the nearest class mean.
type baselines struct {
	train  []*tensor.Tensor // of each view, [N, D]
	linear *probe.Linear
	means  *probe.Means
}

// fitBaselines fits them to the images to train on, in all views.
func (t *training) fitBaselines(ctx context.Context, items []data.Item) (*baselines, error) {
	b := &baselines{}
	classes := len(t.set.Classes)
	d := t.model.Backbone.Config.Dim
	x := tensor.New(t.Views*len(items), d)
	var labels []int
	for v := range t.Views {
		rows, err := t.classTokens(ctx, items, v, x.Slice(0, v*len(items), (v+1)*len(items)))
		if err != nil {
			return nil, err
		}
		b.train = append(b.train, rows)
		for _, it := range items {
			labels = append(labels, it.Class)
		}
	}
	var err error
	if b.linear, err = probe.FitLinear(ctx, x, labels, classes, probe.DefaultPenalty); err != nil {
		return nil, err
	}
	b.means, err = probe.FitMeans(x, labels, classes)
	return b, err
}

// classTokens writes the features of one view of each item to dst [N, D], which it returns.
func (t *training) classTokens(ctx context.Context, items []data.Item, view int, dst *tensor.Tensor) (*tensor.Tensor, error) {
	layer, _ := t.model.Layer()
	l, err := t.images.features.Loader(items, features.LoaderConfig{First: view, Views: 1, Batch: 32})
	if err != nil {
		return nil, err
	}
	m := t.c.meter(l.Len())
	tape := &autograd.Tape{NoGrad: true}
	done := 0
	for batch, err := range l.Epoch(ctx, data.Plan{}) {
		if err != nil {
			return nil, err
		}
		x := probe.Features(t.model.Backbone, layer, tape.Const(batch.Values)).Value() // [B, D]
		tensor.CopyTo(dst.Slice(0, done, done+len(batch.Index)), x)
		tape.Reset()
		done += len(batch.Index)
		m.show("class tokens", done, l.Len(), "")
	}
	return dst, nil
}

// teach returns the linear probe's scores of a batch.
func (b *baselines) teach(batch *data.Batch) *tensor.Tensor {
	x := tensor.New(len(batch.Index), b.train[0].Dim(1))
	for i, at := range batch.Index {
		tensor.CopyTo(x.Slice(0, i, i+1), b.train[batch.View[i]].Slice(0, at, at+1))
	}
	return b.linear.Scores(x) // [B, C]
}

// baselineScore is what a baseline reaches on the test images, in percent.
type baselineScore struct {
	accuracy
	name string // in metrics.json
}

func (b baselineScore) title() string {
	return map[string]string{"linear_probe": "linear probe on the class token", "nearest_mean": "nearest class mean of the class token"}[b.name]
}

// testBaselines evaluates the baselines.
func (t *training) testBaselines(ctx context.Context, b *baselines) ([]baselineScore, error) {
	items := t.set.Test
	x, err := t.classTokens(ctx, items, 0, tensor.New(len(items), t.model.Backbone.Config.Dim))
	if err != nil {
		return nil, err
	}
	var labels []int
	for _, it := range items {
		labels = append(labels, it.Class)
	}
	score := func(name string, s *tensor.Tensor) baselineScore {
		top1, top5 := probe.Accuracy(s, labels)
		return baselineScore{accuracy{100 * top1, 100 * top5}, name}
	}
	return []baselineScore{score("linear_probe", b.linear.Scores(x)), score("nearest_mean", b.means.Scores(x))}, nil
}
