package pretrain

import (
	"cmp"
	"fmt"

	"github.com/promptcam/promptcam/nn/fit/knob"
	"github.com/promptcam/promptcam/nn/optim"
	"github.com/promptcam/promptcam/tensor/machine"
	"github.com/promptcam/promptcam/vit"
)

// Config is all that decides, with the images, which bits a run ends with.
type Config struct {
	Shape
	Projection
	Crops

	Epochs    int     `knob:"epochs" group:"Training" default:"100" range:"[1,1048576]" help:"passes over the images"`
	Batch     int     `knob:"batch" default:"64" range:"[1,1048576]" help:"images of a step"`
	Piece     int     `knob:"piece" default:"32" range:"[1,1048576]" help:"images of a step that are computed at a time, and over which the head normalises: fewer take less memory"`
	Optimizer string  `knob:"optimizer" default:"adamw" choices:"adamw muon" help:"adamw, DINO's, or muon, for the matrices of the blocks, which with --contrast learns sooner"`
	LR        float64 `knob:"lr" default:"0.0005" range:"(0,1]" arg:"rate" help:"highest learning rate"`
	MinLR     float64 `knob:"min-lr" default:"1e-06" range:"[0,1]" arg:"rate" help:"last learning rate"`
	Warmup    float64 `knob:"warmup" default:"10" range:"[0,1048576]" arg:"epochs" help:"epochs in which the rate rises from 0"`
	Decay     float64 `knob:"decay" default:"0.04" range:"[0,10]" help:"weight decay at the beginning"`
	LastDecay float64 `knob:"last-decay" default:"0.4" range:"[0,10]" help:"and at the end, along a cosine"`
	Clip      float64 `knob:"clip" default:"3" range:"[0,1000000]" arg:"length" help:"greatest length of one parameter's gradient; 0: any"`
	DropPath  float64 `knob:"drop-path" default:"0" range:"[0,0.9]" arg:"probability" help:"with which a student's last block is left out for a crop, or with --window for a window; less for earlier blocks (DINO: 0.1)"`
	Seed      int64   `knob:"seed" default:"1" help:"random seed"`

	Momentum float64 `knob:"momentum" group:"Objective" default:"0.99" range:"[0,1]" help:"of the teacher's EMA at the beginning; 1 at the end, along a cosine (DINO: 0.996, for thirty times the steps)"`
	Contrast float64 `knob:"contrast" default:"0" range:"[0,10]" arg:"temperature" help:"of MoCo v3's objective, such as 0.2: to tell each image of a piece from all others, which learns sooner from several pictures of each; 0: DINO's"`
	DINO
}

// Shape is the architecture of the backbone.
type Shape struct {
	Patch     int `knob:"patch" group:"Backbone" default:"8" range:"[1,1024]" arg:"pixels" help:"side of a patch"`
	Image     int `knob:"image" default:"96" range:"[1,4096]" arg:"pixels" help:"side of an image, and of a global crop"`
	Dim       int `knob:"dim" default:"192" range:"[1,65536]" help:"width of a token"`
	Depth     int `knob:"depth" default:"6" range:"[1,1024]" help:"blocks"`
	Heads     int `knob:"heads" default:"3" range:"[1,1024]" help:"attention heads"`
	Registers int `knob:"registers" default:"0" range:"[0,1024]" help:"learned tokens beside the class token, in which blocks may keep what they would else keep in patches of the background (Darcet et al., arXiv 2309.16588)"`
	Window    int `knob:"window" default:"0" range:"[0,1024]" arg:"patches" help:"side of the windows within which all blocks but the last attend, so that a patch's token is about what is near it; 0: they attend to all"`
}

// Projection is the size of the projection head, DINO's, which is left behind after training.
type Projection struct {
	Hidden     int `knob:"head-hidden" group:"Projection head" default:"512" range:"[1,65536]" help:"width of its hidden layers"`
	Bottleneck int `knob:"head-bottleneck" default:"128" range:"[1,65536]" help:"width of its bottleneck"`
	Outputs    int `knob:"outputs" default:"4096" range:"[2,1048576]" help:"its outputs, K (DINO: 65536 for ImageNet)"`
}

