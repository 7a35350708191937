package features

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"

	"github.com/promptcam/promptcam/data"
	"github.com/promptcam/promptcam/tensor/checkpoint"
	"github.com/promptcam/promptcam/vit"
)

// Source is everything that tokens depend on except the photographs.
type Source struct {
	Backbone  string           // vit.Model's SHA256
	Arch      vit.Config       // its architecture
	Layer     int              // tokens are the input of this block, from 0; Arch.Depth: the output of the last
	Plain     data.Transform   // of views 0 and 1; applied without randomness
	Augmented data.Transform   // of all other views
	Seed      int64            // of their randomness
	Type      checkpoint.DType // F16 or F32; empty means F16
}

// Record is one view of a photograph.
type Record struct {
	Path string // in the file system given to Fill, with slashes
	View int
}

// String names the photograph and the view, "images/a.jpg, view 1".
func (r Record) String() string { return fmt.Sprintf("%s, view %d", r.Path, r.View) }

// Records returns the first views of the photographs in lists of items.
func Records(views int, lists ...[]data.Item) []Record {
	var all []Record
	for _, items := range lists {
		for _, it := range items {
			for v := range views {
				all = append(all, Record{it.Path, v})
			}
		}
	}
	return all
}

// shape returns the numbers of tokens and of their channels.
func (s Source) shape() (rows, dim int) {
	h, w := s.Arch.Grid()
	return s.Arch.Prefix() + h*w, s.Arch.Dim
}

// bytes returns the size of a record's tokens.
func (s Source) bytes() int {
	rows, dim := s.shape()
	return rows * dim * s.Type.Size()
}

// validate returns the first fault of s.
func (s Source) validate(augmented bool) error {
	if err := s.Arch.Validate(); err != nil {
		return err
	}
	if s.Type != checkpoint.F16 && s.Type != checkpoint.F32 {
		return fmt.Errorf("tokens of type %.20q, want F16 or F32", string(s.Type))
	}
	if s.Layer < 0 || s.Layer > s.Arch.Depth {
		return fmt.Errorf("tokens that enter block %d, want 0 to %d", s.Layer, s.Arch.Depth)
	}
	transforms := []data.Transform{s.Plain}
	if augmented {
		transforms = append(transforms, s.Augmented)
	}
	for _, t := range transforms {
		if err := t.Validate(); err != nil {
			return err
		}
		if size := s.Arch.ImageSize; t.Height != size[0] || t.Width != size[1] {
			return fmt.Errorf("transform to images of %dx%d pixels, the backbone wants %dx%d", t.Height, t.Width, size[0], size[1])
		}
	}
	return nil
}

// A difference is between the source of a file and the one asked for.
type difference struct {
	what   string // they differ in, "another backbone"
	reason string // the difference in numbers
}

// differences describes where s, the source of a file, differs from want. Another backbone explains another
// architecture, which is then not described.
func (s Source) differences(want Source, augmented bool) (all []difference) {
	differ := func(what, format string, have, want any) {
		if have != want {
			all = append(all, difference{what, fmt.Sprintf(format, have, want)})
		}
	}
	for _, of := range []*Source{&s, &want} { // without what does not affect tokens
		of.Arch.Name, of.Arch.Labels = "", 0
		of.Arch.Mean, of.Arch.Std = [3]float32{}, [3]float32{} // pixels are normalised by the transforms
	}
	differ("another backbone", "made by backbone %.12s, want %.12s", s.Backbone, want.Backbone)
	if s.Backbone == want.Backbone {
		all = append(all, fields("another architecture", "architecture", s.Arch, want.Arch)...)
	}
	differ("another layer", "tokens that enter block %d, want block %d", s.Layer, want.Layer)
	all = append(all, fields("another image size or normalisation", "plain transform", s.Plain, want.Plain)...)
	if augmented {
		all = append(all, fields("another augmentation", "augmented transform", s.Augmented, want.Augmented)...)
		differ("another augmentation", "augmentation drawn by seed %d, want %d", s.Seed, want.Seed)
	}
	differ("another type of number", "numbers of type %s, want %s", s.Type, want.Type)
	return all
}

// fields describes the fields in which two structs differ.
func fields(what, name string, have, want any) (all []difference) {
	h, w := reflect.ValueOf(have), reflect.ValueOf(want)
	for i := range h.NumField() {
		if a, b := h.Field(i).Interface(), w.Field(i).Interface(); a != b {
			all = append(all, difference{what, fmt.Sprintf("%s with %s %v, want %v", name, h.Type().Field(i).Name, a, b)})
		}
	}
	return all
}

// MismatchError lists why a file's tokens are not those asked for.
type MismatchError struct {
	Path    string
	What    string // what the tokens are for in the first place: "another backbone", "other photographs"
	Reasons []string
}

func mismatch(path string, all []difference) *MismatchError {
	e := &MismatchError{Path: path, What: all[0].what}
	for _, d := range all {
		e.Reasons = append(e.Reasons, d.reason)
	}
	return e
}

// Error names the file and lists every reason on one line.
func (e *MismatchError) Error() string {
	return fmt.Sprintf("features: %s holds features for %s: %s", e.Path, e.What, strings.Join(e.Reasons, "; "))
}

// see transforms a photograph for view v, an even one, before Normalise.
func (s Source) see(photo *data.RGB, path string, v int) (*data.RGB, data.Transform) {
	if v == 0 {
		return s.Plain.Apply(photo, nil), s.Plain
	}
	return s.Augmented.Apply(photo, random("view %d %d %s", s.Seed, v, path)), s.Augmented
}

// random returns a source seeded by the printed arguments.
func random(format string, a ...any) *rand.Rand {
	return rand.New(rand.NewChaCha8(sha256.Sum256(fmt.Appendf(nil, format, a...))))
}

// Size returns the approximate size of a file of so many records, in bytes.
func (s Source) Size(records int) int64 {
	s.Type = cmp.Or(s.Type, checkpoint.F16)
	return int64(records) * int64(s.bytes()+36)
}
