package promptcam

import (
	"context"
	"fmt"
	"iter"
	"math"
	"math/rand/v2"
	"time"

	"github.com/promptcam/promptcam/autograd"
	"github.com/promptcam/promptcam/data"
	"github.com/promptcam/promptcam/nn"
	"github.com/promptcam/promptcam/nn/optim"
	"github.com/promptcam/promptcam/tensor"
)

// TrainConfig says how to train.
type TrainConfig struct {
	Epochs    int
	Optimizer string  // "sgd", with momentum 0.9, or "adamw"
	LR        float32 // highest learning rate
	MinLR     float32 // the last one
	Warmup    float64 // epochs during which the rate rises from 0
	Decay     float32 // weight decay
	Seed      uint64  // of dropout

	// Start is the number of epochs already done, and Resume the optimizer's
	// State after them; the model holds its parameters. Training then ends with
	// the same bits as if it had not been interrupted. With a nil Resume the
	// optimizer starts afresh.
	Start  int
	Resume nn.Source

	// Progress, if not nil, is called after each step.
	Progress func(Step)
}

// OfficialTrain is the recipe of the authors' code for DINO ViT-B on CUB (for
// DINOv2 LR is 0.001). To it belong batches of 16, data.TrainTransform, and a
// Config with C agnostic prompts and, for DINO, PromptDropout and DropPath of
// 0.1.
func OfficialTrain() TrainConfig {
	return TrainConfig{Epochs: 130, Optimizer: "sgd", LR: 0.005, MinLR: 1e-6, Warmup: 20, Decay: 1e-3}
}

// Validate says what is wrong with c, or returns nil.
func (c TrainConfig) Validate() error {
	finite := func(x float64) bool { return x >= 0 && !math.IsInf(x, 0) }
	switch {
	case c.Optimizer != "sgd" && c.Optimizer != "adamw":
		return fmt.Errorf("promptcam: optimizer %q, want sgd or adamw", c.Optimizer)
	case c.Epochs < 1:
		return fmt.Errorf("promptcam: %d epochs, want at least 1", c.Epochs)
	case c.Start < 0 || c.Start > c.Epochs:
		return fmt.Errorf("promptcam: start at epoch %d of %d", c.Start, c.Epochs)
	case !finite(float64(c.LR)) || c.LR == 0:
		return fmt.Errorf("promptcam: learning rate %v, want a positive number", c.LR)
	case !finite(float64(c.MinLR)) || !finite(c.Warmup) || !finite(float64(c.Decay)):
		return fmt.Errorf("promptcam: least learning rate %v, warm-up %v, weight decay %v: want none negative", c.MinLR, c.Warmup, c.Decay)
	}
	return nil
}

// Step is how far training has come within an epoch.
type Step struct {
	Epoch, Done, Images int     // epoch from 1; images of it done, and in all
	Loss, Accuracy      float64 // mean over the images done; accuracy from 0 to 1
}

// Epoch is a finished one.
type Epoch struct {
	Number         int     // from 1
	Loss, Accuracy float64 // mean over the training images as they were seen; accuracy from 0 to 1
	LR             float64
	Images         int
	Time           time.Duration
	Optimizer      map[string]*tensor.Tensor // its state, for TrainConfig.Resume; valid until the next epoch
}

// Train fits the prompts and the score vector of m to the images of l, and
// yields each finished epoch; stop by leaving the loop. The first error ends
// it: a bad config or image, images or classes that are not m's, ctx's end, or
// a loss that is no longer a number. A step's bits depend on the seeds, not on
// GOMAXPROCS.
func Train(ctx context.Context, m *Model, l *data.Loader, c TrainConfig) iter.Seq2[Epoch, error] {
	return func(yield func(Epoch, error) bool) {
		opt, err := c.optimizer(m)
		if err != nil {
			yield(Epoch{}, err)
			return
		}
		tape := &autograd.Tape{}
		for n := c.Start; n < c.Epochs; n++ {
			epoch, err := c.epoch(ctx, m, l, tape, opt, n)
			if !yield(epoch, err) || err != nil {
				return
			}
		}
	}
}

func (c TrainConfig) optimizer(m *Model) (optim.Optimizer, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	var opt optim.Optimizer
	if c.Optimizer == "sgd" {
		opt = optim.NewSGD(optim.SGD{Momentum: 0.9, WeightDecay: c.Decay}, nn.Params(m))
	} else {
		a := optim.DefaultAdamW()
		a.WeightDecay = c.Decay
		opt = optim.NewAdamW(a, nn.Params(m))
	}
	if c.Resume != nil {
		if err := opt.Load(c.Resume); err != nil {
			return nil, fmt.Errorf("promptcam: resume: optimizer: %w", err)
		}
	}
	return opt, nil
}

// epoch makes one pass over the images.
func (c TrainConfig) epoch(ctx context.Context, m *Model, l *data.Loader, tape *autograd.Tape, opt optim.Optimizer, n int) (Epoch, error) {
	began := time.Now()
	rate := optim.Schedule{Base: c.LR, Min: c.MinLR, Warmup: c.Warmup, Epochs: float64(c.Epochs)}
	tape.Rand = rand.New(rand.NewPCG(c.Seed, uint64(n)))
	e := Epoch{Number: n + 1}
	var loss, right float64
	step := 0
	for batch, err := range l.Epoch(ctx, n) {
		if err != nil {
			return e, err
		}
		if err := m.accepts(batch); err != nil {
			return e, err
		}
		lr := rate.At(float64(n) + float64(step+1)/float64(l.Batches()))
		scores := m.Scores(tape.Const(batch.Images)) // [B, C]
		mean := autograd.CrossEntropy(scores, batch.Labels)
		value := float64(mean.Value().At())
		if math.IsNaN(value) || math.IsInf(value, 0) {
			return e, fmt.Errorf("promptcam: the loss of epoch %d, step %d is %v: try a learning rate below %g", n+1, step+1, value, lr)
		}
		for i, best := range scores.Value().ArgMax() {
			if best == batch.Labels[i] {
				right++
			}
		}
		opt.Step(lr, tape.Backward(mean))
		tape.Reset()
		loss += value * float64(len(batch.Labels))
		e.Images += len(batch.Labels)
		e.LR = float64(lr)
		e.Loss, e.Accuracy = loss/float64(e.Images), right/float64(e.Images)
		if step++; c.Progress != nil {
			c.Progress(Step{n + 1, e.Images, l.Len(), e.Loss, e.Accuracy})
		}
	}
	e.Time = time.Since(began)
	e.Optimizer = opt.State()
	return e, nil
}
