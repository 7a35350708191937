package tensortest_test

import (
	"fmt"

	"github.com/promptcam/promptcam/tensor/tensortest"
)

func ExampleRamp() {
	x := tensortest.Ramp(2, 3)
	fmt.Println(x.Shape(), x.Data())
	// Output: [2 3] [-1 -0.75 -0.5 -0.25 0 0.25]
}
