package main

import (
	"encoding/binary"
	"hash/crc32"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/promptcam/promptcam/data/datatest"
	"github.com/promptcam/promptcam/examples/internal/console"
	"github.com/promptcam/promptcam/nn/fit/knob"
	"github.com/promptcam/promptcam/tensor"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Whatever is wrong is said in one line, before training, and nothing is left in -out but the folders.
func TestBadInput(t *testing.T) {
	weights, arch := tinyBackbone(t, nil)
	good := datatest.Photographs(t, t.TempDir(), 6)
	dir := t.TempDir()
	// changed is good with one file more or less.
	changed := func(change func(dir string)) string {
		data := datatest.Photographs(t, t.TempDir(), 6)
		change(data)
		return data
	}
	add := func(name, text string) string {
		return changed(func(d string) { write(t, filepath.Join(d, "red", name), text) })
	}
	photo := read(t, good, "red", "0.jpg")
	regular := filepath.Join(dir, "regular")
	write(t, regular, "")
	one := changed(func(d string) {
		require.NoError(t, os.RemoveAll(filepath.Join(d, "red")))
		require.NoError(t, os.RemoveAll(filepath.Join(d, "blue")))
	})
	single := changed(func(d string) {
		for _, name := range []string{"1.png", "2.jpg", "3.png", "4.jpg", "5.png"} {
			require.NoError(t, os.Remove(filepath.Join(d, "red", name)))
		}
	})
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		write(t, path, text)
		return path
	}
	all := read(t, weights)
	nan, _ := tinyBackbone(t, func(w tensors) { w["blocks.1.norm1.bias"].Data()[3] = float32(math.NaN()) })
	missing, _ := tinyBackbone(t, func(w tensors) { delete(w, "norm.weight") })
	misshapen, _ := tinyBackbone(t, func(w tensors) { w["cls_token"] = tensor.New(1, 1, 23) })

	for name, c := range map[string]struct {
		args  []string
		words []string
	}{
		"missing folder":      {[]string{"-data", filepath.Join(dir, "none")}, []string{"--data " + filepath.Join(dir, "none") + ": no such folder"}},
		"empty folder":        {[]string{"-data", t.TempDir()}, []string{"-data", "no class folders"}},
		"a file as folder":    {[]string{"-data", regular}, []string{"-data", regular, "want a folder"}},
		"results in a class":  {[]string{"-out", filepath.Join(good, "red", "out")}, []string{"-out", good, "want a folder outside"}},
		"one class":           {[]string{"-data", one}, []string{one, "1 class found (green), need at least 2"}},
		"class of one image":  {[]string{"-data", single}, []string{single, "only one image in class red"}},
		"text as JPEG":        {[]string{"-data", add("text.jpg", "no photograph")}, []string{"red/text.jpg", "1 of 19 images cannot be read", "-skip-bad"}},
		"truncated JPEG":      {[]string{"-data", add("cut.jpg", photo[:len(photo)/2])}, []string{"red/cut.jpg", "1 of 19"}},
		"0-byte image":        {[]string{"-data", add("empty.png", "")}, []string{"red/empty.png", "1 of 19"}},
		"huge image":          {[]string{"-data", add("huge.png", hugePNG())}, []string{"red/huge.png", "40000"}},
		"unknown class":       {[]string{"-classes", "red,mauve"}, []string{"-classes", `no class "mauve" among the 3`}},
		"misspelt class":      {[]string{"-classes", "red,Gren"}, []string{"-classes", "nearest is green"}},
		"a single class":      {[]string{"-classes", "red"}, []string{"-classes", "need at least 2"}},
		"class twice":         {[]string{"-classes", "red,3"}, []string{"-classes", "listed twice"}},
		"missing weights":     {[]string{"-weights", filepath.Join(dir, "no.pth")}, []string{"--weights " + filepath.Join(dir, "no.pth") + ": no such file"}},
		"truncated weights":   {[]string{"-weights", file("cut.safetensors", all[:len(all)-100])}, []string{"-weights", "cut.safetensors"}},
		"empty weights":       {[]string{"-weights", regular}, []string{"-weights", regular, "empty file"}},
		"text as weights":     {[]string{"-weights", file("text.pth", "hello, world")}, []string{"text.pth", "neither safetensors nor a PyTorch file"}},
		"NaN weights":         {[]string{"-weights", nan}, []string{nan, "blocks.1.norm1.bias", "NaN"}},
		"missing tensor":      {[]string{"-weights", missing}, []string{missing, "1 tensor missing (norm.weight)"}},
		"misshapen tensor":    {[]string{"-weights", misshapen}, []string{misshapen, "cls_token is [1 1 23], want [1 1 24]"}},
		"wrong architecture":  {[]string{"-arch", "dino-vits16"}, []string{weights, "dino-vits16", "missing"}},
		"unknown preset":      {[]string{"-arch", "dino-vit16"}, []string{"-arch", "near it"}},
		"undetectable":        {[]string{"-arch", "auto"}, []string{weights, "-arch"}},
		"arch file missing":   {[]string{"-arch", "no.json"}, []string{"-arch", "no.json"}},
		"arch file of text":   {[]string{"-arch", file("text.json", "hello")}, []string{"-arch", "text.json", "JSON"}},
		"arch file, bad name": {[]string{"-arch", file("bad.json", `{"Width": 3}`)}, []string{"bad.json", "Width"}},
		"arch file, zeros":    {[]string{"-arch", file("zero.json", `{}`)}, []string{"zero.json", "PatchSize is 0"}},
		"size":                {[]string{"-size", "33"}, []string{"-size", "multiple of the patch size 8"}},
		"layer":               {[]string{"-mode", "from:9"}, []string{"from:9", "1 to 3"}},
		"a file as out":       {[]string{"-out", regular}, []string{"-out", regular, "want a folder"}},
		"unwritable out":      {[]string{"-out", filepath.Join(regular, "out")}, []string{"-out", regular}},
	} {
		t.Run(name, func(t *testing.T) {
			out := t.TempDir()
			args := append([]string{"-data", good, "-weights", weights, "-arch", arch, "-epochs", "1", "-out", out}, c.args...)
			stdout, stderr, err := cub(t, t.Context(), args...)
			require.Error(t, err)
			for _, word := range c.words {
				assert.Contains(t, err.Error()+"\n"+stderr, word)
			}
			assert.NotContains(t, console.Line(err), "\n")
			assert.NotContains(t, stdout, "epoch 1/1")
			for _, name := range files(t, out) {
				assert.Equal(t, "features.safetensors", name, "those of good images are kept")
			}
		})
	}
}

