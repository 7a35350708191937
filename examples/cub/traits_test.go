package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/promptcam/promptcam/data/birds"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// flock draws three species of one genus.
func flock(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "flock")
	require.NoError(t, birds.Write(t.Context(), dir, birds.Config{Species: birds.AllSpecies()[:3], Train: 4, Test: 4, Size: 32, Seed: 7}))
	return dir
}

func object(t *testing.T, in map[string]any, path ...string) map[string]any {
	t.Helper()
	for _, key := range path {
		next, ok := in[key].(map[string]any)
		require.True(t, ok, "%s of %v", key, path)
		in = next
	}
	return in
}

func TestTraitsOfDrawnBirds(t *testing.T) {
	weights, arch := tinyBackbone(t, nil)
	data, out := flock(t), t.TempDir()
	common := []string{"-data", data, "-weights", weights}
	load := append([]string{"evaluate", "--model"}, append([]string{out}, common...)...)
	stdout := must(t, append(common, "-arch", arch, "-epochs", "2", "-batch", "4", "-out", out)...)
	for _, want := range []string{"best head of the true class points at a trait", "of 12 test images", "class token", "moves the prediction to the other in", "of 16 pairs", "switches a mark off"} {
		assert.Contains(t, stdout, want)
	}

	m := object(t, readMetrics(t, out), "traits")
	assert.EqualValues(t, 12, m["images"])
	for _, of := range []string{"best_head", "top_head", "class_token_best_head", "class_token_mean"} {
		trait := object(t, m, of, "trait")
		for _, share := range []string{"points", "mass"} {
			s := object(t, trait, share)
			assert.True(t, 0 <= s["low"].(float64) && s["low"].(float64) <= s["mean"].(float64) && s["mean"].(float64) <= s["high"].(float64) && s["high"].(float64) <= 100)
			assert.EqualValues(t, 12, s["images"])
		}
		assert.Positive(t, trait["points_chance"])
		assert.InDelta(t, 100, object(t, m, of, "bird", "mass")["mean"].(float64)+object(t, m, of, "background", "mass")["mean"].(float64), 1e-9)
		assert.Contains(t, m[of], "head")
	}
	one, three := object(t, m, "first_map"), object(t, m, "first_three")
	assert.EqualValues(t, 12, object(t, one, "points")["images"], "any two of these species differ in a place that is seen")
	for _, of := range []string{"points", "mass"} {
		assert.LessOrEqual(t, object(t, one, of)["mean"], object(t, three, of)["mean"])
	}
	assert.Positive(t, one["points_chance"])
	assert.Contains(t, stdout, "What is shown first, the evidence for the predicted class against its look-alike, is strongest where the two differ in")
	if flips, ok := m["flips"].(map[string]any); ok { // of correct predictions, of which so short a training has few
		assert.GreaterOrEqual(t, object(t, flips, "strongest")["mean"], object(t, flips, "random")["mean"])
	}
	all := object(t, m, "counterfactual", "all")
	assert.EqualValues(t, 16, object(t, all, "moved")["images"])
	assert.EqualValues(t, 8, object(t, m, "counterfactual", "mark_switched_off", "moved")["images"])
	assert.Contains(t, all, "log_odds")
	assert.Contains(t, object(t, m, "counterfactual"), "recognised")
	classes := m["per_class"].([]any)
	require.Len(t, classes, 3)
	first := classes[0].(map[string]any)
	assert.Len(t, first["look_alikes"], 2, "equally alike")
	assert.Len(t, first["traits"], 2)
	assert.Len(t, classes[1].(map[string]any)["traits"], 1)

	rows := table(t, out, "traits.csv")
	assert.Equal(t, []string{"class", "head", "region", "images", "points", "chance", "mass", "area"}, rows[0])
	assert.GreaterOrEqual(t, len(rows), 1+3*3*(3+1), "classes, heads, regions")
	assert.Contains(t, read(t, out, "report", "index.html"), "Do the maps hit the right trait?")

	// The same is measured of a loaded model, from photographs in place of features.
	again := t.TempDir()
	must(t, append(load, "-out", again, "-quiet")...)
	loaded := object(t, readMetrics(t, again), "traits")
	assert.Equal(t, m["counterfactual"], loaded["counterfactual"])
	assert.InDelta(t, object(t, one, "mass")["mean"], object(t, loaded, "first_map", "mass")["mean"], 0.5, "the reference is in the model's file")
	assert.InDelta(t, object(t, m, "top_head", "trait", "mass")["mean"], object(t, loaded, "top_head", "trait", "mass")["mean"], 0.1, "features have 16 bits")

	off := t.TempDir()
	stdout = must(t, append(load, "-out", off, "-traits", "off")...)
	assert.NotContains(t, stdout, "best head")
	assert.NotContains(t, readMetrics(t, off), "traits")
	assert.NotContains(t, files(t, off), "traits.csv")

	t.Run("not as drawn", func(t *testing.T) {
		scenes := filepath.Join(data, "scenes.txt")
		text := read(t, scenes)
		write(t, scenes, strings.Replace(text, "\n5 ", "\n5 1", 1))
		foreign := t.TempDir()
		_, stderr, err := cub(t, t.Context(), append(load, "-out", foreign)...)
		require.NoError(t, err)
		assert.Contains(t, stderr, "Plain_Leafling_0005.png is not the Plain Leafling that this program draws from the seed in scenes.txt: no traits are exchanged")
		assert.NotContains(t, object(t, readMetrics(t, foreign), "traits"), "counterfactual")
		require.NoError(t, os.Remove(scenes))
		bare := t.TempDir()
		must(t, append(load, "-out", bare)...)
		assert.NotContains(t, object(t, readMetrics(t, bare), "traits"), "counterfactual")
	})
	t.Run("damaged", func(t *testing.T) {
		mask := filepath.Join(data, "masks", "parts", "001.Plain_Leafling", "Plain_Leafling_0006.png")
		require.NoError(t, os.Rename(mask, mask+"~"))
		fails(t, append(load, "-out", t.TempDir()), mask, "--traits off")
		write(t, filepath.Join(data, "differences.csv"), "what\n")
		fails(t, append(load, "-out", t.TempDir()), "differences.csv:1", "want class_a,class_b,kind")
	})
}

