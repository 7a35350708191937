package main

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"strconv"

	"github.com/promptcam/promptcam/nn"
	"github.com/promptcam/promptcam/tensor/checkpoint"
	"github.com/promptcam/promptcam/vit"
)

func backbonePath(out string) string { return filepath.Join(out, "backbone.safetensors") }

// publish writes what an epoch leaves beside the state.
func publish(s *settings, teacher *vit.Model, history []epoch) error {
	if err := export(backbonePath(s.out), teacher, s.element()); err != nil {
		return err
	}
	text, err := json.MarshalIndent(teacher.Config, "", "\t")
	if err != nil {
		return fmt.Errorf("architecture: %w", err)
	}
	if err := writeFile(filepath.Join(s.out, "backbone.json"), append(text, '\n')); err != nil {
		return err
	}
	if err := writeMetrics(filepath.Join(s.out, "metrics.csv"), history); err != nil {
		return err
	}
	most := math.Log(float64(s.Outputs))
	if s.Contrast > 0 {
		most = math.Log(float64(min(s.Piece, s.Batch)))
	}
	curves, err := drawCurves(history, most)
	if err != nil {
		return err
	}
	return writeFile(filepath.Join(s.out, "curves.png"), curves)
}

// export writes a backbone as DINO's published files have it: its own names without a prefix.
func export(path string, m *vit.Model, element checkpoint.DType) error {
	infos, contents := map[string]checkpoint.Info{}, map[string][]byte{}
	for name, t := range nn.State(m) {
		infos[name] = checkpoint.Info{DType: element, Shape: t.Shape()}
		contents[name] = make([]byte, element.Size()*t.Len())
		element.Encode(contents[name], t.Data())
	}
	config, err := json.Marshal(m.Config)
	if err != nil {
		return fmt.Errorf("architecture: %w", err)
	}
	return checkpoint.Create(path, infos, contents, map[string]string{"format": "pt", "config": string(config)})
}

// writeMetrics writes a line per epoch. k-NN accuracies are in percent, and empty where there was
// no test.
func writeMetrics(path string, history []epoch) error {
	return checkpoint.WriteFile(path, func(w io.Writer) error {
		c := csv.NewWriter(w)
		c.Write([]string{"epoch", "loss", "teacher_entropy", "batch_entropy", "gradient", "knn_class", "knn_class_patches", "lr", "decay", "momentum", "temperature", "images", "seconds"})
		for i, e := range history {
			num := func(v float64) string { return strconv.FormatFloat(v, 'g', 7, 64) }
			knn, both := "", ""
			if e.Tested {
				knn, both = num(100*e.KNN), num(100*e.KNNBoth)
			}
			c.Write([]string{strconv.Itoa(i + 1), num(e.Loss), num(e.Entropy), num(e.Spread), num(e.Norm), knn, both,
				num(e.LR), num(e.Decay), num(e.Momentum), num(e.Temperature), strconv.Itoa(e.Images), num(e.Seconds)})
		}
		c.Flush()
		return c.Error()
	})
}

func writeFile(path string, content []byte) error {
	return checkpoint.WriteFile(path, func(w io.Writer) error {
		_, err := w.Write(content)
		return err
	})
}
