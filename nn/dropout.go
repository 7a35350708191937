package nn

import "github.com/promptcam/promptcam/autograd"

// Dropout is the probability of dropping an element in training.
type Dropout float32

// Forward drops elements of x if its tape has a Rand, and scales the others up. See autograd.Dropout.
func (d Dropout) Forward(x *autograd.Var) *autograd.Var { return autograd.Dropout(x, float32(d)) }

// DropPath is the probability of dropping a block's branch for an image in training (stochastic depth).
type DropPath float32

// Forward drops images of x [B, ...] if its tape has a Rand, and scales the others up. See autograd.DropPath.
func (d DropPath) Forward(x *autograd.Var) *autograd.Var { return autograd.DropPath(x, float32(d)) }
