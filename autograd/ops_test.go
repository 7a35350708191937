package autograd_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/promptcam/promptcam/autograd"
	"github.com/promptcam/promptcam/autograd/gradcheck"
	"github.com/promptcam/promptcam/tensor"
	"github.com/promptcam/promptcam/tensor/tensortest"
)

// operation is a row of the table: an operation on operands of given shapes and
// what it should give.
type operation struct {
	name   string // the function's, then what is special
	shapes [][]int
	do     func(x []*autograd.Var) *autograd.Var
	want   func(x []array) array
}

var (
	labels  = []int{2, 0, 4}
	rows    = []int{1, 4, 4, 0, 2, 3} // three of each of two images
	teacher = tensor.FromSlice([]float32{3, -1, 0, 2, 2, -5, 30, 1, 2, 8, 0.5, 0.25, 0.125, -0.5, 0}, 3, 5)
	targets = tensortest.Random(rand.New(rand.NewPCG(5, 6)), 2, 3, 5).Softmax() // of two views of three images
	weights = tensor.FromSlice([]float32{1, 0, 0, 0.5, 0.75, -0.25, -0.1, 0.2, 0.9, 0, 0, 0, 0.25, 0.5, 0.25}, 5, 3)
)

var operations = []operation{
	{"Add", s(2, 3, 4).s(2, 3, 4), binary(autograd.Add), refAdd},
	{"Add bias", s(2, 3, 4).s(4), binary(autograd.Add), refAdd},
	{"Add images to shared rows", s(3, 4).s(2, 1, 4), binary(autograd.Add), refAdd},
	{"Add to itself", s(2, 3), func(x []*autograd.Var) *autograd.Var { return autograd.Add(x[0], x[0]) },
		func(x []array) array { return refAdd([]array{x[0], x[0]}) }},
	{"Add residual", s(2, 3).s(3, 3), func(x []*autograd.Var) *autograd.Var {
		y := autograd.Add(x[0], autograd.Linear(x[0], x[1], nil))
		return autograd.Add(autograd.Linear(y, x[1], nil), y)
	}, func(x []array) array {
		y := refAdd([]array{x[0], refLinear(x[0], x[1], nil)})
		return refAdd([]array{refLinear(y, x[1], nil), y})
	}},
	{"Add parts", s(2, 3, 8), func(x []*autograd.Var) *autograd.Var {
		p := autograd.Split(x[0], 2)
		return autograd.Add(autograd.Add(p[0], p[1]), p[0])
	}, func(x []array) array {
		return each([]int{2, 3, 4}, func(i []int) float64 { return 2*x[0].at(i...) + x[0].at(i[0], i[1], i[2]+4) })
	}},

	{"Mul", s(2, 3, 4).s(2, 3, 4), binary(autograd.Mul), refMul},
	{"Mul channels", s(2, 3, 4).s(4), binary(autograd.Mul), refMul},
	{"Mul images", s(3, 4).s(2, 1, 1), binary(autograd.Mul), refMul},
	{"Mul of equal length", s(1, 4).s(4), binary(autograd.Mul), refMul},
	{"Mul by itself", s(2, 3), func(x []*autograd.Var) *autograd.Var { return autograd.Mul(x[0], x[0]) },
		func(x []array) array { return refMul([]array{x[0], x[0]}) }},
	{"Mul parts", s(2, 3, 8), func(x []*autograd.Var) *autograd.Var {
		p := autograd.Split(x[0], 2)
		return autograd.Mul(p[0], p[1])
	}, func(x []array) array {
		return each([]int{2, 3, 4}, func(i []int) float64 { return x[0].at(i...) * x[0].at(i[0], i[1], i[2]+4) })
	}},

	{"Linear", s(2, 3, 4).s(5, 4).s(5), func(x []*autograd.Var) *autograd.Var { return autograd.Linear(x[0], x[1], x[2]) },
		func(x []array) array { return refLinear(x[0], x[1], &x[2]) }},
	{"Linear without bias", s(3, 4).s(5, 4), func(x []*autograd.Var) *autograd.Var { return autograd.Linear(x[0], x[1], nil) },
		func(x []array) array { return refLinear(x[0], x[1], nil) }},
	{"Linear by itself", s(3, 3), func(x []*autograd.Var) *autograd.Var { return autograd.Linear(x[0], x[0], nil) },
		func(x []array) array { return refLinear(x[0], x[0], nil) }},

	{"LinearAdd", s(2, 3, 5).s(2, 3, 4).s(5, 4).s(5), func(x []*autograd.Var) *autograd.Var {
		return autograd.LinearAdd(autograd.Residual{X: x[0]}, x[1], x[2], x[3])
	}, func(x []array) array { return refAdd([]array{x[0], refLinear(x[1], x[2], &x[3])}) }},
	{"LinearAdd scaled to shared rows", s(3, 5).s(2, 3, 4).s(5, 4), func(x []*autograd.Var) *autograd.Var {
		return autograd.LinearAdd(autograd.Residual{X: x[0], Scale: scale(x[0], 5)}, x[1], x[2], nil)
	}, func(x []array) array { return refAdd([]array{x[0], refScale(refLinear(x[1], x[2], nil))}) }},
	{"LinearAdd to its input", s(2, 3, 4).s(4, 4), func(x []*autograd.Var) *autograd.Var {
		return autograd.LinearAdd(autograd.Residual{X: x[0]}, x[0], x[1], nil)
	}, func(x []array) array { return refAdd([]array{x[0], refLinear(x[0], x[1], nil)}) }},
	{"LinearAdd scaled to nothing", s(2, 3, 4).s(5, 4), func(x []*autograd.Var) *autograd.Var {
		return autograd.LinearAdd(autograd.Residual{Scale: scale(x[0], 5)}, x[0], x[1], nil)
	}, func(x []array) array { return refScale(refLinear(x[0], x[1], nil)) }},

	{"LinearAdd with a computed scale", s(2, 3, 4).s(5, 4).s(5), func(x []*autograd.Var) *autograd.Var {
		f := x[0].Tape().Frame()
		return f.Keep(autograd.LinearAdd(autograd.Residual{Scale: computedScale(x[0], 5)}, x[0], x[1], x[2]))
	}, func(x []array) array { return refScale(refLinear(x[0], x[1], &x[2])) }},

	{"MLP", s(2, 3, 4).s(6, 4).s(6).s(5, 6).s(5), mlp(tensor.GELU), refMLP(refGELU)},
	{"MLP of QuickGELU", s(2, 3, 4).s(6, 4).s(6).s(5, 6).s(5), mlp(tensor.QuickGELU), refMLP(refQuickGELU)},
	{"MLP without activation", s(2, 3, 4).s(6, 4).s(6).s(5, 6).s(5), mlp(tensor.Identity), refMLP(func(x array) array { return x })},
	{"MLP without biases", s(2, 3, 4).s(6, 4).s(5, 6), func(x []*autograd.Var) *autograd.Var {
		return autograd.MLP(autograd.Residual{}, x[0], x[1], nil, x[2], nil, tensor.GELU)
	}, func(x []array) array { return refLinear(refGELU(refLinear(x[0], x[1], nil)), x[2], nil) }},
	{"MLP scaled to a residual", s(2, 3, 5).s(2, 3, 4).s(6, 4).s(6).s(5, 6).s(5), func(x []*autograd.Var) *autograd.Var {
		return autograd.MLP(autograd.Residual{X: x[0], Scale: scale(x[0], 5)}, x[1], x[2], x[3], x[4], x[5], tensor.GELU)
	}, func(x []array) array { return refAdd([]array{x[0], refScale(refMLP(refGELU)(x[1:]))}) }},
	{"MLP with a computed scale", s(2, 3, 4).s(6, 4).s(6).s(5, 6).s(5), func(x []*autograd.Var) *autograd.Var {
		f := x[0].Tape().Frame()
		return f.Keep(autograd.MLP(autograd.Residual{Scale: computedScale(x[0], 5)}, x[0], x[1], x[2], x[3], x[4], tensor.GELU))
	}, func(x []array) array { return refScale(refMLP(refGELU)(x)) }},
	{"MLP to shared rows", s(3, 5).s(2, 3, 4).s(6, 4).s(6).s(5, 6).s(5), func(x []*autograd.Var) *autograd.Var {
		return autograd.MLP(autograd.Residual{X: x[0]}, x[1], x[2], x[3], x[4], x[5], tensor.GELU)
	}, func(x []array) array { return refAdd([]array{x[0], refMLP(refGELU)(x[1:])}) }},

	{"LowRank", s(4, 5).s(2, 5).s(4, 2), lowRank, refLowRank},
	{"LowRank of a slice", s(6, 5).s(2, 5).s(6, 2), func(x []*autograd.Var) *autograd.Var {
		return autograd.Mul(autograd.LowRank(autograd.Slice(x[0], 0, 1, 5), x[1], autograd.Slice(x[2], 0, 1, 5), 0.4), autograd.Slice(lowRank(x), 0, 2, 6))
	}, func(x []array) array {
		w := refLowRank(x)
		return each([]int{4, 5}, func(i []int) float64 { return w.at(i[0]+1, i[1]) * w.at(i[0]+2, i[1]) })
	}},
	{"LowRank in Linear", s(2, 3, 5).s(2, 5).s(4, 2), func(x []*autograd.Var) *autograd.Var {
		return autograd.Linear(x[0], lowRank([]*autograd.Var{scales(x[0], 4, 5), x[1], x[2]}), nil)
	}, func(x []array) array { return refLinear(x[0], refLowRank([]array{refScales(4, 5), x[1], x[2]}), nil) }},
	{"LowRank in MLP", s(2, 3, 5).s(2, 5).s(4, 2).s(4).s(2, 4).s(5, 2).s(5), func(x []*autograd.Var) *autograd.Var {
		w1 := lowRank([]*autograd.Var{scales(x[0], 4, 5), x[1], x[2]})
		w2 := lowRank([]*autograd.Var{scales(x[0], 5, 4), x[4], x[5]})
		return autograd.MLP(autograd.Residual{X: x[0]}, x[0], w1, x[3], w2, x[6], tensor.GELU)
	}, func(x []array) array {
		w1, w2 := refLowRank([]array{refScales(4, 5), x[1], x[2]}), refLowRank([]array{refScales(5, 4), x[4], x[5]})
		return refAdd([]array{x[0], refMLP(refGELU)([]array{x[0], w1, x[3], w2, x[6]})})
	}},

	{"LayerNorm", s(2, 3, 8).s(8).s(8), func(x []*autograd.Var) *autograd.Var { return autograd.LayerNorm(x[0], x[1], x[2], 1e-2) },
		func(x []array) array { return refLayerNorm(x[0], x[1], x[2], 1e-2) }},

	{"GELU", s(2, 3, 8), func(x []*autograd.Var) *autograd.Var { return autograd.GELU(x[0]) },
		func(x []array) array { return refGELU(x[0]) }},

	{"Attention", s(2, 3, 4).s(2, 5, 4).s(2, 5, 4), attention, refAttend(2, 3, 4)},
	{"Attention to several", s(2, 3, 4).s(2, 2, 4).s(2, 2, 4).s(2, 3, 4).s(2, 3, 4).s(2, 1, 4).s(2, 1, 4), attention, refAttend(2, 3, 4)},
	{"Attention to shared rows", s(2, 3, 4).s(2, 2, 4).s(2, 2, 4).s(3, 4).s(3, 4), attention, refAttend(2, 3, 4)},
	{"Attention of shared rows", s(3, 4).s(2, 5, 4).s(2, 5, 4).s(3, 4).s(3, 4), attention, refAttend(2, 3, 4)},
	{"Attention without images", s(3, 4).s(5, 4).s(5, 4), attention, refAttend(3, 4)},
	{"Attention of one image", s(1, 3, 4).s(5, 4).s(1, 5, 4), attention, refAttend(1, 3, 4)},
	{"Attention to itself", s(2, 3, 4), func(x []*autograd.Var) *autograd.Var {
		y, _ := autograd.Attention(x[0], 2, autograd.KV{K: x[0], V: x[0]}, autograd.KV{K: x[0], V: x[0]})
		return y
	}, func(x []array) array { return refAttention([]int{2, 3, 4}, 2, x[0], x[0], x[0], x[0], x[0]) }},
	{"Attention of parts", s(2, 3, 12).s(5, 12), func(x []*autograd.Var) *autograd.Var {
		p, shared := autograd.Split(x[0], 3), autograd.Split(x[1], 3)
		y, _ := autograd.Attention(p[0], 2, autograd.KV{K: p[1], V: p[2]}, autograd.KV{K: shared[1], V: shared[2]})
		return y
	}, func(x []array) array {
		return refAttention([]int{2, 3, 4}, 2, part(x[0], 0, 4), part(x[0], 4, 8), part(x[0], 8, 12), part(x[1], 4, 8), part(x[1], 8, 12))
	}},
	{"Attention twice to the same parts", s(3, 4).s(2, 3, 8), func(x []*autograd.Var) *autograd.Var {
		p := autograd.Split(x[1], 2)
		kv := autograd.KV{K: p[0], V: p[1]}
		y, _ := autograd.Attention(x[0], 2, kv)
		z, _ := autograd.Attention(x[0], 1, kv)
		return autograd.Concat(y, z)
	}, func(x []array) array {
		k, v := part(x[1], 0, 4), part(x[1], 4, 8)
		return refCat(2, refAttention([]int{2, 3, 4}, 2, x[0], k, v), refAttention([]int{2, 3, 4}, 1, x[0], k, v))
	}},
	{"Attend", s(2, 3, 4).s(2, 2, 4).s(2, 2, 4).s(3, 4).s(3, 4), func(x []*autograd.Var) *autograd.Var {
		return autograd.Attend(x[0], 2, pairs(x[1:])...)
	}, refAttend(2, 3, 4)},

	{"Reshape", s(2, 3, 4), func(x []*autograd.Var) *autograd.Var { return autograd.Reshape(x[0], 6, -1) },
		func(x []array) array { return array{[]int{6, 4}, x[0].data} }},
	{"Reshape of what others use", s(2, 3, 4), func(x []*autograd.Var) *autograd.Var {
		return autograd.Mul(autograd.Reshape(autograd.Reshape(x[0], 24), 2, 3, 4), x[0])
	}, func(x []array) array { return refMul([]array{x[0], x[0]}) }},

	{"Slice rows", s(2, 5, 4), func(x []*autograd.Var) *autograd.Var { return autograd.Slice(x[0], 1, 1, 3) },
		func(x []array) array {
			return each([]int{2, 2, 4}, func(i []int) float64 { return x[0].at(i[0], i[1]+1, i[2]) })
		}},
	{"Slice columns of a part", s(2, 3, 8), func(x []*autograd.Var) *autograd.Var {
		return autograd.Slice(autograd.Split(x[0], 2)[1], -1, 1, 3)
	}, func(x []array) array { return part(x[0], 5, 7) }},
	{"Slice into weights", s(2, 4).s(6, 4).s(6), func(x []*autograd.Var) *autograd.Var {
		return autograd.Linear(x[0], autograd.Slice(x[1], 0, 2, 5), autograd.Slice(x[2], 0, 2, 5))
	}, func(x []array) array {
		w := each([]int{3, 4}, func(i []int) float64 { return x[1].at(i[0]+2, i[1]) })
		b := each([]int{3}, func(i []int) float64 { return x[2].at(i[0] + 2) })
		return refLinear(x[0], w, &b)
	}},

	{"Gather", s(2, 5, 4), func(x []*autograd.Var) *autograd.Var { return autograd.Gather(x[0], rows) },
		func(x []array) array { return refGather(x[0], rows) }},
	{"Gather from a part", s(2, 5, 8), func(x []*autograd.Var) *autograd.Var {
		p := autograd.Split(x[0], 2)
		return autograd.Mul(autograd.Gather(p[1], rows), autograd.Slice(p[1], 1, 0, 3))
	}, func(x []array) array {
		k := part(x[0], 4, 8)
		return refMul([]array{refGather(k, rows), refGather(k, []int{0, 1, 2, 0, 1, 2})})
	}},

	{"Split", s(2, 3, 12), func(x []*autograd.Var) *autograd.Var { return autograd.Split(x[0], 3)[1] },
		func(x []array) array { return part(x[0], 4, 8) }},
	{"Split into one", s(2, 4), func(x []*autograd.Var) *autograd.Var { return autograd.Split(x[0], 1)[0] },
		func(x []array) array { return x[0] }},
	{"Split of a part", s(2, 8), func(x []*autograd.Var) *autograd.Var {
		p := autograd.Split(x[0], 2)
		q := autograd.Split(p[0], 2)
		return autograd.Mul(q[0], autograd.Add(q[1], autograd.Slice(p[1], 1, 0, 2)))
	}, func(x []array) array {
		return refMul([]array{part(x[0], 0, 2), refAdd([]array{part(x[0], 2, 4), part(x[0], 4, 6)})})
	}},

	{"Concat", s(2, 3, 4).s(2, 1, 4), func(x []*autograd.Var) *autograd.Var { return autograd.Concat(x...) },
		func(x []array) array { return refCat(2, x...) }},
	{"Concat with shared rows", s(1, 2, 4).s(2, 3, 4).s(1, 1, 4), func(x []*autograd.Var) *autograd.Var { return autograd.Concat(x...) },
		func(x []array) array { return refCat(2, x...) }},
	{"Concat with itself", s(2, 3, 8), func(x []*autograd.Var) *autograd.Var {
		p := autograd.Split(x[0], 2)
		return autograd.Concat(p[1], p[0], p[1])
	}, func(x []array) array { return refCat(2, part(x[0], 4, 8), part(x[0], 0, 4), part(x[0], 4, 8)) }},

	{"Patches", s(2, 3, 4, 6), func(x []*autograd.Var) *autograd.Var { return autograd.Patches(x[0], 2) },
		func(x []array) array {
			return each([]int{2, 6, 12}, func(i []int) float64 {
				row, col, c, y, z := i[1]/3, i[1]%3, i[2]/4, i[2]/2%2, i[2]%2
				return x[0].at(i[0], c, 2*row+y, 2*col+z)
			})
		}},

	{"Dropout", s(4, 5, 6), func(x []*autograd.Var) *autograd.Var {
		x[0].Tape().Rand = rand.New(rand.NewPCG(1, 2))
		return autograd.Dropout(x[0], 0.3)
	}, func(x []array) array { return refMul([]array{x[0], refMask(0.3, 4, 5, 6)}) }},
	{"DropPath", s(8, 2, 3), func(x []*autograd.Var) *autograd.Var {
		x[0].Tape().Rand = rand.New(rand.NewPCG(1, 2))
		return autograd.DropPath(x[0], 0.3)
	}, func(x []array) array { return refMul([]array{x[0], refMask(0.3, 8, 1, 1)}) }},

	{"CrossEntropy", s(3, 5), func(x []*autograd.Var) *autograd.Var { return autograd.CrossEntropy(x[0], labels) },
		func(x []array) array { return refCrossEntropy(x[0], labels) }},
	{"CrossEntropy as a term", s(3, 5), func(x []*autograd.Var) *autograd.Var {
		return autograd.Mul(autograd.CrossEntropy(x[0], labels), x[0])
	}, func(x []array) array { return refMul([]array{refCrossEntropy(x[0], labels), x[0]}) }},

	{"BinaryCrossEntropy", s(3, 5), func(x []*autograd.Var) *autograd.Var { return autograd.BinaryCrossEntropy(x[0], labels) },
		func(x []array) array { return refBinaryCrossEntropy(x[0], labels) }},
	{"BinaryCrossEntropy as a term", s(3, 5), func(x []*autograd.Var) *autograd.Var {
		return autograd.Mul(autograd.BinaryCrossEntropy(x[0], labels), x[0])
	}, func(x []array) array { return refMul([]array{refBinaryCrossEntropy(x[0], labels), x[0]}) }},

	{"Distill", s(3, 5), func(x []*autograd.Var) *autograd.Var { return autograd.Distill(x[0], teacher, 1) },
		func(x []array) array { return refDistill(x[0], arrayOf(teacher), 1) }},
	{"Distill softly", s(3, 5), func(x []*autograd.Var) *autograd.Var { return autograd.Distill(x[0], teacher, 3) },
		func(x []array) array { return refDistill(x[0], arrayOf(teacher), 3) }},
	{"Distill as a term", s(3, 5), func(x []*autograd.Var) *autograd.Var {
		return autograd.Add(autograd.CrossEntropy(x[0], labels), autograd.Distill(x[0], teacher, 0.5))
	}, func(x []array) array {
		return refAdd([]array{refCrossEntropy(x[0], labels), refDistill(x[0], arrayOf(teacher), 0.5)})
	}},

	{"CrossViews", s(4, 3, 5), func(x []*autograd.Var) *autograd.Var { return autograd.CrossViews(x[0], targets, 1) },
		func(x []array) array { return refCrossViews(x[0], arrayOf(targets), 1) }},
	{"CrossViews of one target, sharply", s(2, 3, 5), func(x []*autograd.Var) *autograd.Var {
		return autograd.CrossViews(x[0], targets.Slice(0, 1, 2), 0.5)
	}, func(x []array) array { return refCrossViews(x[0], arrayOf(targets.Slice(0, 1, 2)), 0.5) }},
	{"CrossViews as a term", s(2, 3, 5), func(x []*autograd.Var) *autograd.Var {
		return autograd.Mul(autograd.CrossViews(x[0], targets, 0.7), x[0])
	}, func(x []array) array { return refMul([]array{refCrossViews(x[0], arrayOf(targets), 0.7), x[0]}) }},

	{"Normalize", s(2, 3, 4), func(x []*autograd.Var) *autograd.Var { return autograd.Normalize(x[0]) },
		func(x []array) array { return refNormalize(x[0]) }},
	{"Normalize a weight", s(2, 4).s(3, 4), func(x []*autograd.Var) *autograd.Var {
		return autograd.Linear(x[0], autograd.Normalize(x[1]), nil)
	}, func(x []array) array { return refLinear(x[0], refNormalize(x[1]), nil) }},

	{"Standardize", s(5, 4), func(x []*autograd.Var) *autograd.Var { return autograd.Standardize(x[0], 0.1) }, refStandardize},
	{"Standardize rows of images", s(2, 3, 4), func(x []*autograd.Var) *autograd.Var { return autograd.Standardize(x[0], 0.1) }, refStandardize},

	{"Op of two operands", s(3, 4).s(4, 5), binary(matmul), func(x []array) array {
		return refLinear(x[0], each([]int{5, 4}, func(i []int) float64 { return x[1].at(i[1], i[0]) }), nil)
	}},
	{"Op that gives a view", s(3, 4).s(5, 4), func(x []*autograd.Var) *autograd.Var { return matmul(x[0], transpose(x[1])) },
		func(x []array) array { return refLinear(x[0], x[1], nil) }},

	{"Combine", s(3, 4), func(x []*autograd.Var) *autograd.Var { return autograd.Combine(weights, x[0]) }, refCombine},
	{"Combine rows of images", s(2, 3, 4), func(x []*autograd.Var) *autograd.Var { return autograd.Combine(weights, x[0]) }, refCombine},
	{"Combine a slice", s(1, 4, 4), func(x []*autograd.Var) *autograd.Var {
		return autograd.Combine(weights, autograd.Slice(x[0], 1, 1, 4))
	}, func(x []array) array {
		return refCombine([]array{each([]int{1, 3, 4}, func(i []int) float64 { return x[0].at(i[0], i[1]+1, i[2]) })})
	}},
}

