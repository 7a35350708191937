package nn

import "github.com/promptcam/promptcam/autograd"

// Dropout is the probability with which an element is left out in training.
type Dropout float32

// Forward drops elements of x if its tape has a Rand, and scales the others up. Where nothing is to be
// dropped it returns x itself. See autograd.Dropout.
func (d Dropout) Forward(x *autograd.Var) *autograd.Var { return autograd.Dropout(x, float32(d)) }

// DropPath is the probability with which a block's branch is left out for an image in training.
type DropPath float32

// Forward drops images of x [B, ...] if its tape has a Rand, and scales the others up. Where nothing is to be
// dropped it returns x itself. See autograd.DropPath.
func (d DropPath) Forward(x *autograd.Var) *autograd.Var { return autograd.DropPath(x, float32(d)) }
