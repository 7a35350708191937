// Package autograd differentiates what is computed with tensors.
//
// A Tape hands out Vars: tensors that know how they came to be. Operations such as Linear or Attention
// compute at once and note on the tape how to undo themselves; Tape.Backward walks the notes in reverse and
// returns the gradient of the loss with respect to each Param.
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
// step after the first allocates nearly nothing; it also ends every Var, tensor and Grads that came from the
// tape. A Frame frees earlier what a function computed on the way to its result. Under the race detector or
// with -tags poison, memory is filled with NaN before its first use and when it is taken back, so that use
// before initialisation or after release is detected.
//
// Nothing is computed or kept for a gradient that nobody wants: that of a frozen Param, of a constant, or of
// anything on a tape with NoGrad. A Tape is for one goroutine; several tapes may use the same Params at once
// as long as nobody changes them.
//
// Each operation and its adjoint are one file: a function that computes, a struct of what the adjoint reads,
// and its method back. Operands whose shapes do not fit are a bug of the caller: the operation panics with a
// *tensor.ShapeError. It also does so for a view with gaps, such as Slice and Split return; only those two,
// Add, Mul, Concat, Dropout, DropPath, Linear's weight and, if the last dimension has no gaps, Attention take
// one. Reading order: tape.go, frame.go, linear.go, then any other.
package autograd