// shapes lets a list of shapes be written as s(2, 3).s(4).
type shapes [][]int

func s(shape ...int) shapes            { return shapes{shape} }
func (l shapes) s(shape ...int) shapes { return append(l, shape) }

func binary(f func(a, b *autograd.Var) *autograd.Var) func(x []*autograd.Var) *autograd.Var {
	return func(x []*autograd.Var) *autograd.Var { return f(x[0], x[1]) }
}

// pairs takes keys and values in turn.
func pairs(x []*autograd.Var) []autograd.KV {
	var kv []autograd.KV
	for i := 0; i < len(x); i += 2 {
		kv = append(kv, autograd.KV{K: x[i], V: x[i+1]})
	}
	return kv
}

func attention(x []*autograd.Var) *autograd.Var {
	y, _ := autograd.Attention(x[0], 2, pairs(x[1:])...)
	return y
}

func mlp(act tensor.Activation) func(x []*autograd.Var) *autograd.Var {
	return func(x []*autograd.Var) *autograd.Var {
		return autograd.MLP(autograd.Residual{}, x[0], x[1], x[2], x[3], x[4], act)
	}
}

func refMLP(act func(array) array) func(x []array) array {
	return func(x []array) array { return refLinear(act(refLinear(x[0], x[1], &x[2])), x[3], &x[4]) }
}

