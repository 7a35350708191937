// Package tensor provides row-major float32 arrays of any rank and the operations a vision transformer needs,
// forward and adjoint. Methods such as a.Add(b) return new tensors and do not change their operands. Functions
// whose name ends in To, such as AddTo(dst, a, b), write their result to dst, which must have the result's
// shape. dst may be an operand of an elementwise operation, or overlap one; for any other operation it must not
// share memory with the operands unless the function allows it; matrix products and sums panic if it does. A
// function whose name ends in BackwardTo is the adjoint of the operation: it turns the gradient of the result
// into the gradients of the operands.
//
// Reshape, Transpose, Permute, Slice, Select and Expand return views, which share elements with their tensor.
// Elementwise operations broadcast as NumPy does: shapes are aligned at the last dimension, and a size of one
// fits any other. Operands whose shapes do not match are a bug of the caller: the operation panics with a
// [*ShapeError]. NaN and Inf propagate. Results have the same bits at any GOMAXPROCS: work is split over rows,
// columns, images and heads, and sums only into blocks that the shapes alone determine.
//
// Reading order: tensor.go, view.go, arith.go, run.go, reduce.go, matmul.go, then the fused operations
// linear.go, patches.go, softmax.go, layernorm.go, gelu.go, attention.go with its adjoint in
// attentiongrad.go, and crossentropy.go. resample.go holds the weights for resizing images, maps and position
// embeddings. The inner loops are in internal/kernel; internal/parallel distributes them over the cores.
package tensor
