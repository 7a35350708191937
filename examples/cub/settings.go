package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/promptcam/promptcam/examples/internal/console"
	"github.com/promptcam/promptcam/nn/fit/knob"
	"github.com/promptcam/promptcam/promptcam"
	"github.com/promptcam/promptcam/promptcam/run"
)

// settings is what the command line says.
type settings struct {
	Data     string `knob:"data" group:"Photographs" arg:"folder" help:"folder with one sub-folder of photographs per class, CUB-200-2011 as published and unpacked, or {train,val|test}/CLASS/*. birds: synthetic birds, which are kept in the user cache"`
	Download bool   `knob:"download" help:"without -data download CUB-200-2011 (1.2 GB), without -weights DINO's ViT-S/16 (87 MB), from their publishers into the user cache; existing files are reused, partial downloads resumed"`
	Classes  list   `knob:"classes" arg:"list" help:"comma-separated classes to use alone, by name or number: 4,5,Scott_Oriole"`

	Weights string `knob:"weights" group:"Model" arg:"file" help:"pre-trained backbone: safetensors, or PyTorch's .pt, .pth, .bin; with -download also dino-vits16 or dino-vitb16 (343 MB; the paper's). birds: a small one within the program, for mode last, that knows synthetic birds alone"`
	Arch    string `knob:"arch" default:"auto" arg:"name" help:"the backbone's architecture: auto, a preset such as dino-vitb16, or a .json file with the fields of vit.Config"`
	Size    size   `knob:"size" default:"0" arg:"pixels" help:"image size: 224, or height x width 224x320; 0: the architecture's own"`

	run.Job
	Resume bool `knob:"resume" group:"Training" help:"go on with the unfinished run in -out"`

	Traits string `knob:"traits" group:"Results" default:"auto" choices:"auto off" arg:"when" help:"measure where the maps of the test images are, if -data says where things are (CUB's parts and bounding_boxes.txt, or masks): auto or off"`
	Quiet  bool   `knob:"quiet" help:"print only the result"`

	Load     string `knob:"load" group:"A trained model" arg:"file" help:"trained model, model.safetensors (needs its -weights too, unless they are birds) or an official checkpoint: no training. Where the folder has no test split of its own, -test and -seed must be those of the training"`
	Explain  photos `knob:"explain" arg:"files" help:"comma-separated photographs, or folders of them, to explain by -load's model"`
	Class    list   `knob:"class" arg:"list" help:"classes, by name or number, whose maps -explain shows beside those of the predicted one"`
	AddClass string `knob:"add-class" arg:"folder" help:"photographs of one new class, named after the folder, for -load's model: its prompt alone is trained, and the new model written to -out. With -data the images of the other classes keep them apart"`

	given      map[string]string // the flags that were set
	fetches    *wanted           // by -download; nil: nothing
	draws      string            // folder of drawn birds; empty: -data is another
	ownWeights bool              // -weights are those within the program
	official   bool              // -load is a checkpoint of the authors' code, which names no classes
}

// parse reads the command line. flag.ErrHelp means that help was asked for and
// is written to stdout.
func parse(args []string, stdout io.Writer) (*settings, error) {
	s := &settings{given: map[string]string{}}
	knob.Defaults(s)
	fs := flag.NewFlagSet("cub", flag.ContinueOnError)
	fs.SetOutput(io.Discard) // errors and help are printed by main and below
	for k := range knob.Walk(s) {
		fs.Var(k, k.Flag, k.Help)
	}
	err := fs.Parse(args)
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		return nil, console.UsageError{Err: err}
	}
	fs.Visit(func(f *flag.Flag) { s.given[f.Name] = f.Value.String() })
	bare := s.bare()
	if wrong := s.resolve(bare || s.Data == own && !exists(own)); wrong != nil {
		return nil, console.UsageError{Err: wrong}
	}
	if err != nil {
		return nil, errors.Join(err, help(stdout, s))
	}
	for name, value := range s.given {
		// A variable of the shell that is empty lets the next flag slip into its place.
		if next, ok := strings.CutPrefix(value, "-"); ok && fs.Lookup(next) != nil {
			return nil, console.Usagef("-%s has no value: -%s comes next", name, next)
		}
	}
	if fs.NArg() > 0 {
		return nil, console.Usagef("%q is no flag: every argument needs a flag before it, such as -data", fs.Arg(0))
	}
	// A folder or a file of that name is what is meant, if -data or -weights says so.
	if bare || s.Data == own && !exists(own) {
		if s.draws, err = drawnFolder(); err != nil {
			return nil, err
		}
		s.Data, s.Title = s.draws, "drawn birds"
	}
	if bare || s.Weights == own && !isFile(own) {
		s.Weights, s.ownWeights = own, true
	}
	if err := s.downloads(); err != nil {
		return nil, err
	}
	return s, s.check()
}