// scale is 1, 2, ..., n on x's tape, of which no gradient is wanted.
func scale(x *autograd.Var, n int) *autograd.Var {
	t := tensor.New(n)
	for i := range n {
		t.Set(float32(i+1), i)
	}
	return x.Tape().Const(t)
}

// scales is 0.1, 0.2, ... on x's tape, of which no gradient is wanted.
func scales(x *autograd.Var, shape ...int) *autograd.Var {
	t := tensor.New(shape...)
	for i := range t.Data() {
		t.Data()[i] = float32(i+1) / 10
	}
	return x.Tape().Const(t)
}

// refScales is scales.
func refScales(shape ...int) array {
	i := 0.0
	return each(shape, func([]int) float64 { i++; return i / 10 })
}

func lowRank(x []*autograd.Var) *autograd.Var { return autograd.LowRank(x[0], x[1], x[2], 0.4) }

func refLowRank(x []array) array {
	return each(x[0].shape, func(i []int) float64 {
		sum := x[0].at(i...)
		for r := range x[1].shape[0] {
			sum += 0.4 * x[2].at(i[0], r) * x[1].at(r, i[1])
		}
		return sum
	})
}

// computedScale is scale in memory that the tape recycles.
func computedScale(x *autograd.Var, n int) *autograd.Var {
	return autograd.Mul(scale(x, n), x.Tape().Const(tensor.New(1).Fill(1)))
}

