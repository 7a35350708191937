// Package pretrain teaches a vision transformer to see without labels, by DINO or MoCo v3.
//
// A student is shown views of an image: two global crops and some local ones. Its teacher, an exponential
// moving average (EMA) of the student, sees the global crops only, and the student learns to say of each view
// what the teacher says of the others.
//
//	c := pretrain.DefaultConfig()
//	images, err := pretrain.OpenFolder(data.Dir("photographs"))
//	run, err := pretrain.New(c, images)
//	for epoch, err := range run.Train(ctx) {
//		err = checkpoint.WriteFile("state.safetensors", run.WriteState)
//	}
//	err = pretrain.Export(file, run.Teacher, checkpoint.F16)
//
// A run that Resume continues from a state ends with the bits that it would have had without the
// interruption. Bits depend on neither GOMAXPROCS nor time.
//
// The loop is that of package nn/fit, and the settings are knobs, see package nn/fit/knob; errors call them
// by their flags.
//
// Reading order: run.go, an epoch; step.go, a step; objective.go, DINO's and MoCo v3's; network.go, student
// and teacher; views.go and crop.go, what they see.
package pretrain