// CUB has points and boxes, but no masks, and does not tell what traits define a class.
func TestTraitsOfCUB(t *testing.T) {
	weights, arch := tinyBackbone(t, nil)
	data, out := lists(t, t.TempDir(), 3, 4), t.TempDir()
	var points, boxes strings.Builder
	for id := 1; id <= 21; id++ {
		fmt.Fprintf(&points, "%d 1 10.0 9.0 1\n%d 2 30.5 20.0 %d\n", id, id, id%2)
		fmt.Fprintf(&boxes, "%d 5.0 4.0 30.0 25.0\n", id)
	}
	write(t, filepath.Join(data, "parts", "parts.txt"), "1 left eye\n2 tail\n")
	write(t, filepath.Join(data, "parts", "part_locs.txt"), points.String())
	write(t, filepath.Join(data, "bounding_boxes.txt"), boxes.String())
	stdout := must(t, "-data", data, "-weights", weights, "-arch", arch, "-mode", "deep", "-epochs", "1", "-out", out)
	assert.Contains(t, stdout, "points at the bird in")
	m := object(t, readMetrics(t, out), "traits")
	assert.NotContains(t, m, "best_head")
	assert.NotContains(t, m, "counterfactual")
	first := object(t, m, "first_map")
	assert.EqualValues(t, 12, object(t, first, "points_bird")["images"])
	assert.Contains(t, first, "mass_bird")
	assert.NotContains(t, first, "points", "nobody says where two classes differ")
	assert.Contains(t, stdout, "against its look-alike, is strongest on the bird in")
	top := object(t, m, "top_head")
	assert.NotContains(t, top, "trait")
	assert.EqualValues(t, 12, object(t, top, "left eye", "points")["images"])
	assert.EqualValues(t, 6, object(t, top, "tail", "points")["images"], "hidden in half of the images")
	assert.InDelta(t, 100*30*25/(40*36.), object(t, top, "bird")["mass_even"], 3)
	assert.NotEmpty(t, table(t, out, "traits.csv")[1:])
	assert.Contains(t, read(t, out, "report", "index.html"), "Top-ranked head")
}
