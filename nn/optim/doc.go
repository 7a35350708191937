// Package optim changes parameters so that a loss falls.
//
//	opt := optim.NewSGD(optim.SGD{Momentum: 0.9, WeightDecay: 1e-3}, nn.Params(model))
//	rate := optim.Schedule{Base: 0.005, Min: 1e-6, Warmup: 20, Epochs: 130}
//	for each batch {
//		opt.Step(rate.At(epoch), tape.Backward(loss))
//	}
//
// An Optimizer's State, saved beside the model and loaded again, continues
// training with the same bits as if it had never stopped.
package optim