// bare says whether neither images nor a model are named: then those serve that come with the program.
func (s *settings) bare() bool {
	return !slices.ContainsFunc([]string{"data", "weights", "load", "download"}, s.isGiven)
}

func (s *settings) isGiven(flag string) bool {
	_, ok := s.given[flag]
	return ok
}

// resolve finds the recipe.
func (s *settings) resolve(drawn bool) (err error) {
	given := map[string]string{}
	for k := range knob.Walk(&s.Recipe) {
		if value, ok := s.given[k.Flag]; ok {
			given[k.Flag] = value
		}
	}
	s.Recipe, err = run.Images{Drawn: drawn, Uncached: s.Cache == "off"}.Resolve(given)
	return err
}

// check finds what is out of range, and flags that do not go together.
func (s *settings) check() error {
	switch {
	case len(s.Explain) > 0 && s.Load == "":
		return console.Usagef("-explain needs -load, the trained model that is to explain")
	case s.AddClass != "" && (s.Load == "" || len(s.Explain) > 0):
		return console.Usagef("-add-class needs -load, the trained model, and goes without -explain")
	case len(s.Class) > 0 && len(s.Explain) == 0:
		return console.Usagef("-class says what to -explain, which is not given")
	case s.Data == "" && len(s.Explain) == 0 && s.AddClass == "":
		return console.Usagef("-data is missing: the folder of photographs; %s are drawn ones", own)
	case s.Weights == "" && s.Load == "":
		return console.Usagef("-weights is missing: the file of the pre-trained backbone; %s is a small one that knows drawn birds alone", own)
	case s.ownWeights && s.isGiven("arch"):
		return console.Usagef("-arch is given, but the architecture of -weights %s is known", own)
	case s.ownWeights && s.Load == "" && s.Mode != promptcam.Last:
		return console.Usagef("-mode is %s, but in all blocks of -weights %s but the last each patch sees its window alone, and prompts can enter the last alone: want -mode last", s.Mode, own)
	}
	if err := s.Job.Validate(); err != nil {
		return console.UsageError{Err: err}
	}
	if s.Load == "" {
		if err := s.Recipe.Validate(); err != nil {
			return console.UsageError{Err: err}
		}
		return nil
	}
	for k := range knob.Walk(&s.Recipe) {
		if s.isGiven(k.Flag) && !slices.Contains([]string{"test", "batch", "seed"}, k.Flag) {
			return console.Usagef("-%s is for training, and -load skips it", k.Flag)
		}
	}
	for _, name := range []string{"baseline", "resume"} {
		if s.isGiven(name) {
			return console.Usagef("-%s is for training, and -load skips it", name)
		}
	}
	return nil
}

// list is a flag of words divided by commas.
type list []string

func (l *list) String() string { return strings.Join(*l, ",") }
func (l *list) Set(text string) error {
	*l = nil
	for word := range strings.SplitSeq(text, ",") {
		if word = strings.TrimSpace(word); word != "" {
			*l = append(*l, word)
		}
	}
	return nil
}

// photos is a flag of a list of files, or one whose name has a comma.
type photos []string

func (p *photos) String() string { return strings.Join(*p, ",") }
func (p *photos) Set(text string) error {
	if text != "" && exists(text) {
		*p = photos{text}
		return nil
	}
	return (*list)(p).Set(text)
}

// size is a flag of height and width; 0 leaves it open.
type size [2]int

func (s *size) String() string {
	if s[0] == s[1] {
		return strconv.Itoa(s[0])
	}
	return fmt.Sprintf("%dx%d", s[0], s[1])
}

func (s *size) Set(text string) (err error) {
	h, w, both := strings.Cut(text, "x")
	if !both {
		w = h
	}
	for i, side := range [2]string{h, w} {
		if s[i], err = strconv.Atoi(side); err != nil || s[i] < 0 {
			return errors.New("want pixels such as 224, or height x width such as 224x320")
		}
	}
	return nil
}
