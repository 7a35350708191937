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

	// Distill is the weight of the distance to the scores of a teacher, beside that of
	// the labels, which is 1; see autograd.Distill. Teacher returns its scores [B, C] of
	// a batch, valid until the next; Temperature is by which both sides' standardised
	// scores are divided, such as 2: the higher, the more the classes that the teacher
	// does not favour count. A Distill of 0 needs neither. Not in the paper.
	Distill     float32
	Temperature float32
	Teacher     func(*data.Batch) *tensor.Tensor

	// Binary is the weight of the binary cross-entropy, beside that of the cross-entropy, which is
	// 1; see autograd.BinaryCrossEntropy. With softmax alone it is enough that the prompt of one of two
	// look-alikes sees what tells them apart, and the other's map shows nothing of it; with Binary each
	// must see for itself. Not in the paper.
	Binary float32

	// Mix is the share of steps in which each image is given a random share of another's
	// patches, and its loss is divided likewise between both images' labels, and the
	// teacher's scores of both. It needs tokens in place of images. MixUntil, if not 0, is the
	// share of the epochs after which images stay whole: first prompts learn where to look, since
	// what surrounds a trait may be another image's, then what is seldom seen. Not in the paper.
	Mix      float32
	MixUntil float64

	// Hard is the share of an epoch, less than 1, in which images are seen in proportion to the mean
	// cross-entropy of their classes, Epoch.Losses; in the rest all are seen alike. Two classes that
	// differ in one small trait, which are all that is left to learn in the end, are then most of
	// what training sees. At 1 a class without a loss would not be seen again, whatever became of
	// it. HardFrom is the share of the epochs after which Hard begins: before,
	// each image is seen once. Not in the paper; after Loshchilov and Hutter, "Online Batch
	// Selection" (arXiv 1511.06343), who choose single images, by the ranks of their losses.
	Hard     float32
	HardFrom float64

	// Average, if not 0, has Epoch.Model be the moving mean of the parameters, with this
	// decay in each step, such as 0.99; in step t, from 0, at most (1+t)/(10+t).
	Average float32

	// Start is the number of epochs already done, and Resume the optimizer's
	// State after them; the model holds its parameters. Training then ends with
	// the same bits as if it had not been interrupted. With a nil Resume the
	// optimizer starts afresh. With Average, ResumeAverage is Epoch.Model's Tensors
	// after them; with nil the mean starts afresh. With Hard, ResumeLosses is Epoch.Losses; with nil
	// all classes are as hard as to a guess.
	Start         int
	Resume        nn.Source
	ResumeAverage nn.Source
	ResumeLosses  []float64

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
	case c.MinLR > c.LR:
		return fmt.Errorf("promptcam: last learning rate %v, want at most the highest, %v", c.MinLR, c.LR)
	case !finite(float64(c.MinLR)) || !finite(c.Warmup) || !finite(float64(c.Decay)):
		return fmt.Errorf("promptcam: last learning rate %v, warm-up %v, weight decay %v: want none negative", c.MinLR, c.Warmup, c.Decay)
	case !finite(float64(c.Distill)):
		return fmt.Errorf("promptcam: distillation of weight %v, want at least 0", c.Distill)
	case c.Distill > 0 && (c.Teacher == nil || c.Temperature == 0 || !finite(float64(c.Temperature))):
		return fmt.Errorf("promptcam: distillation at temperature %v: want a teacher and a positive temperature", c.Temperature)
	case !finite(float64(c.Binary)):
		return fmt.Errorf("promptcam: binary cross-entropy of weight %v, want at least 0", c.Binary)
	case !(c.Mix >= 0 && c.Mix <= 1):
		return fmt.Errorf("promptcam: mix %v, want a share from 0 to 1", c.Mix)
	case !(c.MixUntil >= 0 && c.MixUntil <= 1):
		return fmt.Errorf("promptcam: mix until %v, want a share from 0 to 1", c.MixUntil)
	case !(c.Hard >= 0 && c.Hard < 1):
		return fmt.Errorf("promptcam: hard %v, want at least 0 and less than 1", c.Hard)
	case !(c.HardFrom >= 0 && c.HardFrom <= 1):
		return fmt.Errorf("promptcam: hard from %v, want a share from 0 to 1", c.HardFrom)
	case !(c.Average >= 0 && c.Average < 1):
		return fmt.Errorf("promptcam: average with decay %v, want at least 0 and less than 1", c.Average)
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
	Loss, Accuracy float64 // mean over the training images as they were seen, with Hard mostly the hard ones; cross-entropy alone; accuracy from 0 to 1
	LR             float64
	Images         int
	Time           time.Duration
	Optimizer      map[string]*tensor.Tensor // its state, for TrainConfig.Resume; valid until the next epoch

	// Losses [C] are each class's mean cross-entropy over its images that were not mixed, in the
	// last epoch that had any; log C, a guess's, before. Valid until the next epoch.
	Losses []float64

	// Model is what to evaluate and to save: the one in training or, with
	// TrainConfig.Average, the mean, whose Tensors are for ResumeAverage. It is valid
	// until the next epoch.
	Model *Model
}

