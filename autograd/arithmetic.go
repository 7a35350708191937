package autograd

import (
	"fmt"
	"slices"

	"github.com/promptcam/promptcam/tensor"
)

// Add returns a + b, broadcast.
func Add(a, b *Var) *Var {
	y := a.tape.result(broadcast("Add", a, b), a, b)
	tensor.AddTo(y.value, a.Value(), b.Value())
	if y.needs {
		*record[add](y) = add{a, b}
	}
	return y
}

type add struct{ a, b *Var }

func (n *add) back(dy *tensor.Tensor) {
	addBroadcast(n.a, dy)
	addBroadcast(n.b, dy)
}

// broadcast returns the shape to which a and b broadcast.
func broadcast(op string, a, b *Var) []int {
	if slices.Equal(a.Shape(), b.Shape()) {
		return a.Shape()
	}
	return tensor.Broadcast(op, a.Shape(), b.Shape())
}

// addBroadcast adds to v's gradient dy, summed over the dimensions along which v was broadcast.
func addBroadcast(v *Var, dy *tensor.Tensor) {
	if slices.Equal(v.value.Shape(), dy.Shape()) {
		v.giveGrad(dy)
		return
	}
	if g := v.gradSum(); g != nil {
		tensor.AddSumTo(g, dy)
	}
}

// Mul returns the product of a and b, element by element, broadcast.
func Mul(a, b *Var) *Var {
	y := a.tape.result(broadcast("Mul", a, b), a, b)
	tensor.MulTo(y.value, a.Value(), b.Value())
	if y.needs {
		*record[mul](y, keepIf(a.needs, b), keepIf(b.needs, a)) = mul{a, b}
	}
	return y
}

type mul struct{ a, b *Var }

func (n *mul) back(dy *tensor.Tensor) {
	mulGrad(n.a, n.b, dy)
	mulGrad(n.b, n.a, dy)
}

// mulGrad adds to v's gradient dy times other, summed over the dimensions along which v was broadcast.
func mulGrad(v, other *Var, dy *tensor.Tensor) {
	if slices.Equal(v.value.Shape(), dy.Shape()) {
		v.AddGrad(func(g *tensor.Tensor) { tensor.MulTo(g, dy, other.value) })
		return
	}
	g := v.gradSum()
	if g == nil {
		return
	}
	product := v.tape.room(dy.Shape()...)
	tensor.MulTo(product, dy, other.value)
	tensor.AddSumTo(g, product)
	v.tape.memory.put(product.Data())
}

// Dropout sets each element of x to zero with probability p and scales the others by 1/(1-p) (Srivastava et
// al., JMLR 2014). On a tape without Rand, and for p = 0, it returns x itself. It panics unless p is from 0 to
// 1.
func Dropout(x *Var, p float32) *Var { return drop("Dropout", x, p, x.Shape()...) }

// DropPath sets all of x [B, ...] to zero for an image with probability p and scales the other images by
// 1/(1-p): stochastic depth (Huang et al., arXiv 1603.09382), applied to a branch before its residual is
// added. On a tape without Rand, and for p = 0, it returns x itself. It panics unless p is from 0 to 1.
func DropPath(x *Var, p float32) *Var {
	var room [8]int // on the stack
	shape := append(room[:0], x.Shape()...)
	for i := 1; i < len(shape); i++ {
		shape[i] = 1
	}
	return drop("DropPath", x, p, shape...)
}

// drop multiplies x by a random mask of the given shape, on a tape with Rand.
func drop(op string, x *Var, p float32, shape ...int) *Var {
	if !(p >= 0 && p <= 1) {
		panic(fmt.Sprintf("autograd: %s with probability %v, want 0 to 1", op, p))
	}
	if p == 0 || x.tape.Rand == nil {
		return x
	}
	mask := x.tape.scratch(shape...)
	data := mask.Data()
	for i := range data {
		data[i] = 0
		if x.tape.Rand.Float32() >= p {
			data[i] = 1 / (1 - p)
		}
	}
	return Mul(x, x.tape.Const(mask))
}
