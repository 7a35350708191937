package promptcam_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/color"
	"iter"
	"math/rand/v2"

	"github.com/promptcam/promptcam/data"
	"github.com/promptcam/promptcam/promptcam"
	"github.com/promptcam/promptcam/promptcam/figure"
	"github.com/promptcam/promptcam/tensor"
	"github.com/promptcam/promptcam/tensor/checkpoint"
	"github.com/promptcam/promptcam/vit"
	"github.com/promptcam/promptcam/vit/heat"
)

// tiny is the architecture of a small model with random weights. That of a real one comes from
// vit.Preset or vit.Detect.
var tiny = vit.Config{
	Name: "tiny", ImageSize: [2]int{32, 32}, PatchSize: 8, Dim: 48, Depth: 3, Heads: 4, Hidden: 192,
	Eps: 1e-6, Std: [3]float32{1, 1, 1},
}

// open opens the small model, a checkpoint of the authors' code.
func open() *promptcam.Model {
	f, err := checkpoint.Open("testdata/golden/dino/model.safetensors")
	check(err)
	defer f.Close()
	m, err := promptcam.LoadOfficial(f, tiny)
	check(err)
	m.Classes = []string{"Orchard Oriole", "Scott Oriole", "Hooded Oriole", "Baltimore Oriole", "Bullock Oriole"}
	return m
}

// bird is a yellow body with a black wing before a blue sky.
func bird() image.Image {
	m := image.NewRGBA(image.Rect(0, 0, 64, 64))
	for y := range 64 {
		for x := range 64 {
			c := color.RGBA{120, 170, 230, 255}
			if (x-32)*(x-32)+(y-36)*(y-36) < 400 {
				c = color.RGBA{250, 220, 10, 255}
			}
			if x > 36 && x < 50 && y > 30 && y < 44 {
				c = color.RGBA{20, 20, 20, 255}
			}
			m.SetRGBA(x, y, c)
		}
	}
	return m
}

// The whole way from a file to a trait.
func ExampleModel_Explain() {
	model := open()
	e, err := model.Explain(bird())
	if err != nil {
		fmt.Println(err)
		return
	}
	class := e.Predicted()
	best := e.Rank(class, promptcam.BlurPatches).Heads[0].Head
	share := e.Share(class, best)
	fmt.Printf("%s; head %d matters most, with %.0f %% of its attention on patches\n", model.Classes[class], best, 100*share.Patches)
	overlay := figure.Overlay(e.Seen, e.Heat(class, best), figure.Style{})
	fmt.Println("a picture of", overlay.Bounds().Size())
	// Output:
	// Hooded Oriole; head 3 matters most, with 76 % of its attention on patches
	// a picture of (64,64)
}

// What a prediction rests on: the lead over another class, without the four patches of the wing, and without
// four of the sky. This model knows of no wings: its weights are random.
func ExampleModel_ScoresWithout() {
	model := open()
	t := model.Transform
	photo := tensor.New(1, 3, t.Height, t.Width)
	t.Normalise(photo.Data(), t.Apply(data.ToRGB(bird()), nil)) // 4 rows of 4 patches
	for _, patches := range [][]int{{}, {6, 7, 10, 11}, {0, 1, 2, 3}} {
		scores, err := model.ScoresWithout(context.Background(), photo, [][]int{patches})
		check(err)
		fmt.Printf("without %v: %.2f\n", patches, scores.At(0, 2)-scores.At(0, 1))
	}
	// Output:
	// without []: 3.08
	// without [6 7 10 11]: 3.31
	// without [0 1 2 3]: 3.36
}

// A map can be measured where it is known what it should be on, here the wing. This model knows of
// no wings: its weights are random.
func ExampleExplanation_Heat() {
	model, photo := open(), bird()
	e, err := model.Explain(photo)
	if err != nil {
		fmt.Println(err)
		return
	}
	view := heat.View{Transform: model.Transform, Patch: model.Backbone.Config.PatchSize, Size: photo.Bounds().Size()}
	wing := view.Box(data.Box{X: 37, Y: 31, Width: 13, Height: 13})
	heat := e.Heat(2, 3)
	fmt.Printf("%.1f %% of the attention on the wing, which is %.1f %% of the image\n", 100*heat.Mass(wing), 100*wing.Area())
	fmt.Printf("the hottest patch is on it: %v; by chance %.1f %% are\n", heat.Points(wing), 100*wing.Chance())
	// Output:
	// 4.5 % of the attention on the wing, which is 4.8 % of the image
	// the hottest patch is on it: false; by chance 6.2 % are
}

