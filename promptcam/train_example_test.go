package promptcam_test

import (
	"context"
	"fmt"
	"iter"
	"math/rand/v2"

	"github.com/promptcam/promptcam/autograd"
	"github.com/promptcam/promptcam/data"
	"github.com/promptcam/promptcam/nn/fit"
	"github.com/promptcam/promptcam/nn/optim"
	"github.com/promptcam/promptcam/promptcam"
	"github.com/promptcam/promptcam/tensor"
	"github.com/promptcam/promptcam/vit"
)

// tiles is a source of images in memory, in each of which one patch of 8x8 pixels has the colour of
// its class: red, green or blue.
type tiles struct {
	images *tensor.Tensor // [N, 3, 32, 32]
	labels []int
	model  *promptcam.Model // if not nil, batches have the tokens that enter its Layer
}

func newTiles(n, classes int) *tiles {
	rng := rand.New(rand.NewPCG(5, 6))
	t := &tiles{images: tensor.New(n, 3, 32, 32)}
	for i := range n {
		t.labels = append(t.labels, i%classes)
		top, left := 8*rng.IntN(4), 8*rng.IntN(4)
		for y := range 8 {
			for x := range 8 {
				t.images.Set(2, i, i%classes, top+y, left+x)
			}
		}
	}
	return t
}

func (t *tiles) Len() int     { return len(t.labels) }
func (t *tiles) Batches() int { return (len(t.labels) + 9) / 10 }

func (t *tiles) Epoch(_ context.Context, p data.Plan) iter.Seq2[*data.Batch, error] {
	return func(yield func(*data.Batch, error) bool) {
		items := make([]data.Item, len(t.labels))
		for i, label := range t.labels {
			items[i].Class = label
		}
		picks, err := p.Picks(rand.New(rand.NewPCG(1, uint64(p.Epoch))), items)
		if err != nil {
			yield(nil, err)
			return
		}
		for from := 0; from < len(picks); from += 10 {
			some := picks[from:min(from+10, len(picks))]
			b := &data.Batch{Values: tensor.New(len(some), 3, 32, 32)}
			for i, pick := range some {
				tensor.CopyTo(b.Values.Select(0, i), t.images.Select(0, pick.At))
				b.Index, b.Labels = append(b.Index, pick.At), append(b.Labels, t.labels[pick.At])
			}
			if t.model != nil {
				layer, _ := t.model.Layer()
				tape := &autograd.Tape{NoGrad: true}
				b.Kind, b.Values = data.Tokens, t.model.Backbone.Tokens(tape.Const(b.Values), layer).Value()
			}
			if !yield(b, nil) {
				return
			}
		}
	}
}

// newPromptCAM returns an untrained model on a small backbone of random weights, which is enough to tell colours
// apart.
func newPromptCAM(classes int) *promptcam.Model {
	c := vit.Config{ImageSize: [2]int{32, 32}, PatchSize: 8, Dim: 48, Depth: 3, Heads: 4, Hidden: 96, Eps: 1e-6, Std: [3]float32{1, 1, 1}}
	rng := rand.New(rand.NewPCG(1, 2))
	backbone, err := vit.New(c, rng)
	check(err)
	m, err := promptcam.New(backbone, promptcam.Config{Mode: promptcam.Last, Classes: classes, PatchesOnly: true}, rng)
	check(err)
	return m
}

func trainConfig() promptcam.TrainConfig {
	return promptcam.TrainConfig{
		Epochs: 8, Optimizer: optim.AdamW{WeightDecay: 1e-3}, Schedule: optim.Schedule{Base: 0.05, Warmup: 1}, Seed: 1,
	}
}

// train trains to the end and returns the last epoch.
func train(m *promptcam.Model, l promptcam.Batches, c promptcam.TrainConfig) promptcam.Epoch {
	var last promptcam.Epoch
	for e, err := range promptcam.Train(context.Background(), m, l, c) {
		check(err)
		last = e
	}
	return last
}

