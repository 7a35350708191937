package autograd

// Dropout sets each element of x to zero with probability p and scales the others by 1/(1-p) (Srivastava et
// al., JMLR 2014). On a tape without Rand, and for p = 0, it returns x itself.
func Dropout(x *Var, p float32) *Var {
	if p <= 0 || x.tape.Rand == nil {
		return x
	}
	return drop(x, p, x.Shape()...)
}

// DropPath sets all of x [B, ...] to zero for an image with probability p and scales the other images by
// 1/(1-p): stochastic depth (Huang et al., arXiv 1603.09382), applied to a branch before its residual is
// added. On a tape without Rand, and for p = 0, it returns x itself.
func DropPath(x *Var, p float32) *Var {
	if p <= 0 || x.tape.Rand == nil {
		return x
	}
	var room [8]int // on the stack
	shape := append(room[:0], x.Shape()...)
	for i := range shape[1:] {
		shape[1+i] = 1
	}
	return drop(x, p, shape...)
}

// drop multiplies x by a random mask of the given shape.
func drop(x *Var, p float32, shape ...int) *Var {
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
