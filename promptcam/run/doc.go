// Package run is what a program needs around a model: recipes, an opened data set, a training that can be
// interrupted, its results as files, and the uses of a trained model.
//
//	recipe := run.Quick()
//	set, err := run.OpenSet("CUB_200_2011", recipe)
//	job := run.NewJob(recipe, set, "out")
//	result, err := job.Train(ctx, backbone) // or Resume
//	for e, err := range job.Explain(ctx, result.Model, []string{"oriole.jpg"}) {
//		fmt.Println(e.Text, e.Picture)
//	}
//
// A Job holds the settings of all that can be done: Train, Resume, Evaluate, AddClass, Explain and Predict
// say which they use. OpenTest opens the folder that Evaluate tests a trained model on. Whatever must be told on
// the way goes to its Observer; the package prints nothing.
//
// Errors call a knob of Recipe or Job by its flag, such as --lr for Recipe.Schedule.Base, as its tag states it;
// knob.Walk lists them.
//
// Reading order: recipe.go; job.go and out.go; set.go, seen.go and images.go; train.go and state.go; results.go,
// report.go and traits.go; then what a trained model is used for.
package run