// hugePNG is the header of a picture of 40,000 x 40,000 pixels.
func hugePNG() string {
	header := []byte("IHDR")
	header = binary.BigEndian.AppendUint32(header, 40000)
	header = binary.BigEndian.AppendUint32(header, 40000)
	header = append(header, 8, 2, 0, 0, 0)
	png := append([]byte("\x89PNG\r\n\x1a\n"), 0, 0, 0, 13)
	png = append(png, header...)
	return string(binary.BigEndian.AppendUint32(png, crc32.ChecksumIEEE(header)))
}

func TestUsage(t *testing.T) {
	base := []string{"-data", "d", "-weights", "w"}
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"-weights", "w"}, "--data is missing"},
		{[]string{"-data", "", "-weights", ""}, "--data is missing"}, // the shell's variables are not set
		{[]string{"-weights", "birds", "-data", "d", "-mode", "deep"}, "want --mode last"},
		{[]string{"-mode", "deep"}, "want --mode last"},
		{[]string{"-arch", "dino-vits16"}, "--arch is given, but the architecture of --weights birds is known"},
		{[]string{"-data", "d"}, "--weights is missing"},
		{[]string{"-lrate", "1"}, "-lrate"},
		{[]string{"photos"}, `unknown command "photos"`},
		{append(base, "photos"), `cub train: takes no argument besides flags, got "photos"`},
		{[]string{"-data", "-weights", "w"}, "--data has no value: --weights comes next"},
		{append(base, "-epochs", "many"), "-epochs"},
		{append(base, "-epochs", "-1"), "--epochs is -1, want at least 0"},
		{append(base, "-views", "0"), "--views is 0"},
		{append(base, "-views", "3", "-augment", "none"), "--augment none"},
		{append(base, "-mix", "2"), "--mix is 2, want at least 0 and at most 1"},
		{append(base, "-patch-dropout", "1"), "--patch-dropout is 1, want at least 0 and less than 1"},
		{append(base, "-rank", "-1"), "--rank is -1, want at least 0"},
		{append(base, "-temperature", "0"), "temperature 0"},
		{append(base, "-average", "1"), "--average is 1, want at least 0 and less than 1"},
		{append(base, "-preset", "slow"), "want quick or long"},
		{append(base, "-preset", "long", "-mode", "deep"), "--preset long has defaults of mode last alone, and --mode is deep"},
		{append(base, "-add-class", "c"), "it is a command: cub add-class"},
		{append(base, "-lr", "-1"), "--lr is -1, want more than 0"},
		{append(base, "-lr", "NaN"), "--lr is NaN, want a finite number"},
		{append(base, "-batch", "0"), "--batch is 0"},
		{append(base, "-val", "1"), "--val is 1"},
		{append(base, "-test", "0"), "--test is 0"},
		{append(base, "-mode", "wide"), `--mode "wide", want deep, shallow, last or from:N`},
		{append(base, "-mode", "last", "-agnostic", "3"), "mode last has none"},
		{append(base, "-optimizer", "lion"), "want adamw or sgd"},
		{append(base, "-augment", "all"), "want crop, rrc or none"},
		{append(base, "-size", "wide"), "want pixels such as 224"},
		{append(base, "-size", "4611686018427387904"), "at most 16384"},
		{append(base, "-dropout", "1"), "--dropout is 1, want at least 0 and less than 1"},
		{append(base, "-top", "0"), "--top is 0"},
		{append(base, "-traits", "yes"), `--traits is "yes", want auto or off`},
		{append(base, "-out", ""), "--out is empty"},
		{append(base, "-load", "m"), "name a trained model by --model"},
		{append(base, "-weigths", "m"), "the nearest is --weights"},
	} {
		misused(t, c.want, c.args...)
	}
}

