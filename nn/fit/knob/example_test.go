package knob_test

import (
	"flag"
	"fmt"
	"os"

	"github.com/promptcam/promptcam/nn/fit/knob"
)

// A struct's tags are its flags, its help, its JSON and its check.
func Example() {
	type mix struct {
		Share float64 `knob:"mix" default:"0.7" range:"[0,1]" help:"share of steps with CutMix"`
	}
	type recipe struct {
		Epochs int     `knob:"epochs" group:"Training" default:"25" range:"[1,)" help:"passes over the images"`
		LR     float64 `knob:"lr" default:"0.003" range:"(0,1]" arg:"rate" help:"highest learning rate"`
		CutMix mix
	}
	var was, now recipe
	knob.Defaults(&was)
	knob.Defaults(&now)

	fs := flag.NewFlagSet("train", flag.ContinueOnError)
	for k := range knob.Walk(&now) {
		fs.Var(k, k.Flag, k.Help)
	}
	fmt.Println(fs.Parse([]string{"-lr", "0.01", "-mix", "2"}), knob.Check(&now))
	fmt.Println(knob.Differ(&was, &now))
	text, err := knob.Marshal(&was)
	fmt.Println(string(text), err)
	if err := knob.Usage(os.Stdout, knob.Walk(&was)); err != nil {
		fmt.Println(err)
	}
	// Output:
	// <nil> --mix is 2, want at least 0 and at most 1
	// [--lr was 0.003, now 0.01 --mix was 0.7, now 2]
	// {"epochs":25,"lr":0.003,"mix":0.7} <nil>
	// Training:
	//   --epochs int            passes over the images (default 25)
	//   --lr rate               highest learning rate (default 0.003)
	//   --mix float             share of steps with CutMix (default 0.7)
}
