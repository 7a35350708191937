// Package autograd computes gradients of functions of tensors. Operations such as [Linear] or [Attention] on the
// Vars of a [Tape] compute their result immediately and record their adjoint on the tape. [Tape.Backward] runs
// the adjoints in reverse and returns the gradient of the loss with respect to each [Param].
//
//	tape := &autograd.Tape{}
//	for range steps {
//		loss := autograd.CrossEntropy(model.Forward(tape.Const(images)), labels)
//		optimizer.Step(rate, tape.Backward(loss))
//		tape.Reset()
//	}
//
// A tape does not copy the tensors, labels and Params given to it: they must not change before Backward has
// returned, and frozen Params not at all.
//
// The tape owns the memory of every result and gradient. Reset takes it back for the next step, so that a
// step after the first allocates nearly nothing; it also invalidates every Var, tensor and Grads that came
// from the tape. A [Frame] frees a function's intermediate results earlier. Under the race detector or with
// -tags poison, memory is filled with NaN before its first use and after release, to detect use at the wrong
// time. No work is done and no memory kept for gradients that are not wanted: those of frozen Params and
// constants, and all on a tape with NoGrad. A Tape is for one goroutine; several tapes may use the same
// Params at once as long as nobody changes them.
//
// Each operation stands beside its adjoint: a function that computes, a struct of what the adjoint reads, and
// its method back. Losses that compute their gradient at once share the adjoint in loss.go. [Op] makes an
// operation that the package does not have. Operands whose shapes do not match are a bug of the caller: the
// operation panics with a *tensor.ShapeError. Operands may be views with gaps, such as Slice and Split return.
// Slice, Split, Add, Mul, Concat, Dropout, DropPath, Combine, Linear's weight and, if the last dimension has no
// gaps, Gather and Attention read them as they are; Gather and Attention panic for others, and the rest copy
// them first. Reading order: tape.go, frame.go, linear.go, then any other.
package autograd
