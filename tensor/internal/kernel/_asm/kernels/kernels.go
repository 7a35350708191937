// Package kernels lists the kernels that have the same signature on every instruction set.
package kernels

import (
	"go/token"
	"go/types"
	"math"
)

var signatures = map[string]string{
	"add":            "(dst, a, b []float32)",
	"mul":            "(dst, a, b []float32)",
	"scale":          "(dst []float32, alpha float32, x []float32)",
	"axpy":           "(dst []float32, alpha float32, x []float32)",
	"dot":            "(a, b []float32) float32",
	"sum":            "(x []float32) float32",
	"exp":            "(dst, x []float32)",
	"scaledMax":      "(x []float32, scale float32) float32",
	"expSum":         "(dst, x []float32, scale, shift float32) float32",
	"softmaxGrad":    "(dst, y, dy []float32, scale, dot float32)",
	"maxRows":        "(most, x []float32, row, cols int)",
	"exp2Rows":       "(sum, x []float32, row, cols int, shift []float32)",
	"scaleRows":      "(x []float32, row, cols int, scale []float32)",
	"squares":        "(x []float32, mean float32) float32",
	"normalize":      "(dst, x, weight, bias []float32, mean, rstd float32)",
	"normalizeSums":  "(dy, x, weight []float32, mean, rstd float32) (sum, dot float32)",
	"normalizeGrad":  "(dx, dy, x, weight []float32, mean, rstd, meanG, meanGX float32)",
	"normalizeParam": "(dw, db, dy, x []float32, mean, rstd float32)",
	"gelu":           "(dst, x []float32)",
	"geluGrad":       "(dst, x, dy []float32)",
	"quickGELU":      "(dst, x []float32)",
	"quickGELUGrad":  "(dst, x, dy []float32)",
}

// Kernel describes a kernel. Each result is a sum of elements or, if Start is -Inf, their maximum.
type Kernel struct {
	Signature, Doc string
	Slices, Floats []string // parameters of these types, in order
	Results        int
	Start          float64 // what accumulators hold at first
}

// Named returns the kernel of that name. It panics if there is none.
func Named(name string) Kernel {
	t, err := types.Eval(token.NewFileSet(), nil, token.NoPos, "func"+signatures[name])
	if err != nil {
		panic("kernel " + name + ": " + err.Error())
	}
	signature := t.Type.(*types.Signature)
	k := Kernel{Signature: signatures[name], Doc: "is " + name + "Generic.", Results: signature.Results().Len()}
	if name == "scaledMax" {
		k.Start = math.Inf(-1)
	}
	for p := range signature.Params().Variables() {
		switch p.Type().String() {
		case "[]float32":
			k.Slices = append(k.Slices, p.Name())
		case "float32":
			k.Floats = append(k.Floats, p.Name())
		}
	}
	return k
}
