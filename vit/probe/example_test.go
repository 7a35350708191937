package probe_test

import (
	"context"
	"fmt"

	"github.com/promptcam/promptcam/tensor"
	"github.com/promptcam/promptcam/vit/probe"
)

// Three birds of each of two species, described by two features. Size tells the
// species apart; weight varies more, but with both.
func Example() {
	train := tensor.FromSlice([]float32{
		1.0, 10,
		1.1, 90,
		1.2, 50,
		2.0, 80,
		2.1, 20,
		2.2, 60,
	}, 6, 2)
	labels := []int{0, 0, 0, 1, 1, 1}
	test := tensor.FromSlice([]float32{
		1.1, 60,
		2.1, 35,
	}, 2, 2)

	linear, err := probe.FitLinear(context.Background(), train, labels, 2, probe.DefaultPenalty)
	if err != nil {
		fmt.Println(err)
		return
	}
	means, err := probe.FitMeans(train, labels, 2)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("linear probe:      ", linear.Scores(test).ArgMax())
	fmt.Println("nearest class mean:", means.Scores(test).ArgMax())
	top1, _ := probe.Accuracy(linear.Scores(test), []int{0, 1})
	fmt.Println("accuracy of the linear probe:", top1)
	// Output:
	// linear probe:       [0 1]
	// nearest class mean: [1 0]
	// accuracy of the linear probe: 1
}