// A training that was interrupted goes on from its last checkpoint.
func ExampleTrain() {
	images, model, c := newTiles(90, 3), newPromptCAM(3), trainConfig()
	for e, err := range promptcam.Train(context.Background(), model, images, c) {
		check(err)
		if e.Number == 4 {
			c.Resume = e.Checkpoint.Clone() // or Write it to a file
			break
		}
	}
	again := newPromptCAM(3)
	last := train(again, images, c)
	fmt.Println(last.Number, "epochs; more than nine of ten right:", last.Accuracy > 0.9)
	// Output:
	// 8 epochs; more than nine of ten right: true
}

// All features of training together. Epoch.Model is the one to keep: here the average.
func ExampleTrainConfig() {
	model := newPromptCAM(3)
	images := newTiles(90, 3)
	images.model = model // CutMix needs tokens
	c := trainConfig()
	c.CutMix = promptcam.CutMix{Share: 0.5, Until: 0.5}
	c.Hard = promptcam.HardExamples{Share: 0.5, From: 0.25}
	c.Binary = promptcam.BinaryLoss{Weight: 0.1}
	c.EMA = fit.EMA{Decay: 0.9}
	e := train(model, images, c)
	result, err := e.Model.Evaluate(context.Background(), images, nil)
	check(err)
	fmt.Println("more than nine of ten right:", result.Top1 > 0.9)
	// Output:
	// more than nine of ten right: true
}

// Patches are exchanged in the first half of the epochs.
func ExampleCutMix() {
	c := trainConfig()
	c.CutMix = promptcam.CutMix{Share: 0.5, Until: 0.5}
	fmt.Println(c.Validate())
	c.CutMix.Share = 5
	fmt.Println(c.Validate())
	// Output:
	// <nil>
	// promptcam: mix 5, want a share from 0 to 1
}

// The loss of an epoch is the cross-entropy alone.
func ExampleBinaryLoss() {
	c := trainConfig()
	c.Binary = promptcam.BinaryLoss{Weight: 0.1}
	e := train(newPromptCAM(3), newTiles(90, 3), c)
	fmt.Println("more than nine of ten right:", e.Accuracy > 0.9)
	// Output:
	// more than nine of ten right: true
}

// Without EMA, the model to keep is the one in training.
func ExampleEpoch() {
	model := newPromptCAM(3)
	e := train(model, newTiles(90, 3), trainConfig())
	fmt.Println(e.Number, e.Model == model)
	// Output:
	// 8 true
}

func ExampleExtendConfig() {
	c := promptcam.DefaultExtendAlone()
	fmt.Println(c.Epochs, c.Enough)
	c.Optimizer = nil
	fmt.Println(c.Validate())
	// Output:
	// 100 0.5
	// promptcam: no optimizer
}

// A teacher that knows the labels.
func ExampleDistill() {
	c := trainConfig()
	c.Distill = promptcam.Distill{Weight: 1, Temperature: 0.5, Teacher: func(b *data.Batch) *tensor.Tensor {
		scores := tensor.New(len(b.Labels), 3)
		for i, label := range b.Labels {
			scores.Set(1, i, label)
		}
		return scores
	}}
	fmt.Println("more than nine of ten right:", train(newPromptCAM(3), newTiles(90, 3), c).Accuracy > 0.9)
	c.Distill.Teacher = nil
	fmt.Println(c.Validate())
	// Output:
	// more than nine of ten right: true
	// promptcam: distillation at temperature 0.5: want a teacher and a positive temperature
}

// The numbers by which hard examples are drawn are in the checkpoint.
func ExampleHardExamples() {
	c := trainConfig()
	c.Epochs = 1
	c.Hard = promptcam.HardExamples{Share: 0.8}
	e := train(newPromptCAM(3), newTiles(90, 3), c)
	fmt.Println(len(e.Checkpoint.Numbers["losses"]), "classes have a loss")
	// Output:
	// 3 classes have a loss
}

// Blue is added to a model that knows red and green.
func ExampleExtend() {
	model := newPromptCAM(2)
	train(model, newTiles(60, 2), trainConfig())
	images := newTiles(90, 3)
	extended, err := promptcam.Extend(context.Background(), model, images, promptcam.DefaultExtend())
	check(err)
	result, err := extended.Evaluate(context.Background(), images, nil)
	check(err)
	fmt.Println(extended.Config.Classes, "classes; more than nine of ten right:", result.Top1 > 0.9)
	// Output:
	// 3 classes; more than nine of ten right: true
}
