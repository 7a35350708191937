package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"sync"

	"github.com/promptcam/promptcam/autograd"
	"github.com/promptcam/promptcam/nn"
	"github.com/promptcam/promptcam/nn/optim"
	"github.com/promptcam/promptcam/tensor"
)

// globals is the number of views that the teacher sees, too.
const globals = 2

// dino trains a student to say of each view of an image what its teacher says of the others, the
// teacher being the moving mean of the student (Caron et al., arXiv 2104.14294, algorithm 1).
type dino struct {
	student, teacher *network
	pairs            []pair
	optimizer        optim.Optimizer
	centre           *tensor.Tensor // [K], moving mean of the teacher's scores

	sums         autograd.Grads
	mean, common *tensor.Tensor // [K], of the teacher's scores, and of its probabilities, of a batch
	part         *tensor.Tensor // [K], what a piece adds to them

	mu      sync.Mutex
	workers []*worker // those that are not in use
}

// pair is a parameter of the student and the teacher's.
type pair struct {
	name             string
	student, teacher *autograd.Param
}

// newDINO returns a training of student, whose teacher begins as its copy.
func newDINO(student, teacher *network, optimizer optim.Optimizer) *dino {
	outputs := student.Head.Directions.Value.Dim(0)
	d := &dino{
		student: student, teacher: teacher, optimizer: optimizer,
		centre: tensor.New(outputs), mean: tensor.New(outputs), common: tensor.New(outputs), part: tensor.New(outputs), sums: autograd.Grads{},
	}
	of := map[string]*autograd.Param{}
	for name, p := range nn.Params(teacher) {
		of[name] = p
	}
	for name, p := range nn.Params(student) {
		tensor.CopyTo(of[name].Value, p.Value)
		d.pairs = append(d.pairs, pair{name, p, of[name]})
		d.sums[p] = tensor.New(p.Value.Shape()...)
	}
	return d
}

// pace is how a step is made, by the schedules.
type pace struct {
	rate, decay float32
	momentum    float32 // of the teacher
	centring    float32 // momentum of the centre
	temperature float32 // of the teacher
	contrast    float32 // temperature of the objective contrast, in place of DINO's; 0 means DINO's
	frozen      bool    // whether the head's directions stay as they are
	drops       bool    // whether blocks are left out at random, by
	seed, step  uint64  // these
}

// studentTemperature is what DINO divides the student's scores by.
const studentTemperature = 0.1

// told is what a step tells.
type told struct {
	loss    float64
	entropy float64 // mean of the teacher's probabilities', in nats: log K if it is not sure of anything
	spread  float64 // that of their mean over the batch: no more than entropy if it says the same of all images
	norm    float64 // of the gradient, before clipping
}

// step moves the student, then the teacher, by a batch that comes in pieces. Each is one
// processor's; what they find is added up in their order, so that bits do not depend on how many
// processors there are.
func (d *dino) step(batch []*piece, p pace, clip float64) (told, error) {
	var t told
	images := 0
	for _, b := range batch {
		images += b.images
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
		defer d.give(w)
		if p.drops {
			w.tape.Rand = rand.New(rand.NewPCG(p.seed, p.step<<32|uint64(i)))
		}
		f := w.learn(d, batch[i], p)
		if i > 0 {
			<-added[i-1]
		}
		d.add(&t, f, batch[i].images, images)
	})
	t.spread, t.norm = entropy(d.common), d.clip(clip)
	if sum := t.loss + t.norm; math.IsNaN(sum) || math.IsInf(sum, 0) {
		return t, fmt.Errorf("the loss is %v, its gradient %v long", t.loss, t.norm)
	}
	d.move(p)
	if p.contrast == 0 { // all pieces have used the old centre
		tensor.ScaleTo(d.centre, p.centring, d.centre)
		tensor.Axpy(d.centre, 1-p.centring, d.mean)
	}
	return t, nil
}

// found is what a piece tells. Tensors are its worker's.
type found struct {
	loss            float64
	scores, targets *tensor.Tensor // the teacher's [G, B, K]; nil with the objective contrast
	grads           autograd.Grads
}

// add takes the share of a piece of some of the images into what is found of the batch.
func (d *dino) add(t *told, f found, some, images int) {
	share := float64(some) / float64(images)
	t.loss += float64(share * f.loss)
	for q, g := range f.grads {
		tensor.Axpy(d.sums[q], float32(share), g)
	}
	if f.targets == nil {
		return
	}
	row := 1 / float64(globals*images)
	t.entropy += float64(row * entropy(f.targets))
	tensor.SumTo(d.part, f.scores)
	tensor.Axpy(d.mean, float32(row), d.part)
	tensor.SumTo(d.part, f.targets)
	tensor.Axpy(d.common, float32(row), d.part)
}

// begin makes the centre the mean of the teacher's scores of the first batch. DINO's is zero: until
// it has moved, a teacher says the same of all images, and a short training does not forget that.
func (d *dino) begin(batch []*piece) {
	d.centre.Fill(0)
	images := 0
	w := d.take()
	defer d.give(w)
	for _, b := range batch {
		w.watching.Reset()
		tensor.SumTo(d.part, d.teacher.scores(b.images, w.watching.Const(b.global)).Value())
		tensor.Axpy(d.centre, 1, d.part)
		images += b.images
	}
	tensor.ScaleTo(d.centre, 1/float32(globals*images), d.centre)
}

// entropy returns the sum of the entropies of rows of probabilities.
func entropy(p *tensor.Tensor) (nats float64) {
	for _, v := range p.Data() {
		if v > 0 {
			nats -= float64(float64(v) * math.Log(float64(v)))
		}
	}
	return nats
}

// clip scales down each parameter's gradient that is longer than most, as DINO does; 0 leaves all
// as they are. It returns the length of the gradient of all parameters.
func (d *dino) clip(most float64) float64 {
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

// move changes the student by the gradients, and the teacher by the student.
func (d *dino) move(p pace) {
	grads := autograd.Grads{}
	for _, q := range d.pairs {
		if p.frozen && q.student == d.student.Head.Directions {
			continue
		}
		grads[q.student] = d.sums[q.student]
		if v := q.student.Value; v.Rank() > 1 { // neither biases nor norms
			tensor.ScaleTo(v, 1-float32(p.rate*p.decay), v)
		}
	}
	d.optimizer.Step(p.rate, grads)
	for _, q := range d.pairs {
		tensor.ScaleTo(q.teacher.Value, p.momentum, q.teacher.Value)
		tensor.Axpy(q.teacher.Value, 1-p.momentum, q.student.Value)
	}
}
