// Package optim provides optimizers and a schedule of the learning rate.
//
//	opt := optim.SGD{Momentum: 0.9, WeightDecay: 1e-3}.New(nn.Params(model))
//	rate := optim.Schedule{Base: 0.005, Min: 1e-6, Warmup: 20, Epochs: 130}
//	for each batch {
//		opt.Step(rate.At(epoch), tape.Backward(loss))
//	}
//
// An [Optimizer]'s State, saved with the model and loaded again, resumes training to the same bits. Package fit
// has the training loop.
package optim
