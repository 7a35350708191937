package promptcam

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestShareString(t *testing.T) {
	assert.Equal(t, "patches 62.0 %, prompts 30.5 %, CLS 7.5 %", Share{Patches: 0.62, Prompts: 0.305, CLS: 0.075}.String())
	assert.Equal(t, "patches 50.0 %, prompts 0.0 %, CLS 25.0 %, registers 25.0 %", Share{0.5, 0, 0.25, 0.25}.String())
}