func ExampleExplanation() {
	model := open()
	e, err := model.Explain(bird())
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, class := range e.Top(2) {
		fmt.Printf("%s %.1f %%\n", model.Classes[class], 100*e.Probabilities[class])
	}
	// Output:
	// Hooded Oriole 48.7 %
	// Baltimore Oriole 33.3 %
}

func ExampleRanking() {
	e, err := open().Explain(bird())
	if err != nil {
		fmt.Println(err)
		return
	}
	r := e.Rank(e.Predicted(), promptcam.BlurPatches)
	for _, h := range r.Heads {
		fmt.Printf("head %d: %.1f %% remain without it and those below\n", h.Head, 100*h.Probability)
	}
	fmt.Println("sufficient traits:", r.Sufficient)
	// Output:
	// head 3: 39.1 % remain without it and those below
	// head 0: 48.6 % remain without it and those below
	// head 1: 50.8 % remain without it and those below
	// head 2: 51.4 % remain without it and those below
	// sufficient traits: 1
}

func ExampleHeadScore() {
	e, err := open().Explain(bird())
	if err != nil {
		fmt.Println(err)
		return
	}
	class := e.Predicted()
	last := e.Rank(class, promptcam.BlurPatches).Heads[0]
	fmt.Printf("%.1f %% as it is, %.1f %% with every head blurred\n", 100*e.Probabilities[class], 100*last.Probability)
	// Output:
	// 48.7 % as it is, 39.1 % with every head blurred
}

func ExampleShare() {
	e, err := open().Explain(bird())
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(e.Share(2, 3))
	// Output:
	// patches 76.0 %, prompts 19.0 %, CLS 5.0 %
}

// A service answers as JSON: what tells the predicted class from another, then classes and maps. See MarshalJSON for all fields.
func ExampleExplanation_MarshalJSON() {
	e, err := open().Explain(bird())
	if err != nil {
		fmt.Println(err)
		return
	}
	text, err := json.Marshal(e)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%.98s...\n", text)
	// Output:
	// {"question":{"for":[2],"against":[3],"names":["Hooded Oriole","Baltimore Oriole"],"versus":"even"}...
}

// A model is trained on a frozen backbone, saved without it, and loaded onto it again.
func ExampleModel() {
	rng := rand.New(rand.NewPCG(1, 2))
	backbone, err := vit.New(tiny, rng)
	if err != nil {
		fmt.Println(err)
		return
	}
	model, err := promptcam.New(backbone, promptcam.Config{Mode: promptcam.Last, Classes: 2}, rng)
	if err != nil {
		fmt.Println(err)
		return
	}
	model.Classes = []string{"Orchard Oriole", "Scott Oriole"}
	var file bytes.Buffer
	if err := model.Save(&file); err != nil {
		fmt.Println(err)
		return
	}
	f, err := checkpoint.Decode(bytes.NewReader(file.Bytes()), int64(file.Len()), "model.safetensors")
	if err != nil {
		fmt.Println(err)
		return
	}
	again, err := promptcam.Load(f, backbone)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(again.Classes)
	// Output: [Orchard Oriole Scott Oriole]
}

// saved is the small model's file, without its backbone.
func saved() *checkpoint.File {
	var file bytes.Buffer
	check(open().Save(&file))
	f, err := checkpoint.Decode(bytes.NewReader(file.Bytes()), int64(file.Len()), "model.safetensors")
	check(err)
	return f
}

// A file tells what it holds, and for which backbone.
func ExampleInfo() {
	info, err := promptcam.ReadInfo(saved())
	check(err)
	fmt.Println(info.Config.Mode, len(info.Classes), info.Classes[0])
	// Output:
	// deep 5 Orchard Oriole
}

