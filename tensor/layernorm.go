package tensor

import "github.com/promptcam/promptcam/tensor/internal/kernel"

// LayerNormTo writes to dst the rows of x along the last dimension, each with
// its mean taken off, divided by its standard deviation sqrt(var + eps) and
// then scaled by weight [D] and shifted by bias [D]. stats [rows, 2] receives
// each row's mean and 1/sqrt(var + eps) for the adjoint. All must be contiguous.
func LayerNormTo(dst, stats, x, weight, bias *Tensor, eps float32) {
	same("LayerNormTo", dst, x)
	n := x.Dim(-1)
	layerNormShapes("LayerNormTo", x, stats, weight, bias)
	d, s, m, w, b := dst.Data(), x.Data(), stats.Data(), weight.Data(), bias.Data()
	eachRow(x, func(i, j int) {
		m[i/n*2], m[i/n*2+1] = kernel.LayerNorm(d[i:j], s[i:j], w, b, eps)
	})
}

// LayerNormBackwardTo is the adjoint of LayerNormTo given dy, the gradient of
// its result, and the stats it wrote. It writes to dx, and adds to dw [D] and
// db [D]; dx may be nil or dy, and dw and db may be nil together. All must be contiguous.
func LayerNormBackwardTo(dx, dw, db, dy, x, weight, stats *Tensor) {
	same("LayerNormBackwardTo", dy, x)
	n := x.Dim(-1)
	layerNormShapes("LayerNormBackwardTo", x, stats, weight)
	g, s, m, w := dy.Data(), x.Data(), stats.Data(), weight.Data()
	if dw != nil {
		layerNormShapes("LayerNormBackwardTo", x, stats, dw, db)
		dw, db := dw.Data(), db.Data()
		// One core: the rows are summed in one order.
		for i := 0; i < len(s); i += n {
			kernel.LayerNormParamGrad(dw, db, g[i:i+n], s[i:i+n], m[i/n*2], m[i/n*2+1])
		}
	}
	if dx != nil {
		same("LayerNormBackwardTo", dx, x)
		d := dx.Data()
		eachRow(x, func(i, j int) {
			kernel.LayerNormGrad(d[i:j], g[i:j], s[i:j], w, m[i/n*2], m[i/n*2+1])
		})
	}
}

// layerNormShapes checks x, its statistics and parameters of the width of its rows.
func layerNormShapes(op string, x, stats *Tensor, params ...*Tensor) {
	for _, p := range params {
		if p.Len() != x.Dim(-1) || stats.Len()*x.Dim(-1) != 2*x.Len() {
			panic(&ShapeError{op, [][]int{x.shape, p.shape, stats.shape}, "want [rows, D], [D] and [rows, 2]"})
		}
	}
}
