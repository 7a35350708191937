package pretrain

import (
	"cmp"
	"maps"
	"math"
	"math/rand/v2"
	"strings"

	"github.com/promptcam/promptcam/autograd"
	"github.com/promptcam/promptcam/nn"
	"github.com/promptcam/promptcam/nn/fit"
	"github.com/promptcam/promptcam/nn/optim"
	"github.com/promptcam/promptcam/tensor"
)

// globals is the number of views that the teacher sees, too.
const globals = 2

// trainer moves a student by its gradients, and the teacher, its EMA, after it.
type trainer struct {
	c                *Config
	student, teacher *network
	pairs            []pair
	optimizer        optim.Optimizer
	centre           *tensor.Tensor // [K], moving mean of the teacher's scores

	sums         autograd.Grads
	mean, common *tensor.Tensor // [K], of the teacher's scores and of its probabilities over a batch
	part         *tensor.Tensor // [K], of a piece

	workers chan *worker // idle ones
}

// pair is a parameter of the student and its EMA.
type pair struct {
	name             string
	student, teacher *autograd.Param
}

// newTrainer returns a trainer of an untrained student and a teacher that begins as its equal.
func newTrainer(c *Config) (*trainer, error) {
	student, err := newNetwork(c)
	if err != nil {
		return nil, err
	}
	teacher, err := newNetwork(c)
	if err != nil {
		return nil, err
	}
	for i, b := range student.Backbone.Blocks { // as timm and DINO do, from 0 to all
		b.DropPath = float32(c.DropPath * float64(i) / float64(max(c.Depth-1, 1)))
	}
	d := &trainer{c: c, student: student, teacher: teacher, optimizer: newOptimizer(c.Optimizer, student), sums: autograd.Grads{}}
	d.workers = make(chan *worker, c.Batch/c.Piece+1) // for each piece at most one
	for _, t := range []**tensor.Tensor{&d.centre, &d.mean, &d.common, &d.part} {
		*t = tensor.New(c.Outputs)
	}
	of := maps.Collect(nn.Params(teacher))
	for name, p := range nn.Params(student) {
		d.pairs = append(d.pairs, pair{name, p, of[name]})
		d.sums[p] = tensor.New(p.Value.Shape()...)
	}
	return d, nil
}

// newOptimizer returns the named optimizer. It does not decay weights: see move.
func newOptimizer(name string, student *network) optim.Optimizer {
	if name == "adamw" {
		return optim.AdamW{}.New(nn.Params(student))
	}
	matrices := func(name string, p *autograd.Param) int {
		switch {
		case !strings.HasPrefix(name, "backbone.blocks.") || p.Value.Rank() != 2:
			return 0
		case strings.HasSuffix(name, ".qkv.weight"):
			return 3
		}
		return 1
	}
	return optim.Muon{Momentum: 0.95, Matrices: matrices}.New(nn.Params(student))
}

// Learn makes the step of a moment, see step.
func (d *trainer) Learn(batch []*piece, at fit.Moment) (fit.Told, error) {
	if at.Index() == 0 && d.c.Contrast == 0 {
		d.begin(batch)
	}
	return d.step(batch, at, d.c.pace(at.End()))
}

// step moves the student, then the teacher, by a batch in pieces. Each piece runs on one processor, and their
// results are added in order, so that the bits do not depend on the number of processors.
func (d *trainer) step(batch []*piece, at fit.Moment, p pace) (fit.Told, error) {
	t := fit.Told{Values: map[string]float64{}}
	for _, b := range batch {
		t.Images += b.images
	}
	d.mean.Fill(0)
	d.common.Fill(0)
	for _, sum := range d.sums {
		sum.Fill(0)
	}
	added := make([]chan struct{}, len(batch))
	for i := range added {
		added[i] = make(chan struct{})
	}
	tensor.Each(len(batch), func(i int) {
		defer close(added[i])
		w := d.take()
		defer func() { d.workers <- w }()
		if d.c.DropPath > 0 {
			w.tape.Rand = rand.New(rand.NewPCG(uint64(d.c.Seed)+5<<32, uint64(at.Index())<<32|uint64(i)))
		}
		loss, grads := w.learn(d, batch[i], p)
		if i > 0 {
			<-added[i-1]
		}
		d.add(&t, w, batch[i].images, loss, grads)
	})
	t.Values[Norm] = d.clip(d.c.Clip)
	if err := cmp.Or(at.Check("loss", t.Loss), at.Check("gradient of the loss", t.Values[Norm])); err != nil {
		return t, err
	}
	d.move(at.LR, p)
	if d.c.Contrast == 0 { // not earlier: all pieces use the old centre
		keep := float32(d.c.Centring)
		t.Values[Spread] = entropy(d.common)
		tensor.ScaleTo(d.centre, keep, d.centre)
		tensor.Axpy(d.centre, 1-keep, d.mean)
	}
	return t, nil
}

// add adds the result of a worker's piece of some of the images to that of the batch.
func (d *trainer) add(t *fit.Told, w *worker, some int, loss float64, grads autograd.Grads) {
	share := float64(some) / float64(t.Images)
	t.Loss += float64(share * loss)
	for q, g := range grads {
		tensor.Axpy(d.sums[q], float32(share), g)
	}
	if d.c.Contrast > 0 {
		return
	}
	row := 1 / float64(globals*t.Images)
	t.Values[Entropy] += float64(row * entropy(w.targets))
	tensor.SumTo(d.part, w.scores)
	tensor.Axpy(d.mean, float32(row), d.part)
	tensor.SumTo(d.part, w.targets)
	tensor.Axpy(d.common, float32(row), d.part)
}

// clip scales down each parameter's gradient that is longer than most, as DINO does; 0 clips none. It returns
// the length of the whole gradient before.
func (d *trainer) clip(most float64) float64 {
	var whole float64
	for _, p := range d.pairs {
		g := d.sums[p.student]
		var sum float64
		for _, v := range g.Data() {
			sum += float64(float64(v) * float64(v))
		}
		whole += sum
		if length := math.Sqrt(sum); most > 0 && length > most {
			tensor.ScaleTo(g, float32(most/length), g)
		}
	}
	return math.Sqrt(whole)
}

// move updates the student by the gradients, and the teacher by the student.
func (d *trainer) move(lr float32, p pace) {
	grads := autograd.Grads{}
	for _, q := range d.pairs {
		if p.frozen && q.student == d.student.Head.Directions {
			continue
		}
		grads[q.student] = d.sums[q.student]
		if v := q.student.Value; v.Rank() > 1 { // neither biases nor norms
			tensor.ScaleTo(v, 1-float32(lr*p.decay), v)
		}
	}
	d.optimizer.Step(lr, grads)
	for _, q := range d.pairs {
		tensor.ScaleTo(q.teacher.Value, p.momentum, q.teacher.Value)
		tensor.Axpy(q.teacher.Value, 1-p.momentum, q.student.Value)
	}
}