// Crops is what views of an image are: two global crops, which the teacher sees too, and local ones.
type Crops struct {
	Early      int     `knob:"early" group:"Views" default:"0" range:"[0,4096]" arg:"pixels" help:"side of global crops in the first six tenths of the epochs: smaller ones are faster; 0: --image"`
	Locals     int     `knob:"locals" default:"4" range:"[0,64]" help:"local crops of each image"`
	Local      int     `knob:"local" default:"48" range:"[1,4096]" arg:"pixels" help:"side of a local crop"`
	GlobalArea float64 `knob:"global-area" default:"0.4" range:"[0.001,1]" arg:"share" help:"least share of an image that a global crop shows, and greatest that a local one does"`
	LocalArea  float64 `knob:"local-area" default:"0.05" range:"[0.001,1]" arg:"share" help:"least share that a local crop shows"`
	Flip       float64 `knob:"flip" default:"0.5" range:"[0,1]" arg:"probability" help:"of a mirror image"`
	Jitter     float64 `knob:"jitter" default:"0.2" range:"[0,2]" help:"change of brightness and contrast within 1 +- this, of saturation half and of hue a quarter as much (DINO: 0.4)"`
	Grey       float64 `knob:"grey" default:"0" range:"[0,1]" arg:"probability" help:"of a crop without colour (DINO: 0.2)"`
	Blur       float64 `knob:"blur" default:"0" range:"[0,1]" arg:"probability" help:"of a blurred crop (DINO: 0.1 to 1)"`
	Solarize   float64 `knob:"solarize" default:"0" range:"[0,1]" arg:"probability" help:"that the second global crop is solarised (DINO: 0.2)"`
}

// DINO is what its objective needs beside the teacher.
type DINO struct {
	Centring        float64 `knob:"centring" default:"0.9" range:"[0,1]" arg:"momentum" help:"of the centre, the moving mean of the teacher's scores: to hold back what all images have in common it must move faster than the teacher"`
	Temperature     float64 `knob:"temperature" default:"0.04" range:"[0.001,10]" help:"divides the teacher's scores: the lower, the surer it is"`
	WarmTemperature float64 `knob:"warm-temperature" default:"0.04" range:"[0.001,10]" arg:"temperature" help:"the same at the beginning"`
	WarmEpochs      float64 `knob:"warm-epochs" default:"0" range:"[0,1048576]" arg:"epochs" help:"from one to the other"`
	Freeze          int     `knob:"freeze" default:"1" range:"[0,1048576]" arg:"epochs" help:"in which the head's last layer stays as it is"`
}

// DefaultConfig returns a small network and a recipe for some ten thousand photographs.
func DefaultConfig() Config {
	var c Config
	knob.Defaults(&c)
	return c
}

// Validate returns an error for settings that are out of range or do not go together.
func (c Config) Validate() error {
	if err := knob.Check(&c); err != nil {
		return err
	}
	switch {
	case c.MinLR > c.LR:
		return fmt.Errorf("--min-lr is %v, want at most the %v of --lr", c.MinLR, c.LR)
	case c.LocalArea > c.GlobalArea:
		return fmt.Errorf("--local-area is %v, want at most the %v of --global-area", c.LocalArea, c.GlobalArea)
	case c.Contrast > 0 && (c.Piece == 1 || c.Batch%c.Piece == 1):
		return fmt.Errorf("--contrast tells the images of a piece apart: a --batch of %d in pieces of --piece %d leaves one image alone", c.Batch, c.Piece)
	}
	if err := c.Backbone().Validate(); err != nil {
		return fmt.Errorf("--patch, --image, --dim, --depth, --heads, --window: %w", err)
	}
	for _, crop := range []struct {
		flag string
		side int
		used bool
	}{{"local", c.Local, c.Locals > 0}, {"early", c.Early, c.Early != 0}} {
		c.Image = crop.side
		if err := c.Backbone().Validate(); crop.used && err != nil {
			return fmt.Errorf("--%s %d: %w", crop.flag, crop.side, err)
		}
	}
	return nil
}

