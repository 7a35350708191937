package main

import (
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/promptcam/promptcam/data"
	"github.com/promptcam/promptcam/examples/internal/console"
	"github.com/promptcam/promptcam/tensor/checkpoint"
)

// weightsFile, beside a trained model, holds the path of the file of its backbone.
const weightsFile = "weights.txt"

// remember writes to --out where the backbone of the model there is, so that later commands need no
// --weights.
func (s *source) remember() error {
	if s.Weights == "" || s.bundled() {
		return nil
	}
	path, err := filepath.Abs(s.Weights)
	if err != nil {
		return err
	}
	return checkpoint.WriteFile(filepath.Join(s.Out, weightsFile), func(w io.Writer) error {
		_, err := fmt.Fprintln(w, path)
		return err
	})
}

// recall returns the file of the model's backbone: where it was in training or, if it is no longer there, the
// file of that name in the model's folder or the present one. was is the path in training; both are empty if
// nothing is remembered, and path alone if there is no such file.
func (t *trained) recall() (path, was string) {
	text, err := data.ReadText(nil, filepath.Join(t.ModelDir, weightsFile))
	if err != nil {
		return "", "" // older, or without its folder
	}
	was = strings.TrimSpace(string(text))
	for _, path := range []string{was, filepath.Join(t.ModelDir, filepath.Base(was)), filepath.Base(was)} {
		file, _, _ := strings.Cut(path, "#") // before the key of a state dict
		if exists(path) || file != "" && exists(file) {
			return path, was
		}
	}
	return "", was
}

// forgottenWeights is the error for a model without the file of its backbone.
func (t *trained) forgottenWeights(name, sha256, was string) error {
	where := ""
	if was != "" {
		where = fmt.Sprintf("; it was in %s and is not there any more", was)
	}
	return console.Usagef("--weights is missing: %s needs the file of its backbone, %s (SHA-256 %.12s...)%s", t.file.Path(), data.Printable(name), sha256, where)
}
