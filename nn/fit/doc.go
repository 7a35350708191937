// Package fit is the training loop: epochs of steps, a learning rate per step, running means, a guard against
// NaN, progress, and a Checkpoint after each epoch from which training resumes to the same bits.
//
// A Task supplies the batches and says what one step does. Run supplies everything else:
//
//	for e, err := range fit.Run(ctx, fit.Config{Epochs: 20, Schedule: optim.Schedule{Base: 0.01, Warmup: 1}}, task) {
//		if err != nil { ... }
//		e.Values["val_loss"] = validate()                // enters the history
//		err = e.Checkpoint.Write(file, nil)              // and the file
//	}
//
// The package knows nothing of models and losses: a step may use one tape or a tape per processor, one
// optimizer or several.
package fit
