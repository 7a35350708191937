package main

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/promptcam/promptcam/examples/internal/console"
	"github.com/promptcam/promptcam/nn"
	"github.com/promptcam/promptcam/nn/fit/knob"
	"github.com/promptcam/promptcam/tensor/checkpoint"
	"github.com/promptcam/promptcam/tensor/machine"
	"github.com/promptcam/promptcam/tensor/tensortest"
	"github.com/promptcam/promptcam/vit"
	"github.com/promptcam/promptcam/vit/pretrain"
	"github.com/promptcam/promptcam/vit/pretrained"
)

var complete = []string{"backbone.json", "backbone.safetensors", "curves.png", "metrics.csv"}

// After each epoch there are curves, and a line of metrics.
func TestResults(t *testing.T) {
	images, out := tiles(t, t.TempDir(), 4), t.TempDir()
	must(t, "-data", images, "-knn", images, "-out", out, "-epochs", "3", "-knn-every", "2")
	assert.Equal(t, complete, files(t, out))
	rows, err := csv.NewReader(strings.NewReader(read(t, out, "metrics.csv"))).ReadAll()
	require.NoError(t, err)
	require.Len(t, rows, 4)
	knn := slices.Index(rows[0], "knn_class")
	assert.Empty(t, rows[1][knn])
	for _, row := range rows[2:] { // the second epoch, and the last
		v, err := strconv.ParseFloat(row[knn], 64)
		require.NoError(t, err)
		assert.True(t, v >= 0 && v <= 100, v)
	}
	_, err = png.Decode(strings.NewReader(read(t, out, "curves.png")))
	assert.NoError(t, err)
}

// What is exported is the teacher, under DINO's names, for vit.Load.
func TestExport(t *testing.T) {
	images := tiles(t, t.TempDir(), 4)
	full, half := t.TempDir(), t.TempDir()
	must(t, "-data", images, "-out", full, "-epochs", "1")
	must(t, "-data", images, "-out", half, "-epochs", "1", "-type", "f16")
	var c vit.Config
	require.NoError(t, json.Unmarshal([]byte(read(t, full, "backbone.json")), &c))
	assert.Equal(t, smallSettings(t).Backbone(), c)
	f, err := checkpoint.Open(filepath.Join(half, "backbone.safetensors"))
	require.NoError(t, err)
	defer f.Close()
	found, err := vit.Detect(f)
	require.NoError(t, err)
	assert.Equal(t, c, found, "the file says itself what it is")
	m, err := vit.Load(filepath.Join(full, "backbone.safetensors"), c)
	require.NoError(t, err)
	rounded, err := vit.Load(filepath.Join(half, "backbone.safetensors"), c)
	require.NoError(t, err)
	for name, w := range nn.State(m) {
		tensortest.Close(t, w, nn.State(rounded)[name], 1e-3)
	}
	assert.Contains(t, nn.Tensors(nn.State(m)).Names(), "blocks.1.attn.qkv.weight")
	assert.Less(t, len(read(t, half, "backbone.safetensors")), len(read(t, full, "backbone.safetensors"))*2/3)
}

// watcher calls see with everything that is printed.
type watcher struct{ see func(string) }

func (w watcher) Write(p []byte) (int, error) {
	w.see(string(p))
	return len(p), nil
}

func TestResumeEndsWithTheSameBits(t *testing.T) {
	images := tiles(t, t.TempDir(), 5)
	for name, c := range map[string]struct {
		args  []string
		stops []string
	}{
		"photographs": {
			[]string{"-data", images, "-knn", images, "-epochs", "4", "-drop-path", "0.2", "-blur", "0.5"},
			[]string{"epoch 1/4", "epoch 2/4", "epoch 4/4"},
		},
		"birds that become kin, while crops grow": { // in the fourth epoch
			[]string{"-birds", "12", "-kin", "0.7", "-contrast", "0.2", "-early", "16", "-local", "16", "-window", "2", "-optimizer", "muon", "-epochs", "5", "-knn-every", "5", "-knn-most", "1"},
			[]string{"epoch 2/5", "epoch 3/5", "epoch 5/5"},
		},
	} {
		t.Run(name, func(t *testing.T) { testResume(t, c.args, c.stops) })
	}
}

