package promptcam

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"

	"github.com/promptcam/promptcam/autograd"
	"github.com/promptcam/promptcam/data"
	"github.com/promptcam/promptcam/nn"
	"github.com/promptcam/promptcam/nn/fit"
	"github.com/promptcam/promptcam/nn/optim"
)

// TrainConfig configures Train. Zero features are off; none of them is in the paper.
type TrainConfig struct {
	Epochs    int
	Optimizer optim.Config
	Schedule  optim.Schedule // of the learning rate; Epochs 0 means those above
	Seed      uint64         // of dropout and CutMix

	Distill Distill
	Binary  BinaryLoss
	Needed  NeededMaps
	CutMix  CutMix
	Hard    HardExamples
	EMA     fit.EMA

	// Resume is the Epoch.Checkpoint to go on from, to the same bits as without interruption.
	Resume *fit.Checkpoint

	// Progress, if not nil, is called after each step.
	Progress func(fit.Step)
}

// OfficialTrain returns the recipe of the authors' code for DINO ViT-B on CUB (for DINOv2 the base learning
// rate is 0.001). It goes with batches of 16, data.TrainTransform, and a Config with C agnostic prompts and,
// for DINO, PromptDropout and DropPath of 0.1.
func OfficialTrain() TrainConfig {
	return TrainConfig{
		Epochs: 130, Optimizer: optim.SGD{Momentum: 0.9, WeightDecay: 1e-3},
		Schedule: optim.Schedule{Base: 0.005, Min: 1e-6, Warmup: 20},
	}
}

// Validate returns the first error in c.
func (c TrainConfig) Validate() error {
	if c.Optimizer == nil {
		return errors.New("promptcam: no optimizer")
	}
	return cmp.Or(c.loop().Validate(), c.Optimizer.Validate(), c.Distill.Validate(), c.Binary.Validate(), c.Needed.Validate(), c.CutMix.Validate(),
		c.Hard.Validate(), c.EMA.Validate())
}

// loop returns the part of c that package fit knows.
func (c TrainConfig) loop() fit.Config {
	return fit.Config{Epochs: c.Epochs, Schedule: c.Schedule, Resume: c.Resume, Progress: c.Progress}
}

// Epoch is a finished epoch of Train. Its loss is the cross-entropy alone; loss and accuracy are of the
// images drawn, with HardExamples mostly hard ones. Its Checkpoint has the tensor sets model, optimizer and,
// with EMA, average, and the Numbers losses [C]: each class's mean cross-entropy in the last epoch that had
// unmixed images of it, at first that of a uniform guess, log C.
type Epoch struct {
	fit.Epoch

	// Model is the one to evaluate and save: in training or, with EMA, the average. It is valid until the
	// next epoch.
	Model *Model
}

// Train fits the prompts, the score vector and the adapters of m to the images of l, or their tokens, and
// yields each finished epoch; leaving the loop stops it. The first error ends it: an invalid config, a batch
// or class that does not fit m, ctx, a loss that is NaN or infinite. The bits depend on the seeds, not on
// GOMAXPROCS.
func Train(ctx context.Context, m *Model, l Batches, c TrainConfig) iter.Seq2[Epoch, error] {
	return func(yield func(Epoch, error) bool) {
		if err := c.Validate(); err != nil {
			yield(Epoch{}, err)
			return
		}
		m.Reference, m.Conformal = nil, nil // of the prompts as they were
		t := c.training(m, nn.Params(m), l)
		for e, err := range fit.Run(ctx, c.loop(), t) {
			if !yield(Epoch{e, t.evaluated}, err) {
				return
			}
		}
	}
}

// training is the fit.Task of Train and Extend.
type training struct {
	TrainConfig
	model     *Model
	evaluated *Model // with EMA the average, otherwise model
	batches   Batches
	trained   func(b *data.Batch, classes []int) (scores, blurred *autograd.Var) // Model.trained, of unmixed images
	optimizer optim.Optimizer
	tape      autograd.Tape
	average   *fit.Average // nil without EMA
	mix       mixture
	hardness  *hardness
}

