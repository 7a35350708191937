package optim

import (
	"errors"
	"fmt"
	"iter"
	"maps"
	"math"

	"github.com/promptcam/promptcam/autograd"
	"github.com/promptcam/promptcam/tensor"
)

// Muon configures an optimizer that moves matrices along their momentum with all singular values brought near
// 1 (Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024): a network then learns
// rare features about as fast as common ones. For a matrix p [m, n] with gradient g:
//
//	v  = Momentum·v + g
//	p -= lr · 0.2·sqrt(max(m, n)) · orthogonal(g + Momentum·v)
//
// The factor makes a step about as long as AdamW's, so that both can share a rate (Liu et al., arXiv
// 2502.16982, equation 4). Muon is meant for the matrices inside a network; Others moves biases, norms,
// embeddings and the last layer. The WeightDecay of Others does not apply to matrices.
type Muon struct {
	Momentum float32 // Jordan et al. use 0.95
	Others   AdamW

	// Matrices returns the number of stacked matrices in a parameter: 3 for queries, keys and values
	// together; 0 for a parameter that Others moves. New panics unless a parameter with matrices has two
	// dimensions and their number divides its rows.
	Matrices func(name string, p *autograd.Param) int
}

// Validate returns an error unless Momentum is in [0, 1), Others is valid, and Matrices is set.
func (c Muon) Validate() error {
	switch {
	case !(c.Momentum >= 0 && c.Momentum < 1):
		return fmt.Errorf("optim: Muon with momentum %v, want at least 0 and less than 1", c.Momentum)
	case c.Matrices == nil:
		return errors.New("optim: Muon without Matrices")
	}
	return c.Others.Validate()
}

// New implements Config. The state is <param>.momentum (v), of the parameter's shape, for those with
// matrices, and AdamW's for the others.
func (c Muon) New(params iter.Seq2[string, *autograd.Param]) Optimizer {
	of := func(inner bool) iter.Seq2[string, *autograd.Param] {
		return func(yield func(string, *autograd.Param) bool) {
			for name, p := range params {
				if (c.Matrices(name, p) > 0) == inner && !yield(name, p) {
					return
				}
			}
		}
	}
	o := &muon{momentum: c.Momentum, memory: remember(c, of(true), "momentum")}
	o.others = c.Others.New(of(false))
	o.each = o.move
	for _, s := range o.slots {
		o.matrices = append(o.matrices, split(s, c.Matrices(s.name, s.param))...)
	}
	maps.Copy(o.state, o.others.State())
	return o
}

type muon struct {
	momentum float32
	others   Optimizer
	memory   // slots of the parameters with matrices, state of all
	matrices []*matrix

	lr    float32        // of this step
	grads autograd.Grads // likewise
	each  func(i int)    // move
}

// matrix is one matrix of a parameter, with memory to orthogonalize its step.
type matrix struct {
	param      *autograd.Param
	from, to   int            // rows of the parameter
	p, v       *tensor.Tensor // [m, n]
	g          tensor.Header  // [m, n], of this step's gradient
	x, y       sides          // the step
	gram, poly *tensor.Tensor // [low, low]
}

// sides is a step as a matrix with no more rows than columns, low. The step itself is low or its transpose.
type sides struct{ low, lowT, step *tensor.Tensor } // [low, high], [high, low], [m, n]

func newSides(m, n int) sides {
	low := tensor.New(min(m, n), max(m, n))
	s := sides{low, low.Transpose(), low}
	if m > n {
		s.step = s.lowT
	}
	return s
}

// split returns the matrices of a slot.
func split(s slot, count int) (all []*matrix) {
	shape := s.param.Value.Shape()
	if len(shape) != 2 || shape[0]%count != 0 {
		panic(fmt.Sprintf("optim: Muon: %s of shape %v, want %d matrices one above the other", s.name, shape, count))
	}
	m, n := shape[0]/count, shape[1]
	low := min(m, n)
	v := tensor.FromSlice(s.first, shape...)
	for from := 0; from < shape[0]; from += m {
		all = append(all, &matrix{
			param: s.param, from: from, to: from + m,
			p: s.param.Value.Slice(0, from, from+m), v: v.Slice(0, from, from+m),
			x: newSides(m, n), y: newSides(m, n), gram: tensor.New(low, low), poly: tensor.New(low, low),
		})
	}
	return all
}

func (o *muon) Step(lr float32, grads autograd.Grads) {
	o.check(lr, grads)
	o.others.Step(lr, grads)
	o.lr, o.grads = lr, grads
	tensor.Each(len(o.matrices), o.each)
	o.grads = nil
}

// move moves the i-th matrix.
func (o *muon) move(i int) {
	m := o.matrices[i]
	grad := o.grads[m.param]
	if grad == nil {
		return
	}
	g := m.g.Slice(grad, 0, m.from, m.to)
	tensor.ScaleTo(m.v, o.momentum, m.v)
	tensor.Axpy(m.v, 1, g)
	tensor.ScaleTo(m.x.step, o.momentum, m.v)
	tensor.Axpy(m.x.step, 1, g)
	m.orthogonalize()
	length := 0.2 * float32(math.Sqrt(float64(max(m.v.Dim(0), m.v.Dim(1)))))
	tensor.Axpy(m.p, -o.lr*length, m.x.step)
}

// orthogonalize brings the singular values of x that are more than 1/500 of its Frobenius norm to between
// 0.68 and 1.21, and smaller ones to less, by five steps of the Newton-Schulz iteration with Jordan et al.'s
// coefficients: x = a·x + (b·xxᵀ + c·(xxᵀ)²)·x. They overshoot on purpose: coefficients that converge to 1
// raise small values more slowly.
func (m *matrix) orthogonalize() {
	var sum float64
	for _, v := range m.x.low.Data() {
		sum += float64(float64(v) * float64(v))
	}
	tensor.ScaleTo(m.x.low, float32(1/(math.Sqrt(sum)+1e-7)), m.x.low)
	const a, b, c = 3.4445, -4.7750, 2.0315
	for range 5 {
		tensor.MatMulTo(m.gram, m.x.low, m.x.lowT)
		tensor.MatMulTo(m.poly, m.gram, m.gram)
		tensor.ScaleTo(m.poly, c, m.poly)
		tensor.Axpy(m.poly, b, m.gram)
		tensor.MatMulTo(m.y.low, m.poly, m.x.low)
		tensor.Axpy(m.y.low, a, m.x.low)
		m.x, m.y = m.y, m.x
	}
}
