package main

import (
	"encoding/json"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/promptcam/promptcam/data/datatest"
	"github.com/promptcam/promptcam/nn"
	"github.com/promptcam/promptcam/tensor"
	"github.com/promptcam/promptcam/tensor/checkpoint"
	"github.com/promptcam/promptcam/vit"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// trainedModel trains a little, with more flags.
func trainedModel(t *testing.T, data string, more ...string) (out, weights string) {
	t.Helper()
	weights, arch := tinyBackbone(t, nil)
	out = t.TempDir()
	must(t, append([]string{"-data", data, "-weights", weights, "-arch", arch, "-mode", "deep", "-epochs", "2", "-samples", "0", "-out", out}, more...)...)
	return out, weights
}

func TestLoadGivesTheRunsNumbersAgain(t *testing.T) {
	data := datatest.Photographs(t, t.TempDir(), 10)
	out, weights := trainedModel(t, data)
	again := t.TempDir()
	stdout := must(t, "evaluate", "--model", filepath.Join(out, "model.safetensors"), "-weights", weights, "-data", data, "-out", again)
	assert.Contains(t, stdout, "test top-1")
	assert.Equal(t, []string{"metrics.json", "predictions.csv", "report/index.html"}, files(t, again))
	assert.Equal(t, read(t, out, "predictions.csv"), read(t, again, "predictions.csv"))
	was, is := readMetrics(t, out), readMetrics(t, again)
	for _, key := range []string{"test", "test_images", "mode", "arch", "per_class", "backbone_sha256"} {
		assert.Equal(t, was[key], is[key], key)
	}
	for _, key := range []string{"val", "train_images", "epochs"} {
		assert.Contains(t, is, key)
		assert.Nil(t, is[key])
	}
}

// With features kept in 16 bits, the run's scores are those of -load but for their rounding.
func TestLoadAfterTrainingOnFeatures(t *testing.T) {
	data := datatest.Photographs(t, t.TempDir(), 10)
	out, weights := trainedModel(t, data, "-mode", "last")
	again := t.TempDir()
	must(t, "evaluate", "--model", filepath.Join(out, "model.safetensors"), "-weights", weights, "-data", data, "-out", again)
	want, got := table(t, out, "predictions.csv"), table(t, again, "predictions.csv")
	require.Len(t, got, len(want))
	for i, row := range want[1:] {
		assert.Equal(t, row[:2], got[i+1][:2])
		for j, score := range row[4:] {
			a, err := strconv.ParseFloat(score, 64)
			require.NoError(t, err)
			b, err := strconv.ParseFloat(got[i+1][4+j], 64)
			require.NoError(t, err)
			assert.InDelta(t, a, b, 0.01)
		}
	}
}

func TestLoadMatchesClassesByName(t *testing.T) {
	data := datatest.Photographs(t, t.TempDir(), 10)
	out, weights := trainedModel(t, data)
	model := filepath.Join(out, "model.safetensors")

	fewer := t.TempDir() // without blue, so that all numbers differ
	datatest.Photographs(t, fewer, 10)
	require.NoError(t, os.RemoveAll(filepath.Join(fewer, "blue")))
	again := t.TempDir()
	must(t, "evaluate", "--model", model, "-weights", weights, "-data", fewer, "-out", again)
	rows := table(t, again, "predictions.csv")
	assert.Equal(t, datatest.Classes, rows[0][4:])
	whole := map[string][]string{}
	for _, row := range table(t, out, "predictions.csv")[1:] {
		whole[row[0]] = row
	}
	shared := 0
	for _, row := range rows[1:] {
		if want, ok := whole[row[0]]; ok {
			assert.Equal(t, want, row)
			shared++
		}
	}
	assert.Positive(t, shared)

	datatest.Photograph(t, filepath.Join(fewer, "mauve", "1.png"), 0, 0)
	datatest.Photograph(t, filepath.Join(fewer, "mauve", "2.png"), 0, 1)
	fails(t, []string{"evaluate", "--model", model, "-weights", weights, "-data", fewer, "-out", again}, "1 of the folder's 3 are not among them", "mauve")
}

func TestLoadRefuses(t *testing.T) {
	data := datatest.Photographs(t, t.TempDir(), 6)
	out, weights := trainedModel(t, data)
	model := filepath.Join(out, "model.safetensors")
	other, _ := tinyBackbone(t, func(w tensors) { w["cls_token"].Data()[0]++ })
	load := []string{"evaluate", "--model", model, "-data", data, "-out", t.TempDir()}

	require.NoError(t, os.Remove(filepath.Join(out, "weights.txt")))
	fails(t, load, "--weights is missing", "tiny", "SHA-256")
	fails(t, append(load, "-weights", weights, "-out", out), "--out "+out+" holds the results of a training")
	fails(t, append(load, "-weights", other), "--weights "+other+": ", model, "was trained on backbone tiny with SHA-256")
	fails(t, append(load, "-weights", model), "--weights "+model+" is a trained Prompt-CAM, which does not hold its backbone")
	folder := t.TempDir()
	for _, name := range []string{"model.safetensors", "features.safetensors", "metrics.json"} {
		write(t, filepath.Join(folder, name), "")
	}
	fails(t, append(load, "-weights", folder), "--weights "+folder+" is the folder of a trained model, want the file of its backbone")
	fails(t, append(load, "-weights", weights, "-epochs", "3"), "cub evaluate has no flag --epochs")
	fails(t, append(load, "-weights", weights, "-size", "64"), "--arch and --size are stated by "+model)
	fails(t, []string{"evaluate", "--model", weights, "-data", data, "-weights", weights, "-out", t.TempDir()}, weights, "is a backbone, a ViT of 3 blocks")
	fails(t, []string{"evaluate", "--model", filepath.Join(out, "none"), "-data", data, "-out", t.TempDir()}, "--model "+filepath.Join(out, "none")+": no such file")
	fails(t, []string{"evaluate", "--model", filepath.Join(out, "metrics.json"), "-data", data, "-out", t.TempDir()}, "metrics.json", "neither safetensors nor a PyTorch file")
	short := filepath.Join(t.TempDir(), "short.safetensors")
	write(t, short, read(t, model)[:2000])
	fails(t, []string{"evaluate", "--model", short, "-data", data, "-weights", weights, "-out", t.TempDir()}, "--model", short)

	t.Chdir(filepath.Dir(out))
	require.NoError(t, os.Rename(out, "out"))
	fails(t, []string{"evaluate", "--model", "out", "-weights", weights, "-data", data}, "--out is missing", "holds the results of another run")
	fails(t, []string{"-data", data, "-weights", weights}, "--out is missing", "holds the results of another run")
}

// A model's folder says where its backbone is, so that --weights is seldom needed, and never is another one
// taken for it.
func TestWeightsAreRemembered(t *testing.T) {
	photographs := datatest.Photographs(t, t.TempDir(), 6)
	out, weights := trainedModel(t, photographs, "-mode", "last")
	photo := filepath.Join(photographs, "red", "0.jpg")
	predict := []string{"predict", "--model", out, photo}
	stdout, stderr, err := cub(t, t.Context(), predict...)
	require.NoError(t, err)
	assert.Contains(t, stderr, "weights: "+weights+", as in training")
	assert.Equal(t, stdout, must(t, append(predict, "--weights", weights)...))

	more, class := t.TempDir(), filepath.Join(t.TempDir(), "mauve")
	for i := range 3 {
		datatest.Photograph(t, filepath.Join(class, strconv.Itoa(i)+".png"), 1, i)
	}
	must(t, "add-class", "--model", out, class, "--out", more)
	must(t, "explain", "--model", filepath.Join(more, "model.safetensors"), photo, "--out", t.TempDir())

	// It has moved to the model's folder, or to the present one.
	name := filepath.Base(weights)
	require.NoError(t, os.Rename(weights, filepath.Join(out, name)))
	assert.Equal(t, stdout, must(t, predict...))
	here := t.TempDir()
	t.Chdir(here)
	require.NoError(t, os.Rename(filepath.Join(out, name), name))
	assert.Equal(t, stdout, must(t, predict...))

	other, _ := tinyBackbone(t, func(w tensors) { w["cls_token"].Data()[0]++ })
	require.NoError(t, os.Remove(name))
	fails(t, predict, "--weights is missing", "tiny", weights+" and is not there any more")
	require.NoError(t, os.Rename(other, name))
	fails(t, predict, "was trained on backbone tiny with SHA-256", "got tiny with")
}

// A folder stands for the model in it; what else is given as one is named.
func TestModelOrFolder(t *testing.T) {
	photographs := datatest.Photographs(t, t.TempDir(), 6)
	out, weights := trainedModel(t, photographs, "-mode", "last")
	photo := filepath.Join(photographs, "red", "0.jpg")
	explain := func(model string) []string {
		return []string{"explain", "--model", model, "--weights", weights, photo, "--out", filepath.Join(out, "maps")}
	}
	assert.Equal(t, must(t, explain(out)...), must(t, explain(filepath.Join(out, "model.safetensors"))...))
	fails(t, explain(photographs), "--model "+photographs+": no model.safetensors in this folder, want the --out of a training")
	fails(t, explain(filepath.Join(out, "features.safetensors")), "is a file of cached features: want the model.safetensors that training left")
	train := []string{"train", "--data", photographs, "--out", t.TempDir(), "--weights"}
	fails(t, append(train, filepath.Join(out, "model.safetensors")), "is a trained Prompt-CAM, which does not hold its backbone")
	fails(t, append(train, filepath.Join(out, "features.safetensors")), "is a file of cached features: want the file of a pre-trained backbone")
	unfinished := t.TempDir()
	write(t, filepath.Join(unfinished, "state.safetensors"), "")
	fails(t, explain(unfinished), "the training in this folder has not ended: cub train with the same flags and --resume continues it")
	add := []string{"add-class", "--model", out, "--weights", weights, "--out", t.TempDir()}
	fails(t, append(add, filepath.Join(out, "none")), "none: no such folder")
	fails(t, append(add, photo), photo+" is a file, want the folder of the new class's photographs")
	for _, classes := range []string{"200", "0", "Gren", "red,mauve"} {
		misused(t, "--compare: no class", append(explain(out), "--compare", classes)...)
	}
	for _, classes := range []string{"red,9", "rde,blue", "red", "red,red"} {
		misused(t, "--classes: ", append(train, weights, "--classes", classes)...)
	}
	misused(t, "classes are 1 to 3", append(explain(out), "--compare", "200")...)
}

// Whatever a file's metadata are, inspect gives each a line of limited length.
func TestInspectPrintsTheBeginningOfLongMetadata(t *testing.T) {
	path := filepath.Join(t.TempDir(), "w.safetensors")
	w := nn.Tensors{"w": tensor.New(2)}
	require.NoError(t, checkpoint.Save(path, w, map[string]string{"long": strings.Repeat("\n", 1<<20), "title": "one\ntwo\x1b[2J"}))
	text := must(t, "inspect", path)
	assert.Contains(t, text, "  long: "+strings.Repeat(`\n`, 200)+"\n  title: one\\ntwo\\x1b[2J\n  w F32 [2]\n")
}

// inspect lists what a folder holds.
func TestInspectFolder(t *testing.T) {
	photographs := datatest.Photographs(t, t.TempDir(), 6)
	out, _ := trainedModel(t, photographs, "-mode", "last")
	write(t, filepath.Join(out, "torn.pth"), "no weights")
	text := must(t, "inspect", out)
	assert.Contains(t, text, filepath.Join(out, "model.safetensors")+": a Prompt-CAM of 3 classes, mode last")
	assert.Contains(t, text, filepath.Join(out, "features.safetensors")+": a file of cached features")
	assert.Contains(t, text, filepath.Join(out, "torn.pth")+": neither safetensors nor a PyTorch file")
	assert.NotContains(t, text, "metrics.json")
	fails(t, []string{"inspect", photographs}, photographs+": no weights (.safetensors, .pth,")
	fails(t, []string{"inspect", filepath.Join(out, "none")}, "none: no such file")
}

// Where the shell leaves a pattern to the program, as on Windows, it is the files that match.
func TestPatterns(t *testing.T) {
	photographs := datatest.Photographs(t, t.TempDir(), 6)
	out, _ := trainedModel(t, photographs)
	stdout := must(t, "predict", "--model", out, filepath.Join(photographs, "r*", "[02].*"))
	assert.Equal(t, 3, strings.Count(stdout, "\n"), stdout)
	fails(t, []string{"predict", "--model", out, filepath.Join(photographs, "*.jpg")}, "no file or folder matches")
}

// The authors' checkpoints hold everything but the class names.
func TestOfficialCheckpoint(t *testing.T) {
	const model = "../../tensor/checkpoint/testdata/golden/clip/model.pt"
	half := [3]float32{0.5, 0.5, 0.5}
	text, err := json.Marshal(vit.Config{
		Name: "golden-clip", ImageSize: [2]int{32, 32}, PatchSize: 16, Dim: 32, Depth: 2, Heads: 2, Hidden: 128,
		PreNorm: true, QuickGELU: true, Eps: 1e-5, Mean: half, Std: half,
	})
	require.NoError(t, err)
	arch := filepath.Join(t.TempDir(), "clip.json")
	write(t, arch, string(text))
	data, out := datatest.Photographs(t, t.TempDir(), 5), t.TempDir()

	must(t, "evaluate", "--model", model, "-arch", arch, "-data", data, "-out", out)
	m := readMetrics(t, out)
	assert.Equal(t, "deep", m["mode"])
	assert.Equal(t, "golden-clip", m["arch"])
	assert.Equal(t, datatest.Classes, table(t, out, "predictions.csv")[0][4:])

	stdout := must(t, "explain", "--model", model, "-arch", arch, filepath.Join(data, "red", "0.jpg"), "--compare", "2", "-out", out)
	assert.Contains(t, stdout, "heads of the prompt of 2,")

	fails(t, []string{"evaluate", "--model", model, "-arch", arch, "-data", data, "-weights", arch, "-out", out}, "--weights is not needed")
	fails(t, []string{"evaluate", "--model", model, "-arch", "dino-vitb16", "-data", data, "-out", out}, "--model", model)
	fails(t, []string{"evaluate", "--model", model, "-arch", arch, "-data", data, "-classes", "1,2", "-out", out}, "has 3 classes", "has 2")
	fails(t, []string{"evaluate", "--model", model, "-data", data, "-out", out}, "clip", "-arch")
}

// What is said of the backbone's file, to who gave another or one with more in it.
func TestWeightsAreDescribed(t *testing.T) {
	data := datatest.Photographs(t, t.TempDir(), 4)
	weights, arch := tinyBackbone(t, func(w tensors) { w["criterion.weight"], w["n_averaged"] = w["norm.bias"], w["norm.bias"] })
	args := []string{"-data", data, "-weights", weights, "-arch", arch, "-epochs", "1", "-samples", "0", "-out", t.TempDir()}
	_, stderr, err := cub(t, t.Context(), args...)
	require.NoError(t, err)
	assert.Contains(t, stderr, "--weights "+weights+": left aside what is no part of the backbone: criterion.weight, n_averaged")

	fails(t, append(args, "-arch", "dino-vitb16"), `the weights are a ViT of 3 blocks of width 24 with patches of 8 pixels, architecture "dino-vitb16" is a ViT-B/16`)
	fails(t, append(args, "-arch", "vit_tiny"), "--arch", `no preset "vit_tiny"; near it: augreg-vitti16`)
	distilled, _ := tinyBackbone(t, func(w tensors) { w["dist_token"] = w["cls_token"] })
	for _, arch := range []string{"auto", arch, "deit-vitti16"} {
		fails(t, append(args, "-weights", distilled, "-arch", arch), distilled, "unsupported architecture: a DeiT with distillation token (dist_token)")
	}
}

func TestExplain(t *testing.T) {
	data := datatest.Photographs(t, t.TempDir(), 6)
	require.NoError(t, os.Rename(filepath.Join(data, "blue"), filepath.Join(data, "blue, dark")))
	model, weights := trainedModel(t, data)
	out := t.TempDir()
	red, blue := filepath.Join(data, "red", "0.jpg"), filepath.Join(data, "blue, dark", "0.jpg")
	load := []string{"explain", "--model", model, "-weights", weights, "-out", out}

	stdout := must(t, append(load, red, blue, "-top", "2", "-blur", "all", "-colormap", "viridis", "-scale", "relative")...)
	assert.Equal(t, []string{"0-maps-2.png", "0-maps.png"}, files(t, out))
	for _, words := range []string{red, blue, "40x36 pixels", "predicted", "rank  head  patches  prompts", "sufficient traits: ", filepath.Join(out, "0-maps-2.png")} {
		assert.Contains(t, stdout, words)
	}
	one := pictureSize(t, filepath.Join(out, "0-maps.png"))

	// Whichever class is predicted, one of these is another.
	tall := 0
	for _, class := range []string{"red", "1"} {
		stdout := must(t, append(load, red, "--compare", class)...)
		if pictureSize(t, filepath.Join(out, "0-maps.png")).Y > one.Y {
			tall++
			assert.Equal(t, 2, strings.Count(stdout, "heads of the prompt of"))
			assert.Contains(t, stdout, "none, since the class is not the predicted one")
		}
	}
	assert.Positive(t, tall)
	assert.Contains(t, must(t, append(load, red, "--compare", "blue, dark,red")...), "heads of the prompt of blue, dark")

	// Photographs in -out stay what they are, whatever they are called.
	photo, other := filepath.Join(out, "1.png"), filepath.Join(out, "1-maps.png")
	datatest.Photograph(t, photo, 0, 0)
	datatest.Photograph(t, other, 1, 0)
	before := read(t, photo) + read(t, other)
	must(t, append(load, photo, other)...)
	assert.Equal(t, before, read(t, photo)+read(t, other))
	assert.Subset(t, files(t, out), []string{"1-maps-2.png", "1-maps-maps.png"})
	require.NoError(t, os.Rename(photo, filepath.Join(out, "one, two.png")))
	must(t, append(load, filepath.Join(out, "one, two.png"))...)
	assert.Contains(t, files(t, out), "one, two-maps.png")

	fails(t, append(load, red, "--compare", "mauve"), `compare: no class "mauve" among the 3`)
	fails(t, append(load, filepath.Join(data, "none.jpg")), "none.jpg")
	fails(t, []string{"-explain", red}, "it is a command: cub explain")
	fails(t, []string{"explain", red}, "--model is missing")
	fails(t, load, "give a photograph or a folder of them")
	assert.Regexp(t, `^\S+0.jpg: \w+, \d+\.\d %: \S+-maps.png\n$`, must(t, append(load, red, "--quiet")...))
}

func pictureSize(t *testing.T, path string) image.Point {
	t.Helper()
	f, err := os.Open(path)
	require.NoError(t, err)
	defer f.Close()
	c, err := png.DecodeConfig(f)
	require.NoError(t, err)
	return image.Pt(c.Width, c.Height)
}
