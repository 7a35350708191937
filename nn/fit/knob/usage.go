package knob

import (
	"fmt"
	"io"
	"iter"
	"strings"
)

// Usage is UsageIn 100 columns.
func Usage(w io.Writer, knobs iter.Seq[*Knob]) error { return UsageIn(w, knobs, 100) }

// UsageIn writes help in lines of at most width columns, unless a single word takes more: a heading for each
// group of knobs, then each flag with its help and, unless it is 0, false or empty, its present value as the
// default.
func UsageIn(w io.Writer, knobs iter.Seq[*Knob], width int) error {
	const from = 26 // column of the help
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
		line = fmt.Sprintf("%-*s", from-1, line)
		words := strings.Fields(k.Help)
		if !k.value.IsZero() {
			words = append(words, strings.Fields(fmt.Sprintf("(default %s)", k))...)
		}
		for _, word := range words {
			if len(line)+1+len(word) > width {
				b.WriteString(strings.TrimRight(line, " ") + "\n")
				line = strings.Repeat(" ", from-1)
			}
			line += " " + word
		}
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}
