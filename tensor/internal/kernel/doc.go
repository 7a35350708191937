// Package kernel holds the inner loops of package tensor on plain slices of float32: matrix multiplication
// and the vector operations of a transformer.
//
// Every loop exists once in plain Go, which says what it computes, and once per instruction set in assembly,
// which must compute the same up to rounding; of the activations, the same up to a small absolute error (see
// GELU). NaN and infinities propagate as in the plain loop, but where an activation's derivative has the
// limit 0 (see GELUGrad). All functions are single-threaded and safe for concurrent use; they panic if
// lengths do not fit.
//
// Reading order: gemm.go (how a product is cut into tiles), pack.go (how its right operand is copied),
// after.go (what becomes of its result), attention.go, vector.go (the other entry points), generic.go (the
// plain loops), tier.go (which implementation is used where), _asm (the generator of the assembly for amd64,
// AVX2 and AVX-512) and _asm/neon (that for arm64).
package kernel

// This line is not in tier_arm64.go because go generate passes over files that are not for the processor it
// runs on.
//go:generate go run -C _asm ./neon -out ../kernel_arm64.s -stubs ../kernel_arm64.go