// The backbone of a file is recognised by its weights and architecture.
func ExampleBackboneInfo() {
	info, err := promptcam.ReadInfo(saved())
	check(err)
	fmt.Println(info.Backbone.Config.Name, info.Backbone.SHA256 == open().Backbone.SHA256)
	// Output:
	// tiny true
}

func ExampleBackboneError() {
	_, err := promptcam.Load(saved(), nil) // where is the backbone?
	var missing *promptcam.BackboneError
	fmt.Println(errors.As(err, &missing), missing.Want.Config.Name)
	fmt.Println(errors.Is(err, promptcam.ErrWrongBackbone))
	// Output:
	// true tiny
	// true
}

// Rank can also blur as the authors' code does.
func ExampleBlur() {
	e, err := open().Explain(bird())
	check(err)
	paper, code := e.Rank(2, promptcam.BlurPatches), e.Rank(2, promptcam.BlurAll)
	fmt.Printf("%.1f %% with every head blurred as in the paper, %.1f %% as in the code\n", 100*paper.Heads[0].Probability, 100*code.Heads[0].Probability)
	// Output:
	// 39.1 % with every head blurred as in the paper, 51.3 % as in the code
}

// The score with any of the four heads blurred says which of them are enough, and what each is worth.
func ExampleExplanation_Subsets() {
	e, err := open().Explain(bird())
	check(err)
	s := e.Subsets(e.Predicted(), promptcam.BlurPatches)
	for _, set := range s.Sufficient() {
		fmt.Printf("enough: heads %v, by %.2f\n", set.Heads, set.Margin)
	}
	for _, set := range s.Necessary() {
		fmt.Printf("needed: heads %v, lost by %.2f\n", set.Heads, -set.Margin)
	}
	for head, v := range s.Shapley() {
		fmt.Printf("head %d is worth %+.2f of %.2f\n", head, v.Value, s.Values[0]-s.Values[15])
	}
	fmt.Printf("heads 0 and 3 together: %+.3f\n", s.Interactions()[0][3].Value)
	// Output:
	// enough: heads [3], by 0.38
	// enough: heads [0], by 0.07
	// enough: heads [1], by 0.01
	// needed: heads [3], lost by 0.03
	// head 0 is worth +0.09 of 0.39
	// head 1 is worth +0.04 of 0.39
	// head 2 is worth -0.14 of 0.39
	// head 3 is worth +0.40 of 0.39
	// heads 0 and 3 together: +0.010
}

// Blurred in the rows of both classes, the heads tell one from the other.
func ExampleExplanation_SubsetsAgainst() {
	e, err := open().Explain(bird())
	check(err)
	two := e.Top(2)
	s := e.SubsetsAgainst(two[0], two[1], promptcam.BlurPatches)
	fmt.Printf("margin %.2f, with every head blurred %.2f; enough: heads %v\n", s.Values[0], s.Values[15], s.Sufficient()[0].Heads)
	// Output:
	// margin 0.38, with every head blurred 0.31; enough: heads []
}

// The adapters of a new model change nothing yet, since B is zero.
func ExampleAdapters() {
	rng := rand.New(rand.NewPCG(1, 2))
	backbone, err := vit.New(tiny, rng)
	check(err)
	model, err := promptcam.New(backbone, promptcam.Config{Mode: promptcam.Last, Classes: 2, Rank: 4}, rng)
	check(err)
	fmt.Println(model.Adapters.QKV.A.Value.Shape(), model.Adapters.QKV.B.Value.At(0, 0))
	// Output:
	// [4 48] 0
}

func ExampleConfig() {
	c := promptcam.Config{Mode: promptcam.Last, Classes: 200, PatchesOnly: true, Rank: 16, PatchDropout: 0.5}
	fmt.Println(c.Validate(12))
	c.Agnostic = 10
	fmt.Println(c.Validate(12))
	// Output:
	// <nil>
	// promptcam: 10 class-agnostic prompts, but mode last has none
}

func ExampleMode() {
	for _, mode := range []promptcam.Mode{promptcam.Deep, promptcam.FromLayer(10), "first"} {
		fmt.Println(mode, promptcam.Config{Mode: mode, Classes: 200}.Validate(12))
	}
	// Output:
	// deep <nil>
	// from:10 <nil>
	// first promptcam: mode "first", want deep, shallow, last or from:N
}