// misused runs the program, which must refuse its command line, and say so in one line with the words.
func misused(t *testing.T, words string, args ...string) {
	t.Helper()
	_, _, err := cub(t, t.Context(), args...)
	var wrong console.UsageError
	require.ErrorAs(t, err, &wrong, "%q", args)
	assert.Contains(t, err.Error(), words)
	assert.NotContains(t, console.Line(err), "\n")
	for _, jargon := range []string{"arg(s)", "invalid argument", "flag needs", "defined", "parse error", "optim:"} {
		assert.NotContains(t, err.Error(), jargon)
	}
}

// What is typed wrongly, and what the program makes of it, without anything to work on.
func TestMistypedCommandLines(t *testing.T) {
	folder := t.TempDir()
	file := filepath.Join(folder, "photo.jpg")
	write(t, file, "")
	for line, want := range map[string]string{
		// Commands.
		"bogus":               `unknown command "bogus", want one of add-class, completion, data, evaluate,`,
		"help bogus":          `unknown command "bogus", want one of`,
		"trian":               "the nearest is train",
		"explian p.jpg":       "the nearest is explain",
		"eval":                "the nearest is evaluate",
		"addclass":            "the nearest is add-class",
		"add_class --x":       "the nearest is add-class",
		folder:                "it is cub train --data " + folder,
		file:                  "it is cub explain --model MODEL " + file,
		"completion":          "give a shell: cub completion bash|zsh|fish|powershell",
		"completion bsh":      `"bsh" is no shell that it knows, want bash, zsh, fish or powershell`,
		"version now":         `cub version: takes no argument besides flags, got "now"`,
		"evaluate " + folder:  "a folder of photographs goes in --data",
		"train --quiet false": "a switch takes its value after =, such as --quiet=false",
		// Arguments.
		"explain":                 "give a photograph or a folder of them: cub explain --model MODEL PHOTO|FOLDER...",
		"explain --model m":       "give a photograph",
		"predict --model m":       "cub predict --model MODEL PHOTO|FOLDER...",
		"add-class --model m":     "give the folder of the new class's photographs: cub add-class --model MODEL FOLDER",
		"add-class --model m a b": "takes one argument, the folder of the new class's photographs, got 2: a, b",
		"data":                    "give the folder of photographs: cub data FOLDER",
		"data a b":                "got 2: a, b",
		"inspect":                 "give the file or a folder of files: cub inspect FILE|FOLDER",
		"inspect a b c":           "got 3: a, b, c",
		"explain p.jpg":           "--model is missing",
		"evaluate":                "--model is missing",
		// Flags that do not exist, or not there.
		"train --weight w":        "no flag --weight, the nearest is --weights; cub train -h all",
		"train --epoch 10":        "the nearest is --epochs",
		"train --colourmap jet":   "the nearest is --colormap",
		"train --model m p":       "no flag --model, which is one of cub add-class, evaluate,",
		"train --output o":        "the nearest is --out;",
		"train --batch-size 3":    "the nearest is --batch;",
		"train --skip_bad":        "the nearest is --skip-bad",
		"train --gpu":             "cub train has no flag --gpu; cub train -h all",
		"train \u2014data d":      "begins with a dash that is no hyphen, want --data",
		"\u2013\u2013epochs=3":    "want --epochs=3",
		"train -x":                "cub train has no flag -x; cub train -h all",
		"train --load m":          "--load is no flag any more: name a trained model by --model",
		"--class c":               "--class is no flag any more: it is --compare",
		"evaluate --epochs 3":     "no flag --epochs, which is one of cub train",
		"predict --data d":        "the photographs need none: cub predict --model MODEL PHOTO|FOLDER...",
		"predict --out o":         "the table goes to standard output",
		"completion bash --quiet": "cub completion has no flag --quiet",
		// Values.
		"train --epochs ten":  `--epochs is "ten", want a whole number`,
		"train --epochs 1.5":  `--epochs is "1.5", want a whole number`,
		"train --epochs":      "--epochs has no value, want --epochs INT",
		"train --data":        "--data has no value, want --data FOLDER",
		"train --lr fast":     `--lr is "fast", want a number`,
		"train --lr=":         `--lr is "", want a number`,
		"train --lr -1":       "--lr is -1, want more than 0",
		"train --lr NaN":      "--lr is NaN, want a finite number",
		"train --seed abc":    `--seed is "abc", want a whole number`,
		"train --size big":    `--size is "big", want pixels such as 224`,
		"train --resume=soon": `--resume is "soon", want true or false`,
		"train --preset fast": `--preset is "fast", want quick or long`,
		"train --mode lats":   `--mode "lats", want deep, shallow, last or from:N`,
		"train --mode from:0": `--mode "from:0": want a layer of at least 1`,
		"train --data d --weights w --arch vit_tiny": "--arch: vit: no preset",
		"train --lr 0.01 --min-lr 0.1":               "--min-lr is 0.1, want at most the 0.01 of --lr",
		"train --min-lr 9":                           "--min-lr is 9, want at most the",
		"train --arch=":                              "--arch is empty, want --arch NAME",
		"train --classes=":                           "--classes is empty, want --classes LIST",
		"train --classes ,":                          "--classes is empty",
		"explain --model m --compare= p.jpg":         "--compare is empty, want --compare LIST",
		"explain --model= p.jpg":                     "--model is missing",
	} {
		t.Run(line, func(t *testing.T) { misused(t, want, strings.Fields(line)...) })
	}
	for _, args := range [][]string{{"explain", ""}, {"predict", "--model", "m", "a.jpg", ""}, {"data", ""}, {"inspect", ""}, {"add-class", ""}} {
		misused(t, "is empty, want", args...)
	}
	misused(t, `unknown command ""`, "")
}