// Train fits the prompts and the score vector of m to the images of l, or their tokens,
// and yields each finished epoch; stop by leaving the loop. The first error ends
// it: a bad config or image, images, tokens or classes that are not m's, ctx's end, or
// a loss that is no longer a number. A step's bits depend on the seeds, not on
// GOMAXPROCS.
func Train(ctx context.Context, m *Model, l Batches, c TrainConfig) iter.Seq2[Epoch, error] {
	return func(yield func(Epoch, error) bool) {
		t, err := c.training(m, l)
		if err != nil {
			yield(Epoch{}, err)
			return
		}
		for n := c.Start; n < c.Epochs; n++ {
			epoch, err := t.epoch(ctx, n)
			if !yield(epoch, err) || err != nil {
				return
			}
		}
	}
}

// training is what Train works with.
type training struct {
	TrainConfig
	model   *Model
	batches Batches
	opt     optim.Optimizer
	mean    *average // nil without Average
	tape    autograd.Tape
	mix     mixture
	hard    *hardness
}

func (c TrainConfig) training(m *Model, l Batches) (*training, error) {
	opt, err := c.optimizer(m)
	if err != nil {
		return nil, err
	}
	t := &training{TrainConfig: c, model: m, batches: l, opt: opt, hard: newHardness(m.Config.Classes)}
	if c.ResumeLosses != nil {
		if got, want := len(c.ResumeLosses), m.Config.Classes; got != want {
			return nil, fmt.Errorf("promptcam: resume: losses of %d classes, want %d", got, want)
		}
		for i, loss := range c.ResumeLosses {
			if !(loss >= 0) || math.IsInf(loss, 0) {
				return nil, fmt.Errorf("promptcam: resume: class %d has a loss of %v, want a number that is not negative", i, loss)
			}
		}
		copy(t.hard.losses, c.ResumeLosses)
	}
	if c.Average > 0 {
		t.mean, err = c.average(m)
	}
	return t, err
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
func (t *training) epoch(ctx context.Context, n int) (Epoch, error) {
	began := time.Now()
	rate := optim.Schedule{Base: t.LR, Min: t.MinLR, Warmup: t.Warmup, Epochs: float64(t.Epochs)}
	t.tape.Rand = rand.New(rand.NewPCG(t.Seed, uint64(n)))
	e := Epoch{Number: n + 1, Model: t.model}
	var loss, right float64
	step := 0
	for batch, err := range t.images(ctx, n) {
		if err != nil {
			return e, err
		}
		if err := t.model.accepts(batch); err != nil {
			return e, err
		}
		lr := rate.At(float64(n) + float64(step+1)/float64(t.batches.Batches()))
		mix, err := t.mixed(n, batch)
		if err != nil {
			return e, err
		}
		var scores *autograd.Var // [B, C]
		if mix == nil {
			scores = t.model.scoresOf(&t.tape, batch)
			t.hard.add(scores.Value(), batch.Labels)
		} else {
			scores = t.model.ScoresOf(t.tape.Const(mix.tokens))
		}
		mean := labelled(autograd.CrossEntropy, scores, batch, mix)
		total := t.distilled(t.binary(mean, scores, batch, mix), scores, batch, mix)
		if value := float64(total.Value().At()); math.IsNaN(value) || math.IsInf(value, 0) {
			return e, fmt.Errorf("promptcam: the loss of epoch %d, step %d is %v: try a learning rate below %g", n+1, step+1, value, lr)
		}
		for i, best := range scores.Value().ArgMax() {
			if best == batch.Labels[i] {
				right++
			}
		}
		loss += float64(mean.Value().At()) * float64(len(batch.Labels))
		t.opt.Step(lr, t.tape.Backward(total))
		t.tape.Reset()
		if t.mean != nil {
			t.mean.add(n*t.batches.Batches() + step)
		}
		e.Images += len(batch.Labels)
		e.LR = float64(lr)
		e.Loss, e.Accuracy = loss/float64(e.Images), right/float64(e.Images)
		if step++; t.Progress != nil {
			t.Progress(Step{n + 1, e.Images, t.batches.Len(), e.Loss, e.Accuracy})
		}
	}
	t.hard.end()
	e.Losses = t.hard.losses
	e.Time = time.Since(began)
	e.Optimizer = t.opt.State()
	if t.mean != nil {
		e.Model = t.mean.model
	}
	return e, nil
}

// images returns the batches of epoch n.
func (t *training) images(ctx context.Context, n int) iter.Seq2[*data.Batch, error] {
	p := data.Plan{Epoch: n}
	if t.Hard > 0 && float64(n) >= t.HardFrom*float64(t.Epochs) {
		p.Weights, p.Share = t.hard.losses, float64(t.Hard)
	}
	return t.batches.Epoch(ctx, p)
}

// mixed returns a mixture of the images of a batch of epoch n, or nil in a step without.
func (t *training) mixed(n int, b *data.Batch) (*mixture, error) {
	over := t.MixUntil > 0 && float64(n) >= t.MixUntil*float64(t.Epochs)
	if t.Mix == 0 || over || t.tape.Rand.Float32() >= t.Mix {
		return nil, nil
	}
	if b.Kind != data.Tokens {
		return nil, fmt.Errorf("promptcam: mix %v: the loader has images, want tokens", t.Mix)
	}
	t.mix.draw(t.tape.Rand, b, t.model.patches())
	return &t.mix, nil
}

// labelled returns a loss by the images' labels.
func labelled(loss func(scores *autograd.Var, labels []int) *autograd.Var, scores *autograd.Var, b *data.Batch, mix *mixture) *autograd.Var {
	own := loss(scores, b.Labels)
	if mix == nil {
		return own
	}
	return autograd.Add(weighted(mix.own, own), weighted(1-mix.own, loss(scores, mix.labels)))
}

// binary adds to the loss how far each class's score is from telling it from all others.
func (t *training) binary(loss, scores *autograd.Var, b *data.Batch, mix *mixture) *autograd.Var {
	if t.Binary == 0 {
		return loss
	}
	return autograd.Add(loss, weighted(t.Binary, labelled(autograd.BinaryCrossEntropy, scores, b, mix)))
}

// distilled adds to the loss how far scores are from the teacher's.
func (t *training) distilled(loss, scores *autograd.Var, b *data.Batch, mix *mixture) *autograd.Var {
	if t.Distill == 0 {
		return loss
	}
	teacher := t.Teacher(b)
	if mix != nil {
		teacher = mix.of(teacher)
	}
	return autograd.Add(loss, weighted(t.Distill, autograd.Distill(scores, teacher, t.Temperature)))
}

// weighted returns w times a loss.
func weighted(w float32, loss *autograd.Var) *autograd.Var {
	return autograd.Mul(loss, loss.Tape().Const(tensor.New().Fill(w)))
}
