package promptcam

import (
	"fmt"
	"strings"
)

// Share is how one head divides the attention of one class prompt over the kinds of token. The four
// sum to 1. A head with a small share on patches hardly looks at the image, however sharp its map
// is.
type Share struct {
	Patches, Prompts, CLS, Registers float64
}

// String lists the shares in percent, and registers only where there are any.
func (s Share) String() string { return strings.Join(s.Parts(), ", ") }

// Parts returns the same as one string per kind.
func (s Share) Parts() []string {
	parts := []string{
		fmt.Sprintf("patches %.1f %%", 100*s.Patches),
		fmt.Sprintf("prompts %.1f %%", 100*s.Prompts),
		fmt.Sprintf("CLS %.1f %%", 100*s.CLS),
	}
	if s.Registers > 0 {
		parts = append(parts, fmt.Sprintf("registers %.1f %%", 100*s.Registers))
	}
	return parts
}