// Who lowers --lr alone reads nothing of other flags that it decides.
func TestALearningRateAloneIsNoFaultOfOthers(t *testing.T) {
	for _, rate := range []string{"-1", "0", "NaN", "Inf", "-Inf"} {
		_, _, err := cub(t, t.Context(), "-data", "d", "-weights", "w", "-lr", rate)
		require.ErrorContains(t, err, "--lr is ")
		assert.NotContains(t, err.Error(), "min-lr")
	}
}

// Numbers that no machine can follow are refused before any work, with what is allowed.
func TestAbsurdNumbers(t *testing.T) {
	all := training{}
	for k := range knob.Walk(&all) {
		if _, text := k.Get().(string); text || k.IsBoolFlag() || slices.Contains([]string{"seed", "mode", "classes"}, k.Flag) {
			continue
		}
		for _, value := range []string{"4611686018427387904", "9223372036854775807", "-1000000000000", "1e300", "NaN", "-Inf"} {
			_, _, err := cub(t, t.Context(), "-data", "d", "-weights", "w", "-"+k.Flag, value)
			var wrong console.UsageError
			require.ErrorAs(t, err, &wrong, "--%s %s", k.Flag, value)
			assert.Regexp(t, "--"+k.Flag+"\\b.*want ", err.Error())
		}
	}
}

