package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/promptcam/promptcam/data"
	"github.com/promptcam/promptcam/examples/internal/console"
	"github.com/promptcam/promptcam/promptcam"
	"github.com/promptcam/promptcam/promptcam/run"
)

// do does what the command line asks for.
func do(ctx context.Context, s *settings, c *console.Console) error {
	if s.Load == "" {
		return train(ctx, s, c)
	}
	s.ModelDir = filepath.Dir(s.Load)
	m, err := openTrained(s)
	if err != nil {
		return err
	}
	if len(s.Explain) > 0 {
		return explain(ctx, s, c, m)
	}
	if s.Data != "" {
		if err := openData(s, c); err != nil {
			return err
		}
		if s.official {
			if got, want := len(s.Set.Classes), m.Config.Classes; got != want {
				return fmt.Errorf("-load %s has %d classes, -data %s has %d", s.Load, want, s.Data, got)
			}
			m.Classes = s.Set.Classes
		}
	}
	if s.AddClass != "" {
		if err := s.mayReplace("metrics.json", "another run"); err != nil {
			return err
		}
		_, err = s.Job.AddClass(ctx, m, s.AddClass)
		return err
	}
	if err := s.mayReplace("history.csv", "a training run"); err != nil {
		return err
	}
	_, err = s.Evaluate(ctx, m)
	return s.drawnAgain(err)
}

func train(ctx context.Context, s *settings, c *console.Console) error {
	if !s.Resume && !exists(s.Out, "state.safetensors") {
		if err := s.mayReplace("metrics.json", "another run"); err != nil {
			return err
		}
	}
	if err := openData(s, c); err != nil {
		return err
	}
	b, err := openBackbone(s)
	if err != nil {
		return err
	}
	if s.Resume {
		_, err = s.Job.Resume(ctx, b)
	} else {
		_, err = s.Train(ctx, b)
	}
	return s.drawnAgain(err)
}

func explain(ctx context.Context, s *settings, c *console.Console, m *promptcam.Model) error {
	var compare []int
	for _, name := range s.Class {
		class, err := (&data.Set{Root: s.Load, Classes: m.Classes}).Find(name)
		if err != nil {
			return fmt.Errorf("-class: %w", err)
		}
		compare = append(compare, class)
	}
	photos, err := s.Observer.Photographs(s.Explain...)
	if err != nil {
		return fmt.Errorf("-explain: %w", err)
	}
	for e, err := range s.Job.Explain(ctx, m, photos, compare...) {
		if err != nil {
			return fmt.Errorf("-explain: %w", err)
		}
		c.Result(e.Text + e.Picture)
	}
	return nil
}

// openData opens -data, -classes of it, and where things are in its images.
func openData(s *settings, c *console.Console) (err error) {
	if dir := filepath.Dir(filepath.Clean(s.Data)); filepath.Base(s.Data) == "images" && exists(dir, "images.txt") {
		c.Warn(fmt.Sprintf("-data %s: read as class folders, of which -test are held out; -data %s has the published test images", s.Data, dir))
	}
	if s.Set, err = run.OpenSet(s.Data, s.Recipe, s.Classes...); err != nil {
		return err
	}
	if s.Traits == "auto" {
		s.Notes, err = run.OpenNotes(s.Data)
	}
	return err
}

// mayReplace returns an error if -out, which must not be forgotten then, has a file of another run.
func (s *settings) mayReplace(name, of string) error {
	if s.isGiven("out") || !exists(s.Out, name) {
		return nil
	}
	return console.Usagef("-out is missing, and the folder %s, which it means then, holds the results of %s", s.Out, of)
}

// drawnAgain says what to do about drawn birds that cannot be read.
func (s *settings) drawnAgain(err error) error {
	var bad *run.BadImagesError
	if s.draws != "" && errors.As(err, &bad) {
		return fmt.Errorf("%d of %d drawn birds cannot be read, listed above: delete the folder %s, and they are drawn again", len(bad.Bad), bad.All, s.draws)
	}
	return err
}

func exists(path ...string) bool {
	_, err := os.Stat(filepath.Join(path...))
	return err == nil
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && !info.IsDir()
}
