package main

import (
	"flag"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/promptcam/promptcam/promptcam"
	"github.com/promptcam/promptcam/promptcam/figure"
	"github.com/promptcam/promptcam/vit"
)

// flags defines all flags, which fill s, with the defaults d.
func flags(s *settings, d recipe) *flag.FlagSet {
	s.recipe = d
	fs := flag.NewFlagSet("cub", flag.ContinueOnError)
	fs.SetOutput(io.Discard) // errors and help are printed by run

	fs.StringVar(&s.data, "data", "", "`folder` of photographs: CUB-200-2011's layout, or {train,val|test}/CLASS/*, or CLASS/*; birds: drawn ones, which are kept in the user cache")
	fs.BoolVar(&s.download, "download", false, "without -data take CUB-200-2011 (1.2 GB), without -weights DINO's ViT-S/16 (87 MB), downloaded from their publishers into the user's cache: what is there already serves, what was interrupted goes on")
	custom(fs, &s.classes, "classes", "", "`list` of classes to use alone, by name or number: 4,5,Scott_Oriole", list)
	fs.Float64Var(&s.Test, "test", s.Test, "`share` of each class's images held out for testing where the folder has no test split of its own")
	fs.Float64Var(&s.Val, "val", s.Val, "`share` of the training images held out to choose the best epoch; 0: the last epoch is taken. A folder with both val and test has its own to choose by, whatever this says")
	fs.BoolVar(&s.skipBad, "skip-bad", false, "go on without images that cannot be read; otherwise they are listed and nothing is done")
	custom(fs, &s.size, "size", "0", "image size in `pixels`: 224 or height x width 224x320; 0: the architecture's own", parseSize)
	custom(fs, &s.Augment, "augment", s.Augment, "`what` is done to training images: crop (resize to 15/14, random crop, mirror: the authors'), rrc (random part of random shape, mirror), none",
		choice(map[string]string{"crop": "crop", "rrc": "rrc", "none": "none"}))
	fs.IntVar(&s.Views, "views", s.Views, "views of each training image among the cached features: itself, its mirror image, and then what -augment draws and its mirror image in turn; an epoch sees one of them")
	fs.StringVar(&s.cache, "cache", "", "`folder` of the features that frozen layers make of the images (mode last, and from:N with -agnostic 0): computed once, for all runs with the same photographs, backbone and -augment; empty: -out; off: none")
	fs.IntVar(&s.workers, "workers", 0, "images decoded at a time; 0: as many as processors")

	fs.StringVar(&s.weights, "weights", "", "`file` of the pre-trained backbone: safetensors, or PyTorch's .pt, .pth, .bin; with -download also dino-vits16 or dino-vitb16 (343 MB; the paper's); birds: a small one within the program, for mode last, that knows drawn birds alone")
	fs.StringVar(&s.arch, "arch", "auto", "the backbone's architecture: auto, a preset's `name` such as dino-vitb16, or a .json file with the fields of vit.Config")
	custom(fs, &s.Mode, "mode", string(s.Mode), "`where` class prompts enter: last (the last layer), deep (the same with class-agnostic prompts in the layers before it: the paper's), shallow (the first, and carried on), from:N (layer N, and carried on)", promptcam.ParseMode)
	fs.IntVar(&s.Agnostic, "agnostic", s.Agnostic, "class-agnostic prompts in each layer before the class prompts; modes shallow and last have none")
	fs.BoolVar(&s.PatchesOnly, "patches-only", s.PatchesOnly, "class prompts of the last layer look at patches alone")
	fs.Float64Var(&s.PromptDropout, "dropout", 0, "`probability` of an element of a prompt being zero in a training step")
	fs.Float64Var(&s.PatchDropout, "patch-dropout", s.PatchDropout, "`share` of each image's patches that class prompts do not see in a training step")
	fs.IntVar(&s.Rank, "rank", s.Rank, "rank of a change of the last layer's weights that all classes share (LoRA); 0: none")
	fs.Float64Var(&s.DropPath, "drop-path", 0, "`probability` of the last block being skipped in a training step; earlier ones rise to it from 0")

	custom(fs, &s.long, "preset", "quick", "`defaults` of mode last: quick, or long, which is more accurate and takes several times as long", choice(map[string]bool{"quick": false, "long": true}))
	fs.IntVar(&s.Epochs, "epochs", s.Epochs, "passes over the training images; 0: 10, or as many as make 900 steps (-preset long: 80, or 6,800 steps)")
	fs.IntVar(&s.Batch, "batch", s.Batch, "images per step")
	custom(fs, &s.Optimizer, "optimizer", s.Optimizer, "`kind`: sgd (with momentum 0.9) or adamw", choice(map[string]string{"sgd": "sgd", "adamw": "adamw"}))
	fs.Float64Var(&s.LR, "lr", s.LR, "highest learning rate")
	fs.Float64Var(&s.MinLR, "min-lr", s.MinLR, "last learning rate of the cosine; a -lr below the default lowers it, too")
	fs.Float64Var(&s.Warmup, "warmup", s.Warmup, "epochs during which the learning rate rises from 0")
	fs.Float64Var(&s.Decay, "decay", s.Decay, "weight decay")
	fs.Float64Var(&s.Distill, "distill", s.Distill, "`weight` of the distance to a teacher's scores, beside that to the labels: a linear probe on the class token (needs cached features); 0: no teacher")
	fs.Float64Var(&s.Temperature, "temperature", s.Temperature, "by which the teacher's and the model's scores, standardised, are divided")
	fs.Float64Var(&s.Binary, "binary", s.Binary, "`weight` of binary cross-entropy, beside that of cross-entropy, 1: each class's score must tell the class by itself, so the prompts of two look-alikes must both see what tells them apart; 0: none")
	fs.Float64Var(&s.Mix, "mix", s.Mix, "`share` of the steps in which each image is given patches of another, and a share of its label (needs cached features)")
	fs.Float64Var(&s.MixUntil, "mix-until", s.MixUntil, "`share` of the epochs after which -mix ends, and images stay whole; 0: never")
	fs.Float64Var(&s.Hard, "hard", s.Hard, "`share` of an epoch, less than 1, in which images are seen in proportion to the last loss of their class; in the rest all alike. Training's loss and accuracy are of what it saw. 0: each image once")
	fs.Float64Var(&s.HardFrom, "hard-from", s.HardFrom, "`share` of the epochs after which -hard begins; before, each image is seen once")
	fs.Float64Var(&s.Average, "average", s.Average, "decay per step of the mean of the parameters that is evaluated and saved, such as 0.99; 0: the last are")
	fs.BoolVar(&s.baseline, "baseline", false, "also test a linear probe and the nearest class mean, on the class token (needs cached features): the price of the explanation. With -distill they are tested anyway")
	fs.Int64Var(&s.Seed, "seed", s.Seed, "of everything random: splits, start, order, augmentation, dropout")

	fs.StringVar(&s.out, "out", "out", "`folder` for the results")
	fs.BoolVar(&s.resume, "resume", false, "go on with the unfinished run in -out")
	fs.IntVar(&s.samples, "samples", 2, "test images of each class explained in the report")
	fs.IntVar(&s.top, "top", 4, "heads shown, the most important first")
	custom(fs, &s.blur, "blur", "patches", "how heads are ranked: by spreading their attention over `rows`: patches (the paper's) or all (the authors' code)",
		choice(map[string]promptcam.Blur{"patches": promptcam.BlurPatches, "all": promptcam.BlurAll}))
	custom(fs, &s.style.Scale, "scale", "absolute", "`kind` of scale of the maps' colours: absolute (one for all maps of a photograph) or relative (each map's own)",
		choice(map[string]figure.Scale{"absolute": figure.Absolute, "relative": figure.Relative}))
	custom(fs, &s.style.Map, "colormap", "inferno", "`colours` of the maps: inferno, viridis or jet",
		choice(map[string]figure.Colormap{"inferno": figure.Inferno, "viridis": figure.Viridis, "jet": figure.Jet}))
	custom(fs, &s.traits, "traits", "auto", "`whether` to measure where the maps of the test images lie, if -data tells where things are (CUB's parts and bounding_boxes.txt, or masks): auto or off",
		choice(map[string]bool{"auto": true, "off": false}))
	fs.BoolVar(&s.quiet, "quiet", false, "print the final result alone")

	fs.StringVar(&s.load, "load", "", "`file` of a trained model, model.safetensors (needs its -weights too, unless they are birds) or an official checkpoint: no training. Where the folder has no test split of its own, -test and -seed must be those of the training")
	custom(fs, &s.explain, "explain", "", "photographs to explain by -load's model, `files` divided by commas", readPhotos)
	fs.StringVar(&s.addClass, "add-class", "", "`folder` of photographs of one new class, named after it, for -load's model: its prompt alone is trained, and the new model written to -out. With -data the images of the other classes keep them apart")
	fs.StringVar(&s.class, "class", "", "`name` or number of the class whose prompt is shown beside the predicted one's, such as the true one")

	return fs
}