// refScale multiplies by scale's.
func refScale(x array) array {
	return each(x.shape, func(i []int) float64 { return x.at(i...) * float64(i[len(i)-1]+1) })
}

func refAttend(shape ...int) func(x []array) array {
	return func(x []array) array { return refAttention(shape, 2, x[0], x[1:]...) }
}

func refAdd(x []array) array {
	return each(tensor.Broadcast("refAdd", x[0].shape, x[1].shape), func(i []int) float64 { return x[0].at(i...) + x[1].at(i...) })
}

func refMul(x []array) array {
	return each(tensor.Broadcast("refMul", x[0].shape, x[1].shape), func(i []int) float64 { return x[0].at(i...) * x[1].at(i...) })
}

func refMask(p float32, shape ...int) array {
	rng := rand.New(rand.NewPCG(1, 2))
	return each(shape, func([]int) float64 {
		if rng.Float32() < p {
			return 0
		}
		return 1 / (1 - float64(p))
	})
}

// part is columns from to to-1 of x.
func part(x array, from, to int) array {
	return each(with(x.shape, to-from), func(i []int) float64 { return x.at(with(i, i[len(i)-1]+from)...) })
}

// params returns the operation's operands, random, all frozen but the wanted.
func (op operation) params(wanted func(i int) bool) []*autograd.Param {
	rng := rand.New(rand.NewPCG(7, 7))
	var ps []*autograd.Param
	for i, shape := range op.shapes {
		ps = append(ps, &autograd.Param{Value: tensortest.Random(rng, shape...), Frozen: !wanted(i)})
	}
	return ps
}

