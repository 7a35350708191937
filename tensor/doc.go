// Package tensor provides row-major float32 arrays of any rank and the operations a vision transformer needs,
// forward and adjoint.
//
// Methods such as a.Add(b) return new tensors and leave their operands alone. Functions whose name ends in
// To, such as AddTo(dst, a, b), write their result to dst, which must have the result's shape. dst may be one
// of the operands of an elementwise operation; of any other it must not share memory with them, unless the
// function says that it may. A function whose name ends in BackwardTo is the adjoint of the operation: it
// turns the gradient of the result into the gradients of the operands.
//
// Reshape, Transpose, Permute, Slice, Select and Expand return views, which share elements with their tensor.
// Elementwise operations broadcast as NumPy does: shapes are aligned at the last dimension, and a size of one
// fits any other.
//
// Operands whose shapes do not fit are a bug of the caller: the operation panics with a *ShapeError. NaN and
// Inf propagate. Results are the same bits at any GOMAXPROCS: work is split over rows, columns, images and
// heads, and a sum only into blocks that the shapes alone determine.
//
// Reading order: tensor.go, view.go, arith.go, run.go, reduce.go, matmul.go, then the fused operations
// linear.go, patches.go, softmax.go, layernorm.go, gelu.go, attention.go with its adjoint in
// attentiongrad.go, and crossentropy.go. resample.go holds the weights by which images, maps and position
// embeddings are resized. The loops themselves are in internal/kernel, and how they are shared among cores in
// internal/parallel.
package tensor
