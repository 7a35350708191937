package run

import (
	"context"

	"github.com/promptcam/promptcam/autograd"
	"github.com/promptcam/promptcam/data"
	"github.com/promptcam/promptcam/tensor"
	"github.com/promptcam/promptcam/vit/features"
	"github.com/promptcam/promptcam/vit/probe"
)

// baselines classify by the backbone's class token alone: a linear probe, which also teaches the prompts, and
// the nearest class mean.
type baselines struct {
	teacher *probe.Teacher
	linear  *probe.Linear
	means   *probe.Means
}

// fitBaselines fits them to the images to train on, in all views.
func (t *training) fitBaselines(ctx context.Context, items []data.Item) (b *baselines, err error) {
	b = &baselines{}
	n, classes := len(items), len(t.Set.Classes)
	x := tensor.New(t.Views*n, t.Model.Backbone.Config.Dim) // [V·N, D]
	var views []*tensor.Tensor
	var labels []int
	for v := range t.Views {
		views = append(views, x.Slice(0, v*n, (v+1)*n))
		of, err := t.classTokens(ctx, items, v, views[v])
		if err != nil {
			return nil, err
		}
		labels = append(labels, of...)
	}
	if b.linear, err = probe.FitLinear(ctx, x, labels, classes, probe.DefaultPenalty); err != nil {
		return nil, err
	}
	if b.means, err = probe.FitMeans(x, labels, classes); err != nil {
		return nil, err
	}
	b.teacher, err = probe.NewTeacher(b.linear, views...)
	return b, err
}

// classTokens writes the features of one view of each item to dst [N, D] and returns their classes.
func (t *training) classTokens(ctx context.Context, items []data.Item, view int, dst *tensor.Tensor) (labels []int, err error) {
	layer, _ := t.Model.Layer()
	l, err := t.images.cache.Loader(items, features.LoaderConfig{First: view, Views: 1, Batch: 32})
	if err != nil {
		return nil, err
	}
	show := t.Observer.count("class tokens", l.Len())
	tape := &autograd.Tape{NoGrad: true, Context: ctx}
	for batch, err := range l.Epoch(ctx, data.Plan{}) {
		if err != nil {
			return nil, err
		}
		x := probe.Features(t.Model.Backbone, layer, tape.Const(batch.Values)).Value() // [B, D]
		if err := tape.Err(); err != nil {
			return nil, err
		}
		done := len(labels)
		labels = append(labels, batch.Labels...)
		tensor.CopyTo(dst.Slice(0, done, len(labels)), x)
		tape.Reset()
		show(len(labels))
	}
	return labels, nil
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
	Name     string // in metrics.json
	Title    string
	Accuracy Accuracy
}

// testBaselines evaluates the baselines.
func (t *training) testBaselines(ctx context.Context) ([]Baseline, error) {
	x := tensor.New(len(t.Set.Test), t.Model.Backbone.Config.Dim)
	labels, err := t.classTokens(ctx, t.Set.Test, 0, x)
	if err != nil {
		return nil, err
	}
	score := func(name, title string, s *tensor.Tensor) Baseline {
		top1, top5 := probe.Accuracy(s, labels)
		return Baseline{name, title, accuracy(top1, top5, len(labels))}
	}
	return []Baseline{
		score("linear_probe", "linear probe on the class token", t.baselines.linear.Scores(x)),
		score("nearest_mean", "nearest class mean of the class token", t.baselines.means.Scores(x)),
	}, nil
}
