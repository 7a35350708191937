package run

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
	teacher *probe.Teacher
	linear  *probe.Linear
	means   *probe.Means
}

// fitBaselines fits them to the images to train on, in all views.
func (t *training) fitBaselines(ctx context.Context, items []data.Item) (*baselines, error) {
	b := &baselines{}
	classes := len(t.Set.Classes)
	x := tensor.New(t.Views*len(items), t.model.Backbone.Config.Dim) // [V·N, D]
	var views []*tensor.Tensor
	var labels []int
	for v := range t.Views {
		rows := x.Slice(0, v*len(items), (v+1)*len(items))
		if err := t.classTokens(ctx, items, v, rows); err != nil {
			return nil, err
		}
		views, labels = append(views, rows), append(labels, classesOf(items)...)
	}
	var err error
	if b.linear, err = probe.FitLinear(ctx, x, labels, classes, probe.DefaultPenalty); err != nil {
		return nil, err
	}
	if b.means, err = probe.FitMeans(x, labels, classes); err != nil {
		return nil, err
	}
	b.teacher, err = probe.NewTeacher(b.linear, views...)
	return b, err
}

func classesOf(items []data.Item) []int {
	labels := make([]int, len(items))
	for i, it := range items {
		labels[i] = it.Class
	}
	return labels
}

// classTokens writes the features of one view of each item to dst [N, D].
func (t *training) classTokens(ctx context.Context, items []data.Item, view int, dst *tensor.Tensor) error {
	layer, _ := t.model.Layer()
	l, err := t.images.cache.Loader(items, features.LoaderConfig{First: view, Views: 1, Batch: 32})
	if err != nil {
		return err
	}
	show := t.Observer.meter(l.Len()).part("class tokens", l.Len())
	tape := &autograd.Tape{NoGrad: true}
	done := 0
	for batch, err := range l.Epoch(ctx, data.Plan{}) {
		if err != nil {
			return err
		}
		x := probe.Features(t.model.Backbone, layer, tape.Const(batch.Values)).Value() // [B, D]
		tensor.CopyTo(dst.Slice(0, done, done+len(batch.Index)), x)
		tape.Reset()
		done += len(batch.Index)
		show(done)
	}
	return nil
}

// teach returns the linear probe's scores of a batch.
func (b *baselines) teach(batch *data.Batch) *tensor.Tensor {
	scores, err := b.teacher.Scores(batch.Index, batch.View) // [B, C]
	if err != nil {
		panic(err) // the loader has other images than the teacher
	}
	return scores
}

// Baseline is what a simpler classifier reaches on the test images, in percent.
type Baseline struct {
	Name  string // in metrics.json
	Title string
	Accuracy
}

// testBaselines evaluates the baselines.
func (t *training) testBaselines(ctx context.Context, b *baselines) ([]Baseline, error) {
	items := t.Set.Test
	x := tensor.New(len(items), t.model.Backbone.Config.Dim)
	if err := t.classTokens(ctx, items, 0, x); err != nil {
		return nil, err
	}
	score := func(name, title string, s *tensor.Tensor) Baseline {
		top1, top5 := probe.Accuracy(s, classesOf(items))
		return Baseline{name, title, accuracy(top1, top5, len(items))}
	}
	return []Baseline{
		score("linear_probe", "linear probe on the class token", b.linear.Scores(x)),
		score("nearest_mean", "nearest class mean of the class token", b.means.Scores(x)),
	}, nil
}