// leaves runs the operation on the Params themselves.
func (op operation) leaves(tp *autograd.Tape, ps []*autograd.Param) *autograd.Var {
	var x []*autograd.Var
	for _, p := range ps {
		x = append(x, tp.Param(p))
	}
	return op.do(x)
}

// freed runs the operation on copies of the Params, which it then
// frees, and makes other use of the memory.
func (op operation) freed(tp *autograd.Tape, ps []*autograd.Param) *autograd.Var {
	f := tp.Frame()
	var x []*autograd.Var
	for _, p := range ps {
		x = append(x, autograd.Mul(tp.Param(p), tp.Const(tensor.New(1).Fill(1))))
	}
	y := f.Keep(op.do(x))
	for _, p := range ps {
		for range 3 {
			big := tp.Const(tensor.New(p.Value.Shape()...).Fill(1e6))
			autograd.Mul(big, big)
		}
	}
	return y
}

// viewed runs the operation on views with gaps that have the Params' values.
func (op operation) viewed(tp *autograd.Tape, ps []*autograd.Param) *autograd.Var {
	var x []*autograd.Var
	for i, p := range ps {
		n := p.Value.Dim(-1)
		twice := tensor.New(2*n, n)
		for j := range 2 * n {
			twice.Set(1, j, j%n)
		}
		both := autograd.Linear(tp.Param(p), tp.Const(twice), nil) // [..., 2n]
		if i%2 == 0 {
			x = append(x, autograd.Slice(both, -1, n, 2*n))
		} else {
			x = append(x, autograd.Split(both, 2)[1])
		}
	}
	return op.do(x)
}

