package main

import (
	"image/png"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/promptcam/promptcam/data/datatest"
	"github.com/promptcam/promptcam/examples/internal/console"
	"github.com/promptcam/promptcam/nn/fit/knob"
	"github.com/promptcam/promptcam/promptcam/run"
	"github.com/promptcam/promptcam/vit"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var complete = []string{"curves.png", "history.csv", "images.csv", "metrics.json", "model.safetensors", "predictions.csv", "report/index.html", "weights.txt"}

var withFeatures = slices.Sorted(slices.Values(append([]string{"features.safetensors"}, complete...)))

func TestEveryModeLeavesAllResults(t *testing.T) {
	weights, arch := tinyBackbone(t, nil)
	data := datatest.Photographs(t, t.TempDir(), 10)
	for _, mode := range []string{"deep", "shallow", "last", "from:2"} {
		t.Run(mode, func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "a", "b")
			stdout := must(t, "-data", data, "-weights", weights, "-arch", arch, "-mode", mode, "-epochs", "2", "-batch", "5", "-val", "0.1", "-out", out)
			want := complete
			if mode == "last" {
				want = withFeatures
			}
			assert.Equal(t, want, files(t, out))
			assert.Contains(t, stdout, "epoch 2/2")
			assert.Contains(t, stdout, "test top-1")

			m := readMetrics(t, out)
			assert.Equal(t, mode, m["mode"])
			assert.Equal(t, "tiny", m["arch"])
			assert.EqualValues(t, 1, m["seed"])
			assert.EqualValues(t, 2, m["epochs"])
			assert.EqualValues(t, 21, m["train_images"])
			assert.EqualValues(t, 3, m["val_images"])
			assert.EqualValues(t, 6, m["test_images"])
			assert.Positive(t, m["seconds"])
			assert.Contains(t, m["val"], "top1")

			history := table(t, out, "history.csv")
			require.Len(t, history, 3)
			best := m["best_epoch"].(float64)
			top1, err := strconv.ParseFloat(history[int(best)][4], 64)
			require.NoError(t, err)
			assert.InDelta(t, m["val"].(map[string]any)["top1"], top1, 1e-4)

			predictions := table(t, out, "predictions.csv")
			require.Len(t, predictions, 7)
			assert.Equal(t, append([]string{"path", "true", "predicted", "probability"}, datatest.Classes...), predictions[0])
			right := 0.0
			for _, row := range predictions[1:] {
				if row[1] == row[2] {
					right++
				}
			}
			assert.InDelta(t, 100*right/6, m["test"].(map[string]any)["top1"], 1e-9)
			assert.EqualValues(t, 100, m["test"].(map[string]any)["top5"])

			_, err = png.Decode(strings.NewReader(read(t, out, "curves.png")))
			assert.NoError(t, err)
			page := read(t, out, "report", "index.html")
			assert.Contains(t, page, "data:image/png;base64,")
			assert.Contains(t, page, "predicted: ")
			assert.Contains(t, page, "<td>cub train --")
			assert.Contains(t, page, " --data "+filepath.Base(data)+" ")
			assert.NotContains(t, page, filepath.Dir(data), "reports are shown to others")
			assert.NotContains(t, page, out)
		})
	}
}

// The colours are told apart after a few epochs, or nothing was learned at all.
func TestLearns(t *testing.T) {
	weights, arch := tinyBackbone(t, nil)
	data, out := datatest.Photographs(t, t.TempDir(), 16), t.TempDir()
	stdout := must(t, "-data", data, "-weights", weights, "-arch", arch, "-mode", "deep", "-epochs", "15", "-lr", "0.02", "-agnostic", "2", "-val", "0", "-quiet", "-out", out)
	assert.Len(t, strings.Split(strings.TrimSpace(stdout), "\n"), 2, stdout)
	m := readMetrics(t, out)
	assert.Nil(t, m["val"])
	assert.Contains(t, m, "val")
	assert.EqualValues(t, 15, m["best_epoch"])
	assert.Greater(t, m["test"].(map[string]any)["top1"], 80.0)
}