// Backbone returns the architecture. Pixels are normalised by ImageNet's statistics, as DINO does.
func (s Shape) Backbone() vit.Config {
	return vit.Config{
		Name:      fmt.Sprintf("pretrained-%dx%d-patch%d", s.Dim, s.Depth, s.Patch),
		ImageSize: [2]int{s.Image, s.Image}, PatchSize: s.Patch,
		Dim: s.Dim, Depth: s.Depth, Heads: s.Heads, Hidden: 4 * s.Dim, Registers: s.Registers, Window: s.Window, Eps: 1e-6,
		Mean: [3]float32{0.485, 0.456, 0.406}, Std: [3]float32{0.229, 0.224, 0.225},
	}
}

// memory estimates how many bytes a training takes at least: the numbers of student, teacher, gradient and
// optimizer, the views of a step, and what a piece leaves for its gradients.
func (c *Config) memory() float64 {
	d, side, views := float64(c.Dim), float64(c.Image), float64(globals+c.Locals)
	tokens := 1 + float64(c.Registers) + side*side/float64(c.Patch*c.Patch)
	backbone := 12*d*d*float64(c.Depth) + d*(tokens+3*float64(c.Patch*c.Patch))
	head := float64(c.Hidden)*(d+float64(c.Hidden)+float64(c.Bottleneck)) + float64(c.Bottleneck)*float64(c.Outputs)
	pixels := 3 * float64(c.Batch) * (globals*side*side + float64(c.Locals)*float64(c.Local*c.Local))
	piece := float64(min(c.Piece, c.Batch)) * (globals*tokens*d*float64(c.Depth) + views*float64(c.Outputs))
	const copies, bytes = 5, 4
	return bytes * (copies*(backbone+head) + pixels + piece)
}

// affordable returns an error if the machine has less memory than that.
func (c *Config) affordable() error {
	if all, known := machine.Memory(); known && c.memory() > float64(all) {
		return fmt.Errorf("--dim, --depth, --outputs, --batch, --piece and the like: training takes at least %.1f GB of memory, the machine has %.1f GB", c.memory()/1e9, float64(all)/1e9)
	}
	return nil
}

// Easy is the share of the epochs, the first, in which crops are small (Crops.Early) and birds less akin.
const Easy = 0.6

// side returns the side of global crops in an epoch, counted from 0.
func (c *Config) side(epoch int) int {
	if float64(epoch) < Easy*float64(c.Epochs) {
		return cmp.Or(c.Early, c.Image)
	}
	return c.Image
}

// schedule returns that of the learning rate.
func (c *Config) schedule() optim.Schedule {
	return optim.Schedule{Base: c.LR, Min: c.MinLR, Warmup: c.Warmup, Epochs: float64(c.Epochs)}
}

// pace is what the other schedules give for a step.
type pace struct {
	decay       float32
	momentum    float32 // of the teacher
	temperature float32 // of the teacher
	frozen      bool    // the head's directions stay as they are
}

// pace returns that of the step that ends so many epochs after the start.
func (c *Config) pace(epoch float64) pace {
	cosine := func(from, to float64) float32 {
		return optim.Schedule{Base: from, Min: to, Epochs: float64(c.Epochs)}.At(epoch)
	}
	temperature := c.Temperature
	if epoch < c.WarmEpochs {
		temperature = c.WarmTemperature + (c.Temperature-c.WarmTemperature)*epoch/c.WarmEpochs
	}
	return pace{cosine(c.Decay, c.LastDecay), cosine(c.Momentum, 1), float32(temperature), epoch <= float64(c.Freeze)}
}
