package knob

import (
	"fmt"
	"io"
	"iter"
	"strings"
)

// Columns of the help.
const (
	helpFrom  = 26
	helpWidth = 100
)

// Usage writes help: a heading for each group of knobs, then each flag with its help and, unless it is 0,
// false or empty, its present value as the default.
func Usage(w io.Writer, knobs iter.Seq[*Knob]) error {
	var b strings.Builder
	group := ""
	for k := range knobs {
		if k.Group != group || b.Len() == 0 {
			if b.Len() > 0 {
				b.WriteByte('\n')
			}
			if group = k.Group; group != "" {
				fmt.Fprintf(&b, "%s:\n", group)
			}
		}
		line := "  --" + k.Flag
		if !k.IsBoolFlag() {
			line += " " + k.Type()
		}
		line = fmt.Sprintf("%-*s", helpFrom-1, line)
		words := strings.Fields(k.Help)
		if !k.value.IsZero() {
			words = append(words, strings.Fields(fmt.Sprintf("(default %s)", k))...)
		}
		for _, word := range words {
			if len(line)+1+len(word) > helpWidth {
				b.WriteString(strings.TrimRight(line, " ") + "\n")
				line = strings.Repeat(" ", helpFrom-1)
			}
			line += " " + word
		}
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}
