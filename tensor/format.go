package tensor

import (
	"fmt"
	"io"
)

// String returns the shape and the elements, such as "[2 2] [[1 2] [3 4]]". Of a tensor with more than 100
// elements it has three at either end of each dimension longer than six, and dots in between, as NumPy prints
// larger ones.
func (t *Tensor) String() string { return fmt.Sprint(t) }

// Format writes what String returns to f, each element by the verb, such as %.2f; for %s as for %v.
func (t *Tensor) Format(f fmt.State, verb rune) {
	if len(t.shape) == 0 && len(t.data) == 0 {
		io.WriteString(f, "zero Tensor")
		return
	}
	if verb == 's' {
		verb = 'v'
	}
	fmt.Fprintf(f, "%v ", t.shape)
	t.format(f, fmt.FormatString(f, verb), t.Len() > mostFormatted)
}

const (
	mostFormatted = 100 // elements of a tensor that is written whole
	edge          = 3   // elements at either end of a dimension of a larger one
)

// format writes the elements by a format for one.
func (t *Tensor) format(f io.Writer, element string, abridge bool) {
	if len(t.shape) == 0 {
		fmt.Fprintf(f, element, t.data[0])
		return
	}
	io.WriteString(f, "[")
	n := t.shape[0]
	for i := 0; i < n; i++ {
		if i > 0 {
			io.WriteString(f, " ")
		}
		if abridge && n > 2*edge && i == edge {
			io.WriteString(f, "... ")
			i = n - edge
		}
		t.Select(0, i).format(f, element, abridge)
	}
	io.WriteString(f, "]")
}
