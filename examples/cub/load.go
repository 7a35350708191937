package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/promptcam/promptcam/data"
	"github.com/promptcam/promptcam/promptcam"
	"github.com/promptcam/promptcam/tensor/checkpoint"
	"github.com/promptcam/promptcam/vit"
	"github.com/promptcam/promptcam/vit/pretrained"
)

// trained is a model from a file.
type trained struct {
	*promptcam.Model
	classes []string // nil: the file does not say
}

// architecture returns what -arch and -size say of weights.
func architecture(s *settings, weights *checkpoint.File) (vit.Config, error) {
	c, err := namedArchitecture(s.arch, weights)
	if err != nil {
		return c, err
	}
	c.Labels = 0 // the pre-trained classifier is of no use here
	if s.size != [2]int{} {
		c.ImageSize = s.size
	}
	if err := c.Validate(); err != nil {
		return c, fmt.Errorf("-arch %s, -size: %w", s.arch, err)
	}
	return c, nil
}

func namedArchitecture(name string, weights *checkpoint.File) (c vit.Config, err error) {
	switch {
	case name == "auto":
		return vit.Detect(weights)
	case strings.HasSuffix(name, ".json"):
		text, err := os.ReadFile(name)
		if err != nil {
			return c, fmt.Errorf("-arch: %w", err)
		}
		d := json.NewDecoder(bytes.NewReader(text))
		d.DisallowUnknownFields()
		if err := d.Decode(&c); err != nil {
			return c, fmt.Errorf("-arch %s: want a JSON object with the fields of vit.Config: %w", name, err)
		}
		return c, nil
	}
	if c, err = vit.Preset(name); err != nil {
		return c, fmt.Errorf("-arch: %w", err)
	}
	return c, nil
}

// openWeights opens -weights.
func openWeights(s *settings) (*checkpoint.File, error) {
	if s.ownWeights {
		return pretrained.BirdsFile(), nil
	}
	f, err := checkpoint.Open(s.weights)
	if err != nil {
		return nil, fmt.Errorf("-weights: %w", err)
	}
	return f, nil
}

// openTrained loads -load: a model of ours on -weights, or an official checkpoint.
func openTrained(s *settings) (*trained, error) {
	f, err := checkpoint.Open(s.load)
	if err != nil {
		return nil, fmt.Errorf("-load: %w", err)
	}
	defer f.Close() // it is only read
	if promptcam.IsOfficial(f) {
		return openOfficial(s, f)
	}
	info, err := promptcam.ReadInfo(f)
	if err != nil {
		return nil, fmt.Errorf("-load: %w", err)
	}
	arch := info.Backbone.Config
	switch {
	case s.given["arch"] || s.given["size"]:
		return nil, usage("-arch and -size are in %s: %s at %dx%d pixels", s.load, arch.Name, arch.ImageSize[0], arch.ImageSize[1])
	case s.weights != "":
	case info.Backbone.SHA256 == pretrained.Birds().SHA256:
		s.weights, s.ownWeights = own, true
	default:
		return nil, usage("-weights is missing: %s was trained on the backbone %s with SHA-256 %s, which is not in it", s.load, arch.Name, info.Backbone.SHA256)
	}
	w, err := openWeights(s)
	if err != nil {
		return nil, err
	}
	defer w.Close() // it is only read
	b, err := vit.LoadFrom(w, arch)
	if err != nil {
		return nil, fmt.Errorf("-weights %s is not the %s that %s was trained on: %w", s.weights, arch.Name, s.load, err)
	}
	m, err := promptcam.Load(f, b)
	if err != nil {
		return nil, fmt.Errorf("-load: %w", err)
	}
	return &trained{m, m.Classes}, nil
}

// openOfficial loads a checkpoint of the authors' code, which has the backbone
// in it, and normalises and resizes as that code does when it tests.
func openOfficial(s *settings, f *checkpoint.File) (*trained, error) {
	if s.weights != "" {
		return nil, usage("-weights is not needed: %s, an official checkpoint, holds its own backbone", s.load)
	}
	c, err := architecture(s, f)
	if err != nil {
		return nil, err
	}
	m, err := promptcam.LoadOfficial(f, c)
	if err != nil {
		return nil, fmt.Errorf("-load: %w", err)
	}
	return &trained{m, nil}, nil
}

// evaluate tests a trained model on -data's test images and writes results,
// without training.
func evaluate(ctx context.Context, s *settings, c *console) error {
	m, set, err := openBoth(s, c)
	if err != nil {
		return err
	}
	if exists(s.out, "history.csv") && !s.given["out"] {
		return usage("-out is missing, and the folder %s, which it means then, holds the results of a training run", s.out)
	}
	if err := writable("out", s.out, reportDir(s.out)); err != nil {
		return err
	}
	notes, err := openNotes(s)
	if err != nil {
		return err
	}
	skipped, err := check(ctx, s, c, set, &set.Test)
	if err != nil {
		return err
	}
	if len(set.Test) == 0 {
		return fmt.Errorf("-data %s: no test image is left", s.data)
	}
	images, err := data.NewLoader(set.FS, set.Test, data.LoaderConfig{Transform: m.Transform, Batch: s.Batch, Workers: s.workers})
	if err != nil {
		return err
	}
	r := &results{settings: s, c: c, set: set, model: m.Model, skipped: skipped, arch: m.Backbone.Config.Name, images: images, notes: notes}
	return r.publish(ctx)
}

// openBoth loads -load and, if it is given, opens -data, the classes numbered
// as the model has them.
func openBoth(s *settings, c *console) (*trained, *data.Set, error) {
	m, err := openTrained(s)
	if err != nil {
		return nil, nil, err
	}
	if s.data == "" {
		if m.classes == nil {
			for i := range m.Config.Classes {
				m.classes = append(m.classes, strconv.Itoa(i+1))
			}
		}
		return m, nil, nil
	}
	set, err := openData(s, c)
	if err != nil {
		return nil, nil, err
	}
	if m.classes == nil {
		if len(set.Classes) != m.Config.Classes {
			return nil, nil, fmt.Errorf("-load %s has %d classes, -data %s has %d", s.load, m.Config.Classes, s.data, len(set.Classes))
		}
		m.classes = set.Classes
		return m, set, nil
	}
	if err := matchClasses(set, m.classes); err != nil {
		return nil, nil, fmt.Errorf("-data %s does not fit -load %s: %w", s.data, s.load, err)
	}
	return m, set, nil
}