// trainingFlags have no meaning with -load.
var trainingFlags = []string{
	"mode", "preset", "agnostic", "patches-only", "dropout", "drop-path", "epochs", "optimizer", "lr", "min-lr", "warmup", "decay", "val", "augment",
	"views", "cache", "patch-dropout", "rank", "distill", "temperature", "binary", "mix", "mix-until", "hard", "hard-from", "average", "baseline",
}

func sortedKeys[T any](m map[string]T) []string { return slices.Sorted(maps.Keys(m)) }

// groups is the order in which help lists the flags.
var groups = []struct {
	title string
	flags []string
}{
	{"Photographs", []string{"data", "download", "classes", "test", "val", "skip-bad", "size", "augment", "views", "cache", "workers"}},
	{"Model", []string{"weights", "arch", "mode", "agnostic", "patches-only", "dropout", "patch-dropout", "drop-path", "rank"}},
	{"Training", []string{"preset", "epochs", "batch", "optimizer", "lr", "min-lr", "warmup", "decay", "distill", "temperature", "binary", "mix", "mix-until", "hard", "hard-from", "average", "seed", "resume"}},
	{"A trained model", []string{"load", "explain", "class", "add-class"}},
	{"Results", []string{"out", "baseline", "samples", "top", "blur", "traits", "scale", "colormap", "quiet"}},
}