func TestLayouts(t *testing.T) {
	weights, arch := tinyBackbone(t, nil)
	common := []string{"-val", "0.1", "-weights", weights, "-arch", arch, "-epochs", "1", "-quiet"}

	t.Run("cub", func(t *testing.T) {
		data, out := lists(t, t.TempDir(), 5, 4), t.TempDir()
		must(t, append(common, "-data", data, "-out", out, "-classes", "1,red", "-size", "40x24", "-augment", "rrc", "-optimizer", "sgd")...)
		m := readMetrics(t, out)
		assert.EqualValues(t, 8, m["train_images"])
		assert.EqualValues(t, 8, m["test_images"])
		assert.Equal(t, []string{"001.blue", "003.red"}, table(t, out, "predictions.csv")[0][4:])

		// Neither the lists nor the results are passed over without a word.
		_, stderr, err := cub(t, t.Context(), append(common, "-data", filepath.Join(data, "images"), "-out", out)...)
		require.NoError(t, err)
		assert.Contains(t, stderr, "--data "+data+" has the published test images")
		assert.Contains(t, stderr, "--out "+out+" holds the results of an earlier run; they will be overwritten")
	})
	for _, test := range []string{"val", "test"} {
		t.Run("train and "+test, func(t *testing.T) {
			data, out := t.TempDir(), t.TempDir()
			datatest.Photographs(t, filepath.Join(data, "train"), 6)
			datatest.Photographs(t, filepath.Join(data, test), 2)
			must(t, append(common, "-data", data, "-out", out, "-augment", "none", "-dropout", "0.1", "-drop-path", "0.1", "-patches-only")...)
			m := readMetrics(t, out)
			assert.EqualValues(t, 15, m["train_images"])
			assert.EqualValues(t, 3, m["val_images"])
			assert.EqualValues(t, 6, m["test_images"])
		})
	}
	t.Run("train, val and test", func(t *testing.T) {
		data, out := t.TempDir(), t.TempDir()
		datatest.Photographs(t, filepath.Join(data, "train"), 4)
		datatest.Photographs(t, filepath.Join(data, "val"), 3)
		datatest.Photographs(t, filepath.Join(data, "test"), 2)
		must(t, append(common, "-data", data, "-out", out, "-val", "0")...)
		m := readMetrics(t, out)
		assert.EqualValues(t, 12, m["train_images"])
		assert.EqualValues(t, 9, m["val_images"])
	})
	t.Run("one class without a test image", func(t *testing.T) {
		data, out := t.TempDir(), t.TempDir()
		datatest.Photographs(t, filepath.Join(data, "train"), 3)
		datatest.Photograph(t, filepath.Join(data, "test", "red", "0.png"), 2, 0)
		must(t, append(common, "-data", data, "-out", out)...)
		classes := readMetrics(t, out)["per_class"].([]any)
		require.Len(t, classes, 3)
		assert.Nil(t, classes[0].(map[string]any)["top1"])
		assert.NotNil(t, classes[2].(map[string]any)["top1"])
	})
}

func TestHelp(t *testing.T) {
	root := must(t, "-h")
	for _, name := range []string{"train", "evaluate", "explain", "predict", "add-class", "refer", "traits", "data", "inspect", "version", "completion"} {
		assert.Contains(t, root, "\n  "+name)
	}
	common, all, deep := must(t, "train", "-h"), must(t, "train", "-h", "all"), must(t, "train", "-mode", "deep", "-h", "all")
	for k := range knob.Walk(&run.Job{}) {
		assert.Contains(t, all, "\n  --"+k.Flag+" ", "every flag")
	}
	for _, c := range vit.Presets() {
		assert.Contains(t, all, "  "+c.Name)
	}
	assert.NotContains(t, common, "--mix-until")
	assert.NotContains(t, common, "Architectures")
	assert.Equal(t, common, must(t, "help", "train"))
	assert.Equal(t, all, must(t, "help", "train", "all"))
	assert.Equal(t, 10, strings.Count(common, "\n  --"))
	assert.Contains(t, all, "(default 16)", "LoRA rank for photographs")
	assert.Contains(t, deep, "(default 25)", "epochs of mode deep")
}

