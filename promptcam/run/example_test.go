package run_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log"
	"os"
	"path/filepath"

	"github.com/promptcam/promptcam/data/birds"
	"github.com/promptcam/promptcam/promptcam"
	"github.com/promptcam/promptcam/promptcam/run"
	"github.com/promptcam/promptcam/vit/pretrained"
)

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

// Train by the recipe of the README on a few drawn birds, then explain one of them.
func Example() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "run")
	check(err)
	defer os.RemoveAll(dir)
	photographs := filepath.Join(dir, "birds")
	check(birds.Write(ctx, photographs, birds.Config{Species: birds.AllSpecies()[:3], Train: 12, Test: 4, Size: 96, Seed: 1}))

	recipe := run.DrawnBirds() // for photographs Quick
	set, err := run.OpenSet(photographs, recipe)
	check(err)
	job := run.NewJob(recipe, set, filepath.Join(dir, "out"))
	job.Notes, err = run.OpenNotes(photographs) // where the traits are
	check(err)
	result, err := job.Train(ctx, pretrained.Birds()) // caches features, tests, measures, reports and saves
	check(err)
	fmt.Println(len(result.Test.Predictions), "test images, better than chance:", result.Metrics.Test.Low > 100./3)

	photo := filepath.Join(photographs, set.Test[0].Path)
	for e, err := range job.Explain(ctx, result.Model, []string{photo}) {
		check(err)
		fmt.Println(filepath.Base(e.Picture)) // e is an Explained
	}
	for p, err := range job.Predict(ctx, result.Model, []string{photo}) { // p is a Prediction
		check(err)
		fmt.Println(len(p.Predicted) > 0, p.Err)
	}
	files, err := filepath.Glob(filepath.Join(job.Out, "*.*"))
	check(err)
	for _, f := range files {
		fmt.Println(filepath.Base(f))
	}
	// Output:
	// 12 test images, better than chance: true
	// Plain_Leafling_0013-maps.png
	// true <nil>
	// Plain_Leafling_0013-maps.png
	// curves.png
	// features.safetensors
	// history.csv
	// images.csv
	// metrics.json
	// model.safetensors
	// predictions.csv
	// traits.csv
}

// The defaults of a mode or of a kind of image, with some settings of one's own.
func ExampleDefaults() {
	recipe, err := run.Defaults{Drawn: true}.Resolve(map[string]string{"views": "2"})
	check(err)
	fmt.Println(recipe.Views, recipe.Rank, recipe.EpochsFor(1000))
	recipe, err = run.Defaults{}.Resolve(map[string]string{"mode": "deep"})
	check(err)
	fmt.Println(recipe.Agnostic, recipe.Batch)
	// Output:
	// 2 64 20
	// 30 16
}

// A program shows what a job tells its observer.
func ExampleObserver() {
	job := run.Job{Observer: run.Observer{
		Line: func(kind run.LineKind, text string) {
			if kind != run.Note {
				fmt.Println(text)
			}
		},
		Progress: func(p run.Progress) {
			fmt.Printf("%s: %d/%d, %v left\n", p.Part, p.Done, p.Total, p.Left())
		},
	}}
	photos, err := run.Photographs(job.Observer, "photographs", "oriole.jpg")
	fmt.Println(len(photos), errors.Is(err, fs.ErrNotExist))
	// Output: 0 true
}

// Test a model, name the classes that it rarely recognises, and add a class to it.
func ExampleJob_Evaluate() {
	_ = func(ctx context.Context, job *run.Job, model *promptcam.Model) error {
		result, err := job.Evaluate(ctx, model)
		if bad := new(run.BadImagesError); errors.As(err, &bad) {
			for _, b := range bad.Bad {
				fmt.Println(b.Item.Path, b.Err)
			}
		}
		if err != nil {
			return err
		}
		var m *run.Metrics = result.Metrics
		fmt.Println(m.Test, m.Test.Low, m.Test.High) // an Accuracy
		for _, c := range m.PerClass {               // a ClassAccuracy
			if c.Top1 != nil && *c.Top1 < 50 {
				fmt.Println(c.Class)
			}
		}
		for _, b := range result.Baselines { // a Baseline
			fmt.Println(b.Title, b.Accuracy)
		}
		for _, p := range result.Test.Predictions {
			fmt.Println(result.Set.Test[p.Index].Path, result.Set.Classes[p.Predicted])
		}
		addition, err := job.AddClass(ctx, model, "Altamira_Oriole") // an *Addition
		if err == nil {
			fmt.Println(addition.Class, addition.Recognised, addition.Taken)
		}
		return err
	}
}