func TestSkipBad(t *testing.T) {
	weights, arch := tinyBackbone(t, nil)
	data, out := datatest.Photographs(t, t.TempDir(), 6), t.TempDir()
	write(t, filepath.Join(data, "red", "text.jpg"), "no photograph")
	write(t, filepath.Join(data, "blue", "empty.png"), "")
	args := []string{"-data", data, "-weights", weights, "-arch", arch, "-epochs", "1", "-out", out}
	fails(t, args, "red/text.jpg", "blue/empty.png", "2 of 20 images cannot be read")

	stdout, stderr, err := cub(t, t.Context(), append(args, "-skip-bad")...)
	require.NoError(t, err)
	assert.Contains(t, stdout, "without 2 of 20 images")
	assert.Equal(t, 3, strings.Count(stderr, "\n"), stderr)
	assert.Contains(t, stderr, "3 test images are few: each is 33 points of accuracy")
	m := readMetrics(t, out)
	assert.EqualValues(t, 2, m["skipped_images"])
	assert.EqualValues(t, 18, m["train_images"].(float64)+m["val_images"].(float64)+m["test_images"].(float64))
	assert.Contains(t, read(t, out, "report", "index.html"), "2 images that cannot be read")

	for i := range 6 {
		write(t, filepath.Join(data, "green", []string{"0.jpg", "1.png", "2.jpg", "3.png", "4.jpg", "5.png"}[i]), "")
	}
	fails(t, append(args, "-skip-bad"), "no training image of class green is left")
}

func TestDiverging(t *testing.T) {
	weights, arch := tinyBackbone(t, nil)
	data, out := datatest.Photographs(t, t.TempDir(), 6), t.TempDir()
	fails(t, []string{"-data", data, "-weights", weights, "-arch", arch, "-epochs", "1", "-batch", "64", "-lr", "1000", "-min-lr", "1000", "-warmup", "0", "-out", out},
		"training diverged", "--lr below 1000")
	assert.Equal(t, []string{"features.safetensors"}, files(t, out))
}

// A class of one image can be trained on where the folder has test images of its own.
func TestClassOfOneImage(t *testing.T) {
	weights, arch := tinyBackbone(t, nil)
	data, out := lists(t, t.TempDir(), 1, 2), t.TempDir()
	args := []string{"-data", data, "-weights", weights, "-arch", arch, "-epochs", "1", "-out", out}
	fails(t, append(args, "-val", "0.1"), "every class has one training image", "--val 0")
	must(t, args...)
}
