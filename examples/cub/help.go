package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/promptcam/promptcam/nn/fit/knob"
	"github.com/promptcam/promptcam/vit"
)

const about = `cub trains Prompt-CAM on a folder of photographs with a pre-trained vision transformer, reports its accuracy
and draws what the prompt of each class attends to.

  cub
      trains on drawn birds with a backbone that comes with the program, and measures whether the maps hit the traits
  cub -data CUB_200_2011 -weights vit_tiny_patch16_224.safetensors -out out
      trains on photographs; stop it at any time and go on with the same line and -resume
  cub -download -out out
      the same with photographs and weights that are downloaded first
  cub -data CUB_200_2011 -weights vit_tiny_patch16_224.safetensors -out orioles -classes 54,55,56,57 -val 0
      trains on four classes alone and takes the last epoch
  cub -load out/model.safetensors -weights vit_tiny_patch16_224.safetensors -data CUB_200_2011 -out test
      evaluates on the folder's test images; without -weights for a checkpoint of the authors' code
  cub -load out/model.safetensors -weights vit_tiny_patch16_224.safetensors -explain oriole.jpg -class Scott_Oriole -out maps
      draws and prints what the model attends to in one photograph
  cub -load out/model.safetensors -weights vit_tiny_patch16_224.safetensors -add-class Altamira_Oriole -data CUB_200_2011 -out more
      adds the class whose photographs are in the folder Altamira_Oriole; the other prompts stay as they are

Training leaves in -out: report/index.html, model.safetensors, metrics.json, history.csv, predictions.csv,
curves.png, features.safetensors (see -cache), traits.csv (see -traits) and, until it has finished,
state.safetensors.

`

// groups is the order in which help lists the flags.
var groups = []string{"Photographs", "Model", "Training", "A trained model", "Results"}

// help prints all flags with their defaults.
func help(w io.Writer, s *settings) error {
	knobs := slices.SortedStableFunc(knob.Walk(s), func(a, b *knob.Knob) int {
		return cmp.Compare(slices.Index(groups, a.Group), slices.Index(groups, b.Group))
	})
	var b strings.Builder
	b.WriteString(about)
	if err := knob.Usage(&b, slices.Values(knobs)); err != nil {
		return err
	}
	b.WriteString("\nDefaults are those of mode last with adamw; -mode deep -h, -preset long -h, -optimizer sgd -h or -data birds -h show others.\n\nArchitectures:\n")
	for _, c := range vit.Presets() {
		fmt.Fprintf(&b, "  %s\n", c.Name)
	}
	_, err := io.WriteString(w, b.String())
	return err
}