// total adds up all elements of v.
func total(v *autograd.Var) *autograd.Var {
	n := v.Value().Len()
	ones := v.Tape().Const(tensor.New(1, n).Fill(1))
	v = autograd.Mul(v, v.Tape().Const(tensor.New(1).Fill(1))) // contiguous
	return autograd.Reshape(autograd.Linear(autograd.Reshape(v, 1, n), ones, nil))
}

func TestOperations(t *testing.T) {
	for _, op := range operations {
		all := func(int) bool { return true }
		t.Run(op.name, func(t *testing.T) {
			t.Run("forward", func(t *testing.T) {
				var x []array
				for _, p := range op.params(all) {
					x = append(x, arrayOf(p.Value))
				}
				want := op.want(x)
				for _, tp := range []*autograd.Tape{{}, {NoGrad: true}} {
					got := op.leaves(tp, op.params(all)).Value()
					assert.Equal(t, fmt.Sprint(want.shape), fmt.Sprint(got.Shape()))
					tensortest.Close(t, want.data, got, 1e-5)
					assert.Equal(t, got.Contig().Data(), op.viewed(tp, op.params(all)).Value().Contig().Data())
				}
			})
			t.Run("all wanted", func(t *testing.T) { op.check(t, all) })
			for i := range op.shapes {
				t.Run(fmt.Sprintf("operand %d wanted", i), func(t *testing.T) {
					op.check(t, func(j int) bool { return i == j })
				})
			}
			t.Run("none wanted", func(t *testing.T) {
				tp := &autograd.Tape{}
				op.leaves(tp, op.params(func(int) bool { return false }))
				assert.Zero(t, autograd.Recorded(tp))
				tp = &autograd.Tape{NoGrad: true}
				op.leaves(tp, op.params(all))
				assert.Zero(t, autograd.Recorded(tp))
			})
		})
	}
}

