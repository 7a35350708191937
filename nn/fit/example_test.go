package fit_test

import (
	"context"
	"fmt"
	"iter"
	"math/rand/v2"
	"os"
	"path/filepath"

	"github.com/promptcam/promptcam/autograd"
	"github.com/promptcam/promptcam/nn"
	"github.com/promptcam/promptcam/nn/fit"
	"github.com/promptcam/promptcam/nn/optim"
	"github.com/promptcam/promptcam/tensor"
	"github.com/promptcam/promptcam/tensor/checkpoint"
)

// points is a fit.Task: it tells points of the plane apart by a line. A batch is the numbers of its
// points.
type points struct {
	at     *tensor.Tensor // [N, 2]
	labels []int
	model  *nn.Linear
	opt    optim.Optimizer
	tape   autograd.Tape
}

// newPoints draws n points, labelled by whether their coordinates sum to more than 0.
func newPoints(n int) *points {
	rng := rand.New(rand.NewPCG(1, 2))
	p := &points{at: tensor.New(n, 2), labels: make([]int, n), model: nn.NewLinear(2, 2)}
	nn.Normal(rng, &autograd.Param{Value: p.at}, 1)
	for i := range p.labels {
		if p.at.At(i, 0)+p.at.At(i, 1) > 0 {
			p.labels[i] = 1
		}
	}
	nn.KaimingUniform(rng, p.model.Weight, p.model.Bias)
	p.opt = optim.AdamW{WeightDecay: 0.01}.New(nn.Params(p.model))
	return p
}

func (p *points) Images() int { return len(p.labels) }
func (p *points) Steps() int  { return len(p.labels) / 10 }

func (p *points) Epoch(_ context.Context, n int) iter.Seq2[[]int, error] {
	order := rand.New(rand.NewPCG(3, uint64(n))).Perm(len(p.labels))
	return func(yield func([]int, error) bool) {
		for from := 0; from < len(order) && yield(order[from:from+10], nil); from += 10 {
		}
	}
}

func (p *points) Learn(batch []int, at fit.Moment) (fit.Told, error) {
	told := fit.Told{Images: len(batch)}
	x, labels := tensor.New(len(batch), 2), make([]int, len(batch))
	for i, j := range batch {
		tensor.CopyTo(x.Select(0, i), p.at.Select(0, j))
		labels[i] = p.labels[j]
	}
	scores := p.model.Forward(p.tape.Const(x))
	loss := autograd.CrossEntropy(scores, labels)
	told.Loss = float64(loss.Value().At())
	if err := at.Check("loss", told.Loss); err != nil {
		return told, err
	}
	for i, best := range scores.Value().ArgMax() {
		if best == labels[i] {
			told.Right++
		}
	}
	p.opt.Step(at.LR, p.tape.Backward(loss))
	p.tape.Reset()
	return told, nil
}

func (p *points) Save(c *fit.Checkpoint) {
	c.Put("model", nn.State(p.model))
	c.Put("optimizer", p.opt.State())
}

func (p *points) Load(c *fit.Checkpoint) error {
	if err := nn.Load(p.model, c.Set("model")); err != nil {
		return err
	}
	return p.opt.State().Load(c.Set("optimizer"))
}

func ExampleRun() {
	c := fit.Config{Epochs: 5, Schedule: optim.Schedule{Base: 0.3, Warmup: 1}}
	for e, err := range fit.Run(context.Background(), c, newPoints(200)) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("epoch %d: loss %.2f, accuracy %.0f %%, rate %.2f\n", e.Number, e.Loss, 100*e.Accuracy, e.LR)
	}
	// Output:
	// epoch 1: loss 0.31, accuracy 89 %, rate 0.30
	// epoch 2: loss 0.10, accuracy 98 %, rate 0.26
	// epoch 3: loss 0.07, accuracy 98 %, rate 0.15
	// epoch 4: loss 0.07, accuracy 99 %, rate 0.04
	// epoch 5: loss 0.07, accuracy 99 %, rate 0.00
}

// A run that was stopped after two epochs goes on from the file that it left.
func ExampleCheckpoint() {
	dir, err := os.MkdirTemp("", "fit")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "state.safetensors")
	c := fit.Config{Epochs: 5, Schedule: optim.Schedule{Base: 0.3, Warmup: 1}}
	for e, err := range fit.Run(context.Background(), c, newPoints(200)) {
		if err != nil {
			fmt.Println(err)
			return
		}
		file, err := os.Create(path)
		if err != nil {
			fmt.Println(err)
			return
		}
		err = e.Checkpoint.Write(file, map[string]string{"run": "my own words"})
		file.Close()
		if err != nil {
			fmt.Println(err)
			return
		}
		if e.Number == 2 {
			break
		}
	}

	f, err := checkpoint.Open(path)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer f.Close()
	if c.Resume, err = fit.Read(f); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(f.Metadata()["run"], c.Resume.Tensors.Names())
	for e, err := range fit.Run(context.Background(), c, newPoints(200)) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("epoch %d: loss %.2f\n", e.Number, e.Loss)
	}
	// Output:
	// my own words [model.bias model.weight optimizer.bias.exp_avg optimizer.bias.exp_avg_sq optimizer.step optimizer.weight.exp_avg optimizer.weight.exp_avg_sq]
	// epoch 3: loss 0.07
	// epoch 4: loss 0.07
	// epoch 5: loss 0.07
}

func ExampleEMA() {
	weight, mean := tensor.New(1), tensor.New(1)
	average := fit.EMA{Decay: 0.5}.New(map[string]*tensor.Tensor{"w": weight}, map[string]*tensor.Tensor{"w": mean})
	for step := range 4 {
		weight.Fill(float32(step + 1)) // what an optimizer does
		average.Add(step)
		fmt.Printf("%g, on average %.2f\n", weight.At(0), mean.At(0))
	}
	// Output:
	// 1, on average 0.90
	// 2, on average 1.80
	// 3, on average 2.70
	// 4, on average 3.60
}

func ExampleHistory_Series() {
	h := fit.History{{Values: map[string]float64{"val_loss": 0.9}}, {}, {Values: map[string]float64{"val_loss": 0.7}}}
	fmt.Println(h.Series("val_loss"))
	// Output:
	// [0.9 NaN 0.7]
}