// Help keeps to the width of the terminal.
func TestHelpFits(t *testing.T) {
	for _, args := range []string{"-h", "help", "train -h all", "evaluate -h", "traits -h", "explain -h", "predict -h all", "add-class -h", "refer -h all", "data -h", "inspect -h", "completion -h", "version -h", "help -h"} {
		text := must(t, strings.Fields(args)...)
		assert.Contains(t, text, "Usage:\n  cub ", args)
		for line := range strings.Lines(text) {
			assert.LessOrEqual(t, len(strings.TrimRight(line, "\n")), console.Width(), args)
		}
	}
}

func TestCompletion(t *testing.T) {
	model, _ := trainedModel(t, datatest.Photographs(t, t.TempDir(), 6))
	photographs := datatest.Photographs(t, t.TempDir(), 2)
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"ex"}, "explain\tShow what tells the class of photographs from its look-alike\n:4"},
		{[]string{"train", "--preset", ""}, "quick\nlong\n:4"},
		{[]string{"train", "--mode", ""}, "last\ndeep\nshallow\nfrom:\n:4"},
		{[]string{"explain", "--colormap", ""}, "inferno\nviridis\njet\n:4"},
		{[]string{"train", "--arch", ""}, "\ndino-vitb16\n"},
		{[]string{"train", "--data", ""}, ":16"}, // folders
		{[]string{"train", "--data", photographs, "--classes", "blue,r"}, "blue,red\n:6"},
		{[]string{"explain", "--model", model, "--compare", ""}, "blue\ngreen\nred\n:6"},
		{[]string{"explain", "--model", "none", "--compare", ""}, ":6"},
		{[]string{"completion", ""}, "bash\nzsh\nfish\npowershell\n:4"},
		{[]string{"help", "pre"}, "predict\n"},
	} {
		assert.Contains(t, must(t, append([]string{"__complete"}, c.args...)...), c.want, "%v", c.args)
	}
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		assert.Contains(t, must(t, "completion", shell), "__complete", shell)
	}
}

// A command has the flags that it uses.
func TestFlags(t *testing.T) {
	listed := regexp.MustCompile(`(?m)^  --(\S+)`)
	for name, want := range map[string]string{
		"explain":   "arch blur colormap compare data download model out quiet scale size top weights",
		"predict":   "arch blur download model quiet size skip-bad weights",
		"add-class": "arch batch cache classes data download model out quiet seed size skip-bad test views weights workers",
		"refer":     "arch cache classes data download model quiet size skip-bad weights workers",
		"evaluate":  "arch batch blur cache classes colormap data download model out quiet samples scale seed size skip-bad test top traits weights workers",
		"traits":    "arch batch blur cache classes colormap data download model out quiet samples scale seed size skip-bad test top traits weights workers",
		"data":      "classes quiet seed test val",
	} {
		var all []string
		for _, m := range listed.FindAllStringSubmatch(must(t, name, "-h", "all"), -1) {
			all = append(all, m[1])
		}
		slices.Sort(all)
		assert.Equal(t, want, strings.Join(all, " "), name)
	}
	assert.Contains(t, must(t, "predict", "-h"), "leave photographs that cannot be read out of the table")
	fails(t, []string{"version", "--foo"}, "cub version has no flag --foo; cub version -h lists its flags")
	fails(t, []string{"predict", "--data", "d", "photo.jpg"}, "cub predict has no flag --data", "cub predict -h all lists its flags")
}
