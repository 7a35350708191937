// Package kernel holds the inner loops of package tensor on plain slices of float32: matrix multiplication
// and the vector operations of a transformer.
//
// Every loop exists once in plain Go, which defines its result, and once per instruction set in assembly,
// which agrees up to rounding, or, for activations, up to a small absolute error (see GELU). NaN and
// infinities propagate as in the plain loop, except where an activation's derivative has the limit 0 (see
// GELUGrad). All functions are single-threaded and safe for concurrent use; they panic if lengths do not
// match.
//
// Reading order: gemm.go (how a product is cut into tiles), pack.go (how its right operand is copied),
// after.go (what is applied to its result), attention.go, vector.go (the other entry points), generic.go (the
// plain loops), tier.go (which implementation is used where), _asm (the generator of the assembly for amd64,
// AVX2 and AVX-512) and _asm/neon (that for arm64).
package kernel

// This line is not in tier_arm64.go because go generate skips files for other processors.
//go:generate go run -C _asm ./neon -out ../kernel_arm64.s -stubs ../kernel_arm64.go
