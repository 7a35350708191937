package vit

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"
)

// Named returns the architecture of weights by its name: "auto" detects it, a .json file holds a Config, as
// examples/pretrain writes it, and any other name is a preset's.
func Named(name string, weights Header) (c Config, err error) {
	if name == "auto" {
		return Detect(weights)
	}
	if !strings.HasSuffix(name, ".json") {
		return Preset(name)
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return c, fmt.Errorf("vit: %w", err)
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&c); err != nil {
		return c, fmt.Errorf("vit: %s: want a JSON object with the fields of Config: %w", name, err)
	}
	return c, nil
}
