// Package autograd computes gradients of functions of tensors. Operations such as Linear or Attention on the
// Vars of a Tape compute their result immediately and record their adjoint on the tape. Tape.Backward runs
// the adjoints in reverse and returns the gradient of the loss with respect to each Param.
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
// from the tape. A Frame frees a function's intermediate results earlier. Under the race detector or with
// -tags poison, memory is filled with NaN before its first use and after release, to detect use at the wrong
// time. No work is done and no memory kept for gradients that are not wanted: those of frozen Params and
// constants, and all on a tape with NoGrad. A Tape is for one goroutine; several tapes may use the same
// Params at once as long as nobody changes them.
//
// Each operation stands beside its adjoint: a function that computes, a struct of what the adjoint reads, and
// its method back. Losses that compute their gradient at once share the adjoint in loss.go. Operands
// whose shapes do not match are a bug of the caller: the operation panics with a *tensor.ShapeError. It also
// does so for a view with gaps, such as Slice and Split return; only those two, Add, Mul, Concat, Dropout,
// DropPath, Linear's weight and, if the last dimension has no gaps, Attention accept one. Reading order:
// tape.go, frame.go, linear.go, then any other.
package autograd
