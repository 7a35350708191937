package pretrain

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"strconv"

	"github.com/promptcam/promptcam/nn"
	"github.com/promptcam/promptcam/nn/fit"
	"github.com/promptcam/promptcam/tensor/checkpoint"
	"github.com/promptcam/promptcam/vit"
)

// Export writes a backbone as a safetensors file with DINO's names, without a prefix, and its architecture in
// the metadata, for vit.Detect and vit.Load. The type is F32 or F16.
func Export(w io.Writer, b *vit.Model, t checkpoint.DType) error {
	config, err := json.Marshal(b.Config)
	if err != nil {
		return fmt.Errorf("architecture: %w", err)
	}
	return checkpoint.WriteAs(w, t, nn.State(b), map[string]string{"format": "pt", "config": string(config)})
}

// WriteMetrics writes a line of CSV per epoch. k-NN accuracies are in percent; empty: there was no test.
func WriteMetrics(w io.Writer, history fit.History) error {
	num := func(v float64) string { return strconv.FormatFloat(v, 'g', 7, 64) }
	c := csv.NewWriter(w)
	c.Write([]string{"epoch", "loss", Entropy, Spread, Norm, KNN, KNNPatches, "lr", Decay, Momentum, Temperature, "images", "seconds"})
	for i, e := range history {
		row := []string{strconv.Itoa(i + 1), num(e.Loss), num(e.Values[Entropy]), num(e.Values[Spread]), num(e.Values[Norm]), "", "",
			num(e.LR), num(e.Values[Decay]), num(e.Values[Momentum]), num(e.Values[Temperature]), strconv.Itoa(e.Images), num(e.Seconds)}
		if knn, ok := e.Values[KNN]; ok {
			row[5], row[6] = num(100*knn), num(100*e.Values[KNNPatches])
		}
		c.Write(row)
	}
	c.Flush()
	return c.Error()
}