const about = `cub trains Prompt-CAM on a folder of photographs with a pre-trained vision transformer, reports its accuracy
and draws where the prompt of each class looks.

  cub
      trains on drawn birds with a backbone that comes with the program, and measures whether the maps lie on the traits
  cub -data CUB_200_2011 -weights vit_tiny_patch16_224.safetensors -out out
      trains on photographs; stop it at any time and go on with the same line and -resume
  cub -download -out out
      the same with photographs and weights that are downloaded first
  cub -data CUB_200_2011 -weights vit_tiny_patch16_224.safetensors -out orioles -classes 54,55,56,57 -val 0
      trains on four classes alone and takes the last epoch
  cub -load out/model.safetensors -weights vit_tiny_patch16_224.safetensors -data CUB_200_2011 -out test
      evaluates on the folder's test images; without -weights for a checkpoint of the authors' code
  cub -load out/model.safetensors -weights vit_tiny_patch16_224.safetensors -explain oriole.jpg -class Scott_Oriole -out maps
      draws and prints what the model looks at in one photograph
  cub -load out/model.safetensors -weights vit_tiny_patch16_224.safetensors -add-class Altamira_Oriole -data CUB_200_2011 -out more
      adds the class whose photographs are in the folder Altamira_Oriole; the other prompts stay as they are

Training leaves in -out: report/index.html, model.safetensors, metrics.json, history.csv, predictions.csv,
curves.png, features.safetensors (see -cache), traits.csv (see -traits) and, until it has finished,
state.safetensors.
`

// help prints all flags with their defaults.
func help(w io.Writer, fs *flag.FlagSet) error {
	var b strings.Builder
	b.WriteString(about)
	for _, g := range groups {
		fmt.Fprintf(&b, "\n%s:\n", g.title)
		for _, name := range g.flags {
			f := fs.Lookup(name)
			kind, text := flag.UnquoteUsage(f)
			if kind == "int" || kind == "float" {
				kind = "N"
			}
			if d := f.DefValue; d != "" && d != "false" && !(d == "0" && strings.Contains(text, "0:")) {
				text += " (default " + d + ")"
			}
			fmt.Fprintf(&b, "  %-20s %s\n", strings.TrimSpace("-"+name+" "+kind), wrap(text, 96, strings.Repeat(" ", 23)))
		}
	}
	var names []string
	for _, c := range vit.Presets() {
		names = append(names, c.Name)
	}
	fmt.Fprintf(&b, "\nDefaults are those of mode last with adamw; -mode deep -h, -preset long -h, -optimizer sgd -h or -data birds -h show others.\n\nArchitectures:\n  %s\n", wrap(strings.Join(names, " "), 117, "  "))
	_, err := io.WriteString(w, b.String())
	return err
}

// wrap breaks text into lines of at most width bytes, all but the first indented.
func wrap(text string, width int, indent string) string {
	var b strings.Builder
	at := 0
	for i, word := range strings.Fields(text) {
		switch {
		case i > 0 && at+1+len(word) > width:
			b.WriteString("\n" + indent)
			at = 0
		case i > 0:
			b.WriteByte(' ')
			at++
		}
		b.WriteString(word)
		at += len(word)
	}
	return b.String()
}