// testResume stops a run after epochs, the last of which is its end.
func testResume(t *testing.T, args, stops []string) {
	want, out := t.TempDir(), t.TempDir()
	args = append(append(append([]string(nil), small...), args...), "-out")
	require.NoError(t, run(t.Context(), append(args, want), watcher{func(string) {}}, io.Discard))
	next := append(args, out)
	last := stops[len(stops)-1]
	for _, epoch := range stops {
		ctx, cancel := context.WithCancel(t.Context())
		err := run(ctx, next, watcher{func(line string) {
			if strings.HasPrefix(line, epoch) {
				cancel()
			}
		}}, io.Discard)
		if epoch != last { // which is the end, whatever comes
			require.ErrorIs(t, err, context.Canceled)
			assert.ErrorContains(t, err, "-resume")
			assert.FileExists(t, filepath.Join(out, "state.safetensors"))
			assert.ErrorContains(t, run(t.Context(), append(args, out), io.Discard, io.Discard), "holds an unfinished run")
		}
		next = append(args, out, "-resume")
	}
	assert.Equal(t, complete, files(t, out))
	assert.Equal(t, read(t, want, "backbone.safetensors"), read(t, out, "backbone.safetensors"))
	a, b := strings.Split(read(t, want, "metrics.csv"), "\n"), strings.Split(read(t, out, "metrics.csv"), "\n")
	require.Len(t, b, len(a))
	for i := range a {
		cut := func(line string) string { return line[:strings.LastIndex(","+line, ",")] } // all but the seconds
		assert.Equal(t, cut(a[i]), cut(b[i]))
	}
	assert.ErrorContains(t, run(t.Context(), append(args, out), io.Discard, io.Discard), "holds the results of a run that has finished")
}

func TestBirds(t *testing.T) {
	out := t.TempDir()
	stdout := must(t, "-birds", "12", "-out", out, "-epochs", "2", "-knn-most", "1", "-locals", "0")
	assert.Contains(t, stdout, "12 images")
	assert.Contains(t, stdout, "k-NN")
	assert.Equal(t, complete, files(t, out))
}

func TestHelp(t *testing.T) {
	out, err := program(t.Context(), "-h")
	require.NoError(t, err)
	assert.Contains(t, out, "-global-area")
	for line := range strings.Lines(out) {
		assert.LessOrEqual(t, len(strings.TrimRight(line, "\n")), console.Width())
	}
	said := func(args ...string) string {
		var b strings.Builder
		require.NoError(t, run(t.Context(), args, &b, io.Discard))
		return b.String()
	}
	assert.Equal(t, out, said("help"))
	assert.Contains(t, said("version"), "pretrain ")
	assert.Equal(t, said("version"), said("--version"))
}

// What is typed wrongly, and what the program makes of it.
func TestMistypedCommandLines(t *testing.T) {
	for line, want := range map[string]string{
		"":                             "--data is missing",
		"--dat d":                      "no flag --dat, the nearest is --data; -h lists all",
		"-epoch 3":                     "no flag --epoch, the nearest is --epochs",
		"--weights w":                  "no flag --weights; -h lists all",
		"--epochs ten":                 `--epochs is "ten", want a whole number`,
		"--epochs=":                    `--epochs is "", want a whole number`,
		"--lr fast":                    `--lr is "fast", want a number`,
		"--resume=soon":                `--resume is "soon", want true or false`,
		"--data d --epochs":            "--epochs has no value",
		"--data --out o":               "--data has no value: --out comes next",
		t.TempDir():                    "a folder of images goes in --data",
		"birds":                        `unexpected "birds": want flags alone`,
		"--data d --type f64":          `--type is "f64", want f32 or f16`,
		"--data d --lr .01 --min-lr 1": "--min-lr is 1, want at most the 0.01 of --lr",
	} {
		_, err := program(t.Context(), strings.Fields(line)...)
		var wrong console.UsageError
		require.ErrorAs(t, err, &wrong, line)
		assert.Contains(t, err.Error(), want)
		assert.NotContains(t, err.Error(), "defined")
	}
	_, err := program(t.Context(), "-data", "none", "-out", t.TempDir())
	assert.EqualError(t, err, "--data none: no such folder")
}