// birds are batches of one image.
type birds []int // labels

func (b birds) Len() int     { return len(b) }
func (b birds) Batches() int { return len(b) }
func (b birds) Epoch(context.Context, data.Plan) iter.Seq2[*data.Batch, error] {
	return func(yield func(*data.Batch, error) bool) {
		t := data.EvalTransform(tiny.ImageSize, [3]float32{}, [3]float32{})
		for i, label := range b {
			pixels := tensor.New(1, 3, 32, 32)
			t.Normalise(pixels.Data(), t.Apply(data.ToRGB(bird()), nil))
			if !yield(&data.Batch{Values: pixels.Add(tensor.New().Fill(float32(-i))), Labels: []int{label}, Index: []int{i}}, nil) {
				return
			}
		}
	}
}

// data.NewLoader makes batches of photographs, and package features batches of tokens.
func ExampleBatches() {
	var l promptcam.Batches = birds{3, 2, 2}
	for batch, err := range l.Epoch(context.Background(), data.Plan{}) {
		check(err)
		fmt.Println(batch.Values.Shape(), batch.Labels)
	}
	// Output:
	// [1 3 32 32] [3]
	// [1 3 32 32] [2]
	// [1 3 32 32] [2]
}

func ExampleEvaluation() {
	test, err := open().Evaluate(context.Background(), birds{3, 2, 2}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("top-1 %.0f %%, top-5 %.0f %%\n", 100*test.Top1, 100*test.Top5)
	// Output:
	// top-1 33 %, top-5 100 %
}

func ExamplePrediction() {
	model := open()
	test, err := model.Evaluate(context.Background(), birds{3, 2}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, p := range test.Predictions {
		fmt.Printf("image %d is a %s, taken for a %s (%.0f %%)\n", p.Index, model.Classes[p.Class], model.Classes[p.Predicted], 100*p.Probability())
	}
	// Output:
	// image 0 is a Baltimore Oriole, taken for a Baltimore Oriole (42 %)
	// image 1 is a Hooded Oriole, taken for a Baltimore Oriole (48 %)
}

func ExampleConfusion() {
	model := open()
	test, err := model.Evaluate(context.Background(), birds{1, 0, 1}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, c := range test.Confusions(10) {
		fmt.Printf("%s taken for %s: %d\n", model.Classes[c.True], model.Classes[c.Predicted], c.Count)
	}
	// Output:
	// Scott Oriole taken for Baltimore Oriole: 2
	// Orchard Oriole taken for Baltimore Oriole: 1
}

// Predictions and maps of the same pass.
func ExampleModel_Explanations() {
	model := open()
	test := promptcam.NewEvaluation(len(model.Classes))
	for e, err := range model.Explanations(context.Background(), birds{3, 2}) {
		if err != nil {
			fmt.Println(err)
			return
		}
		test.Add(e)
		r := e.Rank(e.Label, promptcam.BlurPatches)
		fmt.Printf("image %d: head %d\n", e.Index, r.Heads[0].Head)
	}
	fmt.Println("top-1:", test.Top1)
	// Output:
	// image 0: head 3
	// image 1: head 1
	// top-1: 0.5
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

// A set names the classes that an image may be of, as many as images held out from training say.
func ExampleCalibrate() {
	held := make([]promptcam.Prediction, 99)
	for i := range held { // Model.Evaluate makes them
		held[i] = promptcam.Prediction{Class: 0, Scores: []float32{float32(i) / 10, 4, 1}}
	}
	c, err := promptcam.Calibrate(held, 0.95)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("classes with at least %.1f %%\n", 100*c.Threshold) // model.Conformal = c keeps it
	fmt.Println(c.Set([]float32{9, 1, 0}), c.Set([]float32{3, 2, -1}))
	_, err = promptcam.Calibrate(held, 0.995)
	fmt.Println(err)
	// Output:
	// classes with at least 2.5 %
	// [0] [0 1]
	// promptcam: prediction sets at 99.5 % need at least 199 images to calibrate, got 99
}
