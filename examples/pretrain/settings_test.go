package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/promptcam/promptcam/data/birds"
)

func TestSpecies(t *testing.T) {
	s := smallSettings(t)
	s.KNNMost = 2
	drawn, err := s.test(t.Context())
	require.NoError(t, err)
	assert.Len(t, drawn.Bank.Images, 2*len(birds.AllSpecies()))
	assert.Equal(t, drawn.Bank.Labels, drawn.Asked.Labels)
	assert.NotEqual(t, drawn.Bank.Images[0], drawn.Asked.Images[0])
}