// check compares the gradients of the wanted operands with differences of the function.
func (op operation) check(t *testing.T, wanted func(i int) bool) {
	for name, run := range map[string]func(*autograd.Tape, []*autograd.Param) *autograd.Var{
		"of leaves": op.leaves, "of freed": op.freed, "of views": op.viewed,
	} {
		ps := op.params(wanted)
		var learned []*autograd.Param
		for i, p := range ps {
			if wanted(i) {
				learned = append(learned, p)
			}
		}
		off, err := gradcheck.Error(rand.New(rand.NewPCG(3, 4)), func(tp *autograd.Tape) *autograd.Var { return run(tp, ps) }, learned...)
		require.NoError(t, err, name)
		assert.Less(t, off, 1e-4, name)

		tp := &autograd.Tape{}
		grads := tp.Backward(total(run(tp, ps)))
		assert.Len(t, grads, len(learned), "%s: a gradient nobody wants", name)
		for _, p := range learned {
			assert.Equal(t, p.Value.Shape(), grads[p].Shape(), name)
		}
	}
}

// A tape uses the adjoints of one step again in the next, whatever that computes.
func TestStepsOfManyKinds(t *testing.T) {
	all := func(int) bool { return true }
	gradients := func(tp *autograd.Tape, op operation) (gs []*tensor.Tensor) {
		ps := op.params(all)
		grads := tp.Backward(total(op.leaves(tp, ps)))
		for _, p := range ps {
			if g := grads[p]; g != nil {
				gs = append(gs, g.Clone())
			}
		}
		return gs
	}
	tp := &autograd.Tape{}
	for range 2 {
		for i := range operations {
			for _, op := range operations[max(0, i-1) : i+1] {
				tp.Rand = nil
				assert.Equal(t, gradients(&autograd.Tape{}, op), gradients(tp, op), op.name)
				tp.Reset()
			}
		}
	}
}

