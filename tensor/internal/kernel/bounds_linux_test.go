package kernel

import (
	"math/rand/v2"
	"runtime/debug"
	"syscall"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
)

// fence is memory of which nothing around it can be read or written.
type fence []float32

func newFence(t *testing.T) fence {
	const page, size = 64 << 10, 192 << 10 // pages have 4 to 64 KB
	all, err := syscall.Mmap(-1, 0, size, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, syscall.Munmap(all)) })
	require.NoError(t, syscall.Mprotect(all[:page], syscall.PROT_NONE))
	require.NoError(t, syscall.Mprotect(all[size-page:], syscall.PROT_NONE))
	return unsafe.Slice((*float32)(unsafe.Pointer(&all[page])), (size-2*page)/4)
}

// put returns a copy of x at the beginning of f or at its end.
func (f fence) put(x []float32, end bool) []float32 {
	if end {
		f = f[len(f)-len(x):]
	}
	return f[:copy(f, x):len(x)]
}

// No kernel touches memory outside of its operands, be it only to read it.
func TestBounds(t *testing.T) {
	var fences []fence
	for range 5 {
		fences = append(fences, newFence(t))
	}
	put := func(x [][]float32, end bool) [][]float32 {
		y := make([][]float32, len(x))
		for i := range x {
			y[i] = fences[i].put(x[i], end)
		}
		return y
	}
	eachTier(t, func(t *testing.T, impl *tier) {
		defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
		rng := rand.New(rand.NewPCG(23, 24))
		for n := range 100 {
			for _, end := range []bool{false, true} {
				for _, e := range elementwises {
					x := make([][]float32, e.operands+1)
					for i := range x {
						x[i] = normals(rng, n)
					}
					x = put(x, end)
					require.NotPanics(t, func() { e.run(impl, x[0], x[1:]) }, "%s of %d", e.name, n)
				}
				for _, r := range reductions {
					x := make([][]float32, r.operands)
					for i := range x {
						x[i] = normals(rng, n)
					}
					x = put(x, end)
					require.NotPanics(t, func() { r.run(impl, x) }, "%s of %d", r.name, n)
				}
			}
		}
		for range 300 {
			m, k, n := 1+rng.IntN(30), 1+rng.IntN(20), 1+rng.IntN(100)
			a, b, c := layout(rng, m, k), layout(rng, k, n), Matrix{normals(rng, m*n), m, n, n, 1}
			x := put([][]float32{a.Data, b.Data, c.Data}, rng.IntN(2) == 1)
			a.Data, b.Data, c.Data = x[0], x[1], x[2]
			require.NotPanics(t, func() { gemm(impl, c, a, right{plain: b}, nil) }, "%dx%dx%d", m, k, n)
		}
	})
}
