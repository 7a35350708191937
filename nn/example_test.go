package nn_test

import (
	"fmt"
	"math/rand/v2"

	"github.com/promptcam/promptcam/autograd"
	"github.com/promptcam/promptcam/nn"
	"github.com/promptcam/promptcam/tensor"
)

// Classifier is a model: a struct of layers.
type Classifier struct {
	Norm *nn.LayerNorm `state:"norm"`
	Head *nn.Linear    `state:"head"`
}

func (m *Classifier) Forward(x *autograd.Var) *autograd.Var { return m.Head.Forward(m.Norm.Forward(x)) }

func Example() {
	m := &Classifier{Norm: nn.NewLayerNorm(4, 1e-6), Head: nn.NewLinear(4, 2)}
	m.Head.Weight.Value.Set(1, 0, 3)
	for name, p := range nn.Params(m) {
		fmt.Println(name, p.Value.Shape())
	}
	tape := &autograd.Tape{NoGrad: true}
	scores := m.Forward(tape.Const(tensor.FromSlice([]float32{1, 1, 1, 5}, 1, 4)))
	fmt.Printf("%.3f\n", scores.Value().Data())
	// Output:
	// norm.weight [4]
	// norm.bias [4]
	// head.weight [2 4]
	// head.bias [2]
	// [1.732 0.000]
}

func ExampleLoad() {
	m := &Classifier{Norm: nn.NewLayerNorm(4, 1e-6), Head: nn.NewLinear(4, 2)}
	err := nn.Load(m, nn.Tensors{
		"norm.weight": tensor.New(4),
		"norm.bias":   tensor.New(4),
		"head.weight": tensor.New(3, 4),
		"foo":         tensor.New(1),
	})
	fmt.Println(err)
	// Output: 1 tensor missing (head.bias); 1 tensor unknown (foo); head.weight is [3 4], want [2 4]
}

// A network of more than one layer must be initialised: from zeros it would learn only its last bias.
func ExampleKaimingUniform() {
	rng := rand.New(rand.NewPCG(1, 2))
	m := nn.NewMLP(2, 16, tensor.GELU)
	for _, l := range []*nn.Linear{m.FC1, m.FC2} {
		nn.KaimingUniform(rng, l.Weight, l.Bias)
	}

	// Whether just one of two numbers is 1.
	x, labels := tensor.FromSlice([]float32{0, 0, 0, 1, 1, 0, 1, 1}, 4, 2), []int{0, 1, 1, 0}
	tape := &autograd.Tape{}
	for range 500 {
		loss := autograd.CrossEntropy(m.Forward(tape.Const(x)), labels)
		for p, g := range tape.Backward(loss) {
			tensor.Axpy(p.Value, -0.5, g)
		}
		tape.Reset()
	}
	fmt.Println(m.Forward(tape.Const(x)).Value().ArgMax())
	// Output: [0 1 1 0]
}
