package autograd

// Reshape returns x, which must be contiguous, with another shape of as many
// elements. It looks at x's memory; one size may be -1.
func Reshape(x *Var, shape ...int) *Var {
	x.Value().Data() // panics if a copy would be needed
	y := x.tape.viewOf(x, x.Value().Reshape(shape...))
	if y.needs {
		y.adjoint(x.giveGrad)
	}
	return y
}
