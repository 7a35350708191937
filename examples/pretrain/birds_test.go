package main

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/promptcam/promptcam/data/birds"
)

func TestSpecies(t *testing.T) {
	drawn := smallSettings(t).species(2)
	assert.Len(t, drawn.Bank.Images, 2*len(birds.AllSpecies()))
	assert.Equal(t, drawn.Bank.Labels, drawn.Asked.Labels)
	assert.NotEqual(t, drawn.Bank.Images[0], drawn.Asked.Images[0])
}