// training prepares the training of params, parameters of m.
func (c TrainConfig) training(m *Model, params iter.Seq2[string, *autograd.Param], l Batches) *training {
	t := &training{
		TrainConfig: c, model: m, evaluated: m, batches: l, optimizer: c.Optimizer.New(params), hardness: newHardness(m.Config.Classes),
	}
	t.trained = func(b *data.Batch, classes []int) (scores, blurred *autograd.Var) {
		return m.trained(&t.tape, b, classes)
	}
	if c.EMA.Decay > 0 {
		t.evaluated = parameters(m.Backbone, m.Config, m.first)
		t.evaluated.Classes, t.evaluated.Transform = m.Classes, m.Transform
		t.average = c.EMA.New(nn.State(m), nn.State(t.evaluated))
	}
	return t
}

func (t *training) Images() int { return t.batches.Len() }
func (t *training) Steps() int  { return t.batches.Batches() }

func (t *training) Save(c *fit.Checkpoint) {
	c.Put("model", nn.State(t.model))
	c.Put("optimizer", t.optimizer.State())
	c.Numbers["losses"] = t.hardness.losses
	if t.average != nil {
		c.Put("average", nn.State(t.evaluated))
	}
}

func (t *training) Load(c *fit.Checkpoint) error {
	what, err := "", t.hardness.load(c.Numbers["losses"])
	if err == nil && t.average != nil {
		what, err = "average: ", nn.Load(t.evaluated, c.Set("average"))
	}
	if err == nil {
		what, err = "model: ", nn.Load(t.model, c.Set("model"))
	}
	if err == nil {
		what, err = "optimizer: ", t.optimizer.State().Load(c.Set("optimizer"))
	}
	if err != nil {
		return fmt.Errorf("promptcam: resume: %s%w", what, err)
	}
	return nil
}

func (t *training) Epoch(ctx context.Context, n int) iter.Seq2[*data.Batch, error] {
	plan := data.Plan{Epoch: n}
	if t.Hard.in(n, t.Epochs) {
		plan.Weights, plan.Share = t.hardness.losses, float64(float32(t.Hard.Share))
	}
	return func(yield func(*data.Batch, error) bool) {
		t.tape.Rand, t.tape.Context = rand.New(rand.NewPCG(t.Seed, uint64(n))), ctx
		for batch, err := range t.model.accepted(ctx, t.batches, plan) {
			if !yield(batch, err) {
				return
			}
		}
		t.hardness.end()
	}
}

func (t *training) Learn(batch *data.Batch, at fit.Moment) (fit.Told, error) {
	mix, err := t.mixed(batch, at.Epoch)
	if err != nil {
		return fit.Told{}, err
	}
	classes := t.Needed.classes(batch, mix)
	var scores, blurred *autograd.Var // [B, C] and, of these classes, [B, n]
	if mix == nil {
		scores, blurred = t.trained(batch, classes)
		t.hardness.add(scores.Value(), batch.Labels)
	} else {
		scores, blurred = t.model.trained(&t.tape, &data.Batch{Kind: data.Tokens, Values: mix.tokens}, classes)
	}
	loss := labelled(autograd.CrossEntropy, scores, batch, mix)
	total, err := t.total(loss, scores, blurred, batch, mix)
	if err != nil {
		return fit.Told{}, err
	}
	if err := at.Check("loss", float64(total.Value().At())); err != nil {
		return fit.Told{}, fmt.Errorf("promptcam: %w", err)
	}
	grads := t.tape.Backward(total)
	if err := t.tape.Err(); err != nil {
		return fit.Told{}, err
	}
	told := fit.Told{Images: len(batch.Labels), Loss: float64(loss.Value().At())}
	for i, best := range scores.Value().ArgMax() {
		if best == batch.Labels[i] {
			told.Right++
		}
	}
	t.optimizer.Step(at.LR, grads)
	t.tape.Reset()
	if t.average != nil {
		t.average.Add(at.Index())
	}
	return told, nil
}

// mixed returns a mixture of the images of a batch, or nil in a step without CutMix.
func (t *training) mixed(b *data.Batch, epoch int) (*mixture, error) {
	if !t.CutMix.in(epoch, t.Epochs) || t.tape.Rand.Float32() >= float32(t.CutMix.Share) {
		return nil, nil
	}
	if b.Kind != data.Tokens {
		return nil, fmt.Errorf("promptcam: CutMix in %v of the steps: the loader has images, want tokens", t.CutMix.Share)
	}
	t.mix.draw(t.tape.Rand, b, t.model.patches())
	return &t.mix, nil
}
