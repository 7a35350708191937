package tensor_test

import (
	"fmt"

	"github.com/promptcam/promptcam/tensor"
)

func Example() {
	x := tensor.FromSlice([]float32{
		1, 2, 3,
		4, 5, 6,
	}, 2, 3)
	w := tensor.FromSlice([]float32{
		1, 0, 1,
		0, 1, 1,
	}, 2, 3)
	y := x.MatMul(w.Transpose())                     // [2, 2]
	y = y.Add(tensor.FromSlice([]float32{0, 10}, 2)) // to each row
	fmt.Println(y.Shape(), y.Data())
	// Output: [2 2] [4 15 10 21]
}

func ExampleTensor_Slice() {
	x := tensor.New(3, 4)
	x.Slice(0, 1, 3).Slice(1, 0, 2).Fill(1) // a view: x itself changes
	for i := range 3 {
		fmt.Println(x.Select(0, i).Data())
	}
	// Output:
	// [0 0 0 0]
	// [1 1 0 0]
	// [1 1 0 0]
}

func ExampleTensor_Permute() {
	image := tensor.FromSlice([]float32{1, 2, 3, 4, 5, 6}, 2, 1, 3) // two red, green, blue pixels: [H, W, C]
	planes := image.Permute(2, 0, 1)                                // [C, H, W]
	fmt.Println(planes.Shape(), planes.Contig().Data())
	// Output: [3 2 1] [1 4 2 5 3 6]
}

func ExampleTensor_Softmax() {
	scores := tensor.FromSlice([]float32{0, 0, 1000, 1000, -1000, -1000}, 3, 2)
	fmt.Println(scores.Softmax().Data())
	// Output: [0.5 0.5 0.5 0.5 0.5 0.5]
}

func ExampleTensor_Sum() {
	x := tensor.FromSlice([]float32{1, 2, 3, 4, 5, 6}, 2, 3)
	fmt.Println(x.Sum(0).Data(), x.Sum(-1).Data(), x.Sum().At())
	// Output: [5 7 9] [6 15] 21
}

// One row attends to two rows of its own image and one that all images share.
func ExampleAttentionTo() {
	q := tensor.New(1, 1, 2) // [B, R, D]; zeros attend to all rows alike
	own := tensor.FromSlice([]float32{1, 0, 0, 1}, 1, 2, 2)
	shared := tensor.FromSlice([]float32{2, 5}, 1, 2)
	y, weights := tensor.New(1, 1, 2), tensor.New(1, 1, 1, 3)
	tensor.AttentionTo(y, nil, weights, q, 1, tensor.KV{K: own, V: own}, tensor.KV{K: shared, V: shared})
	fmt.Printf("%.2f %.2f\n", y.Data(), weights.Data())
	// Output: [1.00 2.00] [0.33 0.33 0.33]
}

func ExampleCrossEntropyTo() {
	scores := tensor.New(1, 4) // undecided between four classes
	probs := tensor.New(1, 4)
	loss := tensor.CrossEntropyTo(probs, scores, []int{2})
	fmt.Printf("%.3f %v\n", loss, probs.Data())
	// Output: 1.386 [0.25 0.25 0.25 0.25]
}

func ExampleShapeError() {
	defer func() { fmt.Println(recover()) }()
	tensor.New(16, 397, 768).MatMul(tensor.New(512, 768))
	// Output: tensor: MatMul: shapes [16 397 768] and [512 768]: inner sizes 768 and 512 differ
}

// A line of four samples, drawn out to eight points.
func ExampleResampling() {
	r := tensor.Resampling{In: 4, Out: 8, Kernel: tensor.Triangle, Edge: tensor.Cut}
	for i := range 3 {
		first, _ := r.Span(i)
		fmt.Println(i, "from", first, r.Weights(nil, i))
	}
	// Output:
	// 0 from 0 [1]
	// 1 from 0 [0.75 0.25]
	// 2 from 0 [0.25 0.75]
}
