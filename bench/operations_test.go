package bench

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas32"

	"github.com/promptcam/promptcam/tensor"
	"github.com/promptcam/promptcam/tensor/tensortest"
)

// measure runs f, whose one run does an amount of work, and reports how much of
// it was done in a second. A first run, not timed, has the memory of all later ones made.
func measure(b *testing.B, amount float64, unit string, f func()) {
	f()
	for b.Loop() {
		f()
	}
	b.ReportMetric(amount*float64(b.N)/b.Elapsed().Seconds(), unit)
}

func random(shape ...int) *tensor.Tensor {
	return tensortest.Random(rand.New(rand.NewPCG(1, uint64(len(shape)))), shape...)
}

type product struct{ m, k, n int }

func (p product) String() string { return fmt.Sprintf("%dx%dx%d", p.m, p.k, p.n) }

func (p product) gflop() float64 { return 2e-9 * float64(p.m) * float64(p.k) * float64(p.n) }

// A square, and the first Linear of a block's MLP: one image of ViT-B, eight of ViT-S.
var products = []product{{1024, 1024, 1024}, {197, 768, 3072}, {1576, 384, 1536}}

func BenchmarkGemm(b *testing.B) {
	for _, p := range products {
		x, y, dst := random(p.m, p.k), random(p.k, p.n), tensor.New(p.m, p.n)
		b.Run(p.String(), func(b *testing.B) {
			measure(b, p.gflop(), "GFLOP/s", func() { tensor.MatMulTo(dst, x, y) })
		})
	}
}

// The weight is packed before the clock starts, as that of a frozen layer is.
func BenchmarkGemmPacked(b *testing.B) {
	for _, p := range products {
		x, w, dst := random(p.m, p.k), random(p.n, p.k), tensor.New(p.m, p.n)
		packed := tensor.Pack(w)
		b.Run(p.String(), func(b *testing.B) {
			measure(b, p.gflop(), "GFLOP/s", func() { tensor.LinearTo(dst, x, w, packed, tensor.After{}) })
		})
	}
}

// Gonum is the peer in Go.
func BenchmarkGemmGonum(b *testing.B) {
	general := func(rows, cols int) blas32.General {
		return blas32.General{Rows: rows, Cols: cols, Stride: cols, Data: random(rows, cols).Data()}
	}
	for _, p := range products {
		x, y, dst := general(p.m, p.k), general(p.k, p.n), general(p.m, p.n)
		b.Run(p.String(), func(b *testing.B) {
			measure(b, p.gflop(), "GFLOP/s", func() { blas32.Gemm(blas.NoTrans, blas.NoTrans, 1, x, y, 0, dst) })
		})
	}
}

// Attention whose weights nobody reads: of ViT-S, and of ViT-B with 200 prompts beside the tokens.
func BenchmarkAttention(b *testing.B) {
	for _, a := range []struct{ batch, heads, rows, seen, dim int }{{8, 6, 197, 197, 64}, {8, 12, 197, 397, 64}} {
		d := a.heads * a.dim
		q, k, v := random(a.batch, a.rows, d), random(a.batch, a.seen, d), random(a.batch, a.seen, d)
		dst := tensor.New(a.batch, a.rows, d)
		gflop := 4e-9 * float64(a.batch*a.rows*a.seen*d)
		b.Run(fmt.Sprintf("%dx%dx%dx%dx%d", a.batch, a.heads, a.rows, a.seen, a.dim), func(b *testing.B) {
			measure(b, gflop, "GFLOP/s", func() { tensor.AttentionTo(dst, nil, nil, q, a.heads, tensor.KV{K: k, V: v}) })
		})
	}
}