// TestTableComplete reads the package's source: no operation may lack a row.
func TestTableComplete(t *testing.T) {
	tested := map[string]bool{}
	for _, op := range operations {
		tested[strings.Fields(op.name)[0]] = true
	}
	files, err := filepath.Glob("*.go")
	require.NoError(t, err)
	found := 0
	for _, path := range files {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		require.NoError(t, err)
		for _, decl := range file.Decls {
			f, ok := decl.(*ast.FuncDecl)
			if !ok || f.Recv != nil || !f.Name.IsExported() || !returnsVar(f) {
				continue
			}
			found++
			assert.True(t, tested[f.Name.Name], "%s has no row in the table of operations", f.Name.Name)
		}
	}
	assert.Equal(t, len(tested), found, "the table names what does not exist")
}

func returnsVar(f *ast.FuncDecl) bool {
	found := false
	if f.Type.Results != nil {
		ast.Inspect(f.Type.Results, func(n ast.Node) bool {
			id, ok := n.(*ast.Ident)
			found = found || ok && id.Name == "Var"
			return true
		})
	}
	return found
}

func TestDropout(t *testing.T) {
	tp := &autograd.Tape{}
	v := tp.Const(tensor.New(20, 30).Fill(1))
	assert.Same(t, v, autograd.Dropout(v, 0.25))
	tp.Rand = rand.New(rand.NewPCG(1, 2))
	assert.Same(t, v, autograd.Dropout(v, 0))
	dropped := 0
	for _, y := range autograd.Dropout(v, 0.25).Value().Data() {
		if y == 0 {
			dropped++
		} else {
			assert.InDelta(t, 4.0/3, y, 1e-6)
		}
	}
	assert.InDelta(t, 150, dropped, 40)
}

func TestDropPath(t *testing.T) {
	x := tensor.New(200, 3).Fill(1)
	tp := &autograd.Tape{}
	v := tp.Const(x)
	assert.Same(t, v, autograd.DropPath(v, 0.25))
	tp.Rand = rand.New(rand.NewPCG(1, 2))
	assert.Same(t, v, autograd.DropPath(v, 0))
	y := autograd.DropPath(v, 0.25).Value()
	dropped := 0
	for i := range 200 {
		r := y.Select(0, i).Data()
		assert.Equal(t, []float32{r[0], r[0], r[0]}, r, "an image is dropped as a whole")
		if r[0] == 0 {
			dropped++
		} else {
			assert.InDelta(t, 4.0/3, r[0], 1e-6)
		}
	}
	assert.InDelta(t, 50, dropped, 20)
}
