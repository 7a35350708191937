package run_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/promptcam/promptcam/data/birds"
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
		fmt.Println(filepath.Base(e.Picture))
	}
	files, err := filepath.Glob(filepath.Join(job.Out, "*.*"))
	check(err)
	for _, f := range files {
		fmt.Println(filepath.Base(f))
	}
	// Output:
	// 12 test images, better than chance: true
	// Plain_Leafling_0013-maps.png
	// Plain_Leafling_0013-maps.png
	// curves.png
	// features.safetensors
	// history.csv
	// metrics.json
	// model.safetensors
	// predictions.csv
	// traits.csv
}
