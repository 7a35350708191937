package kernel

import "fmt"

// Activation is a function of each element, as accurate as GELU.
type Activation int

const (
	Identity Activation = iota
	GELUAct
	QuickGELUAct
)

// After lists what is applied to a product, in this order, while it is still in the cache. A field that is
// nil, or without data, is skipped.
type After struct {
	Bias []float32 // for each column, added

	// Pre receives the result so far, to which Act is then applied. If Derivative is set, Pre is read
	// instead, and the result is multiplied by Act's derivative at Pre.
	Pre        Matrix
	Act        Activation
	Derivative bool

	Scale    []float32 // for each column, multiplied by
	Residual Matrix    // added; it must not share elements with the product
}

// nothing reports whether a leaves the product unchanged.
func (a *After) nothing() bool {
	return a == nil || a.Bias == nil && a.Pre.Data == nil && a.Act == Identity && a.Scale == nil && a.Residual.Data == nil
}

// check panics if the fields of a do not fit c. It tells the race detector what apply reads and writes.
func (a *After) check(c Matrix) {
	if a.Derivative && a.Pre.Data == nil {
		panic("kernel: Gemm: nothing to take the derivative at")
	}
	for _, x := range [][]float32{a.Bias, a.Scale} {
		if x != nil && len(x) != c.Cols {
			panic(fmt.Sprintf("kernel: Gemm: %d numbers for %d columns", len(x), c.Cols))
		}
		raceRead(x)
	}
	for _, m := range []Matrix{a.Pre, a.Residual} {
		if m.Data == nil {
			continue
		}
		if m.Rows != c.Rows || m.Cols != c.Cols || m.ColStride != 1 && m.Cols > 1 {
			panic(fmt.Sprintf("kernel: Gemm: %dx%d after a product of %dx%d", m.Rows, m.Cols, c.Rows, c.Cols))
		}
		m.check("after")
	}
	if a.Pre.Data != nil {
		if a.Derivative {
			a.Pre.raceRead()
		} else {
			a.Pre.raceWrite()
		}
	}
	if a.Residual.Data != nil {
		a.Residual.raceRead()
	}
}

// View returns the part of a for the rows x cols block of the product that starts at (i, j).
func (a *After) View(i, j, rows, cols int) After {
	v := *a
	if a.Bias != nil {
		v.Bias = a.Bias[j : j+cols]
	}
	if a.Scale != nil {
		v.Scale = a.Scale[j : j+cols]
	}
	if a.Pre.Data != nil {
		v.Pre = a.Pre.view(i, j, rows, cols)
	}
	if a.Residual.Data != nil {
		v.Residual = a.Residual.view(i, j, rows, cols)
	}
	return v
}

// apply applies a to c, a block of the product that starts at (i, j).
func (a *After) apply(t *tier, c Matrix, i, j int) {
	v := a.View(i, j, c.Rows, c.Cols)
	for r := range c.Rows {
		y := c.Data[r*c.RowStride:][:c.Cols]
		if v.Bias != nil {
			t.add(y, y, v.Bias)
		}
		var pre []float32
		if v.Pre.Data != nil {
			pre = v.Pre.Data[r*v.Pre.RowStride:][:c.Cols]
		}
		if v.Derivative {
			switch v.Act {
			case GELUAct:
				t.geluGrad(y, pre, y)
			case QuickGELUAct:
				t.quickGELUGrad(y, pre, y)
			}
		} else {
			copy(pre, y)
			switch v.Act {
			case GELUAct:
				t.gelu(y, y)
			case QuickGELUAct:
				t.quickGELU(y, y)
			}
		}
		if v.Scale != nil {
			t.mul(y, y, v.Scale)
		}
		if v.Residual.Data != nil {
			t.add(y, y, v.Residual.Data[r*v.Residual.RowStride:][:c.Cols])
		}
	}
}