// Whatever is wrong is said before training, in an error that names it.
func TestBadInput(t *testing.T) {
	good := tiles(t, t.TempDir(), 4)
	changed := func(name, content string) string {
		dir := tiles(t, t.TempDir(), 4)
		write(t, filepath.Join(dir, "down", name), content)
		return dir
	}
	one := t.TempDir()
	write(t, filepath.Join(one, "only.png"), read(t, good, "down", "0.png"))
	picture := read(t, good, "down", "0.png")
	regular := filepath.Join(t.TempDir(), "regular")
	write(t, regular, "x")
	for name, c := range map[string]struct {
		args  []string
		words []string
	}{
		"no data":         {nil, []string{"--data is missing"}},
		"two sources":     {[]string{"-data", good, "-birds", "9"}, []string{"--data and --birds"}},
		"missing folder":  {[]string{"-data", filepath.Join(good, "none")}, []string{"-data", "none"}},
		"empty folder":    {[]string{"-data", t.TempDir()}, []string{"0 images, want at least the 6 of --batch"}},
		"file as folder":  {[]string{"-data", regular}, []string{"-data", regular, "want a folder"}},
		"one image":       {[]string{"-data", one}, []string{one, "1 images, want at least the 6 of --batch"}},
		"text as JPEG":    {[]string{"-data", changed("text.jpg", "no photograph")}, []string{"1 of 13 images cannot be read", "-skip-bad", "down/text.jpg"}},
		"truncated PNG":   {[]string{"-data", changed("cut.png", picture[:len(picture)/2])}, []string{"down/cut.png"}},
		"bad k-NN folder": {[]string{"-data", good, "-knn", one}, []string{"-knn", one}},
		"bad k-NN image":  {[]string{"-data", good, "-knn", changed("text.jpg", "no photograph")}, []string{"-knn", "down/text.jpg"}},
		"odd patch":       {[]string{"-data", good, "-patch", "7"}, []string{"-patch", "multiple of the patch size 7"}},
		"odd local crop":  {[]string{"-data", good, "-local", "20"}, []string{"--local 20", "multiple of the patch size 8"}},
		"odd early crop":  {[]string{"-data", good, "-early", "20"}, []string{"--early 20", "multiple of the patch size 8"}},
		"kin photographs": {[]string{"-data", good, "-kin", "0.5"}, []string{"--kin is 0.5", "-birds"}},
		"a lonely image":  {[]string{"-data", good, "-contrast", "0.2", "-batch", "9", "-piece", "4"}, []string{"-contrast", "--batch of 9", "--piece 4", "one image alone"}},
		"odd heads":       {[]string{"-data", good, "-heads", "5"}, []string{"multiple of the 5 heads"}},
		"negative rate":   {[]string{"-data", good, "-lr", "-1"}, []string{"--lr is -1"}},
		"rate as a word":  {[]string{"-data", good, "-lr", "fast"}, []string{"fast", "-lr"}},
		"unknown flag":    {[]string{"-data", good, "-arch", "x"}, []string{"-arch"}},
		"stray argument":  {[]string{"-data", good, "x"}, []string{`unexpected "x"`}},
		"odd window":      {[]string{"-data", good, "-window", "3"}, []string{"-window", "no whole number of windows of 3x3"}},
		"odd crop window": {[]string{"-data", good, "-window", "2", "-local", "24"}, []string{"--local 24", "3x3 patches are no whole number of windows of 2x2"}},
		"other optimizer": {[]string{"-data", good, "-optimizer", "lion"}, []string{"-optimizer", "lion", "want adamw or muon"}},
		"unknown type":    {[]string{"-data", good, "-type", "f64"}, []string{"-type", "f32 or f16"}},
		"too high a rate": {[]string{"-data", good, "-lr", "1", "-clip", "0", "-warmup", "0", "-epochs", "60", "-decay", "9", "-last-decay", "9"}, []string{"diverged", "try a learning rate below"}},
		"out is a file":   {[]string{"-data", good, "-out", regular}, []string{"-out", regular, "want a folder"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := program(t.Context(), append([]string{"-out", filepath.Join(t.TempDir(), "out")}, c.args...)...)
			require.Error(t, err)
			for _, word := range c.words {
				assert.ErrorContains(t, err, word)
			}
		})
	}
	out := must(t, "-data", changed("text.jpg", "no photograph"), "-skip-bad", "-epochs", "1", "-out", t.TempDir())
	assert.Contains(t, out, "down/text.jpg")
	assert.Contains(t, out, "12 images")
}

