// Program asm writes the assembly of package kernel with avo. go generate in package kernel runs it.
package main

import . "github.com/mmcloughlin/avo/build"

func main() {
	ConstraintExpr("!purego")
	transpose8()
	for _, v := range []isa{avx2, avx512} {
		v.tile()
		v.pack("pack", 2*v.lanes)
		v.pack("packA", v.rows)
		v.elementwise()
		v.reductions()
		v.softmax()
		v.attention()
		v.layerNorm()
		v.activations()
	}
	table("constants", constants)
	table("vectors", vectors)
	table("masks", laneMasks)
	Generate()
}
