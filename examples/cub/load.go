package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/promptcam/promptcam/examples/internal/console"
	"github.com/promptcam/promptcam/promptcam"
	"github.com/promptcam/promptcam/tensor/checkpoint"
	"github.com/promptcam/promptcam/vit"
	"github.com/promptcam/promptcam/vit/pretrained"
)

// architecture returns what -arch and -size say of weights.
func architecture(s *settings, weights *checkpoint.File) (vit.Config, error) {
	c, err := namedArchitecture(s.Arch, weights)
	if err != nil {
		return c, err
	}
	c.Labels = 0 // the pre-trained classifier is of no use here
	if s.Size != (size{}) {
		c.ImageSize = [2]int(s.Size)
	}
	if err := c.Validate(); err != nil {
		return c, fmt.Errorf("-arch %s, -size: %w", s.Arch, err)
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
	f, err := checkpoint.Open(s.Weights)
	if err != nil {
		return nil, fmt.Errorf("-weights: %w", err)
	}
	return f, nil
}

// openTrained loads -load: a model of ours on -weights, or an official checkpoint.
func openTrained(s *settings) (*promptcam.Model, error) {
	f, err := checkpoint.Open(s.Load)
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
	case s.isGiven("arch") || s.isGiven("size"):
		return nil, console.Usagef("-arch and -size are in %s: %s at %dx%d pixels", s.Load, arch.Name, arch.ImageSize[0], arch.ImageSize[1])
	case s.Weights != "":
	case info.Backbone.SHA256 == pretrained.Birds().SHA256:
		s.Weights, s.ownWeights = own, true
	default:
		return nil, console.Usagef("-weights is missing: %s was trained on the backbone %s with SHA-256 %s, which is not in it", s.Load, arch.Name, info.Backbone.SHA256)
	}
	w, err := openWeights(s)
	if err != nil {
		return nil, err
	}
	defer w.Close() // it is only read
	b, err := vit.LoadFrom(w, arch)
	if err != nil {
		return nil, fmt.Errorf("-weights %s is not the %s that %s was trained on: %w", s.Weights, arch.Name, s.Load, err)
	}
	m, err := promptcam.Load(f, b)
	if err != nil {
		return nil, fmt.Errorf("-load: %w", err)
	}
	return m, nil
}

// openOfficial loads a checkpoint of the authors' code, which has the backbone in it.
func openOfficial(s *settings, f *checkpoint.File) (*promptcam.Model, error) {
	if s.Weights != "" {
		return nil, console.Usagef("-weights is not needed: %s, an official checkpoint, holds its own backbone", s.Load)
	}
	c, err := architecture(s, f)
	if err != nil {
		return nil, err
	}
	m, err := promptcam.LoadOfficial(f, c)
	if err != nil {
		return nil, fmt.Errorf("-load: %w", err)
	}
	s.official = true
	return m, nil
}

// openBackbone loads -weights as -arch.
func openBackbone(s *settings) (*vit.Model, error) {
	f, err := openWeights(s)
	if err != nil {
		return nil, err
	}
	defer f.Close() // it was only read
	c, err := architecture(s, f)
	if err != nil {
		return nil, err
	}
	b, err := vit.LoadFrom(f, c)
	if err != nil {
		return nil, fmt.Errorf("-weights %s, -arch %s: %w", s.Weights, s.Arch, err)
	}
	return b, nil
}