func TestBadState(t *testing.T) {
	images, out := tiles(t, t.TempDir(), 4), t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	args := append(append([]string(nil), small...), "-data", images, "-out", out)
	require.Error(t, run(ctx, args, watcher{func(line string) {
		if strings.HasPrefix(line, "epoch 1/3") {
			cancel()
		}
	}}, io.Discard))
	state := read(t, filepath.Join(out, "state.safetensors"))
	again := func(words []string, more ...string) {
		t.Helper()
		_, err := program(t.Context(), append([]string{"-data", images, "-out", out, "-resume"}, more...)...)
		require.Error(t, err)
		for _, word := range words {
			assert.ErrorContains(t, err, word)
		}
	}
	again([]string{"-resume", filepath.Join(out, "state.safetensors"), "--lr was 0.002, now 0.003"}, "-lr", "0.003")
	again([]string{"-resume", "the images are not the same: they were 12 files", "now 15 files"}, "-data", tiles(t, t.TempDir(), 5))
	write(t, filepath.Join(out, "state.safetensors"), state[:len(state)-100])
	again([]string{"-resume", filepath.Join(out, "state.safetensors")})
	write(t, filepath.Join(out, "state.safetensors"), state[:100])
	again([]string{"-resume", filepath.Join(out, "state.safetensors")})
	write(t, filepath.Join(out, "state.safetensors"), "hello, world")
	again([]string{"-resume", filepath.Join(out, "state.safetensors"), "neither safetensors nor"})
	write(t, filepath.Join(out, "state.safetensors"), read(t, out, "backbone.safetensors"))
	again([]string{"-resume", filepath.Join(out, "state.safetensors"), "not the state of a run", pretrain.StateFormat})
}

// The line in help that is said to make the library's own weights makes such.
func TestHelpTellsHowTheLibrarysWeightsWereMade(t *testing.T) {
	_, line, _ := strings.Cut(strings.ReplaceAll(about, "\\\n", ""), "pretrain --birds ")
	line, _, _ = strings.Cut("--birds "+line, "\n")
	s, err := parse(strings.Fields(line), io.Discard)
	require.NoError(t, err)
	assert.Equal(t, pretrained.Birds().Config, s.Backbone())
	assert.Equal(t, "f16", s.Type)
}

// One folder has one writer.
func TestOneRunWritesToAFolder(t *testing.T) {
	images, out := tiles(t, t.TempDir(), 4), t.TempDir()
	free, err := machine.Occupy(out)
	require.NoError(t, err)
	_, err = program(t.Context(), "-data", images, "-out", out, "-epochs", "1")
	require.EqualError(t, err, fmt.Sprintf("--out %s is in use by another run (process %d): wait until it ends, or choose another folder", out, os.Getpid()))
	assert.Equal(t, []string{machine.LockFile}, files(t, out))
	free()
	must(t, "-data", images, "-out", out, "-epochs", "1")
	assert.Equal(t, complete, files(t, out))
}

// Settings that no machine can follow are refused before any work, with what is allowed.
func TestAbsurdSettings(t *testing.T) {
	images := tiles(t, t.TempDir(), 4)
	for k := range knob.Walk(&settings{}) {
		if _, text := k.Get().(string); text || k.IsBoolFlag() || k.Flag == "seed" {
			continue
		}
		for _, value := range []string{"4611686018427387904", "9223372036854775807", "-1000000000000", "1e300", "NaN", "-Inf"} {
			_, err := program(t.Context(), "-data", images, "-out", filepath.Join(t.TempDir(), "out"), "-"+k.Flag, value)
			var wrong console.UsageError
			require.ErrorAs(t, err, &wrong, "--%s %s", k.Flag, value)
			assert.Regexp(t, "--?"+k.Flag+"\\b.*want ", err.Error())
		}
	}
	for _, args := range [][]string{
		{"-dim", "16384", "-heads", "64", "-depth", "100"}, {"-outputs", "1048576", "-head-bottleneck", "65536"}, {"-head-hidden", "65536", "-dim", "8", "-heads", "1", "-outputs", "1048576", "-head-bottleneck", "60000"},
	} {
		_, err := program(t.Context(), append([]string{"-data", images, "-out", filepath.Join(t.TempDir(), "out")}, args...)...)
		require.Error(t, err)
		assert.Regexp(t, "GB of memory, the machine has|parameters, want at most", err.Error())
	}
}
