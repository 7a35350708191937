package gradcheck_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/promptcam/promptcam/autograd"
	"github.com/promptcam/promptcam/autograd/gradcheck"
	"github.com/promptcam/promptcam/tensor/tensortest"
)

func TestError(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	a := &autograd.Param{Value: tensortest.Random(rng, 3, 4)}
	b := &autograd.Param{Value: tensortest.Random(rng, 3, 4)}
	before := slices.Clone(a.Value.Data())

	off, err := gradcheck.Error(rng, func(tp *autograd.Tape) *autograd.Var {
		return autograd.Mul(tp.Param(a), autograd.GELU(tp.Param(b)))
	}, a, b)
	require.NoError(t, err)
	assert.Less(t, off, 2e-4)
	assert.Equal(t, before, a.Value.Data(), "parameters are put back")

	// A function that is another one while nobody records it has a wrong gradient.
	off, err = gradcheck.Error(rng, func(tp *autograd.Tape) *autograd.Var {
		if tp.NoGrad {
			return autograd.Mul(tp.Param(a), tp.Const(b.Value))
		}
		return autograd.Mul(tp.Param(a), tp.Const(a.Value))
	}, a)
	require.NoError(t, err)
	assert.Greater(t, off, 0.05)

	_, err = gradcheck.Error(rng, func(tp *autograd.Tape) *autograd.Var { return autograd.GELU(tp.Param(a)) }, a, b)
	assert.EqualError(t, err, "gradcheck: parameter 1 of shape [3 4] has no gradient")
}
