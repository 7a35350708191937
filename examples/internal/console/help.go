package console

import (
	"os"
	"runtime/debug"
	"strings"

	"golang.org/x/term"
)

// Version returns the version of the program, which names the commit, and of Go.
func Version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	return info.Main.Version + ", " + info.GoVersion
}

// Width returns how many columns help takes: those of the terminal on standard output, at least 60 and at
// most 120, and 80 where there is none.
func Width() int {
	width, _, err := term.GetSize(int(os.Stdout.Fd()))
	if err != nil {
		return 80
	}
	return max(60, min(width, 120))
}

// Wrap breaks text into lines of at most width columns, unless a single word takes more. Paragraphs are
// divided by empty lines. A line that begins with a space is an example, which keeps its place: if it is too
// long for one line, what follows is indented further and, unless it is a comment (#), each line ends in a
// backslash, as a shell takes it.
func Wrap(text string, width int) string {
	var b strings.Builder
	var words []string // of the paragraph so far
	flush := func() {
		fill(&b, words, "", "", "", width)
		words = nil
	}
	for line := range strings.SplitSeq(strings.TrimRight(text, "\n"), "\n") {
		indent := line[:len(line)-len(strings.TrimLeft(line, " "))]
		switch {
		case strings.TrimSpace(line) == "":
			flush()
			b.WriteByte('\n')
		case indent == "":
			words = append(words, strings.Fields(line)...)
		case len(line) <= width:
			flush()
			b.WriteString(line + "\n")
		case strings.HasPrefix(line[len(indent):], "#"):
			flush()
			fill(&b, strings.Fields(line), indent, indent+"# ", "", width)
		default:
			flush()
			fill(&b, strings.Fields(line), indent, indent+"    ", ` \`, width)
		}
	}
	flush()
	return b.String()
}

// fill writes words in lines: the first begins with first, all others with next, and each but the last ends
// in end.
func fill(b *strings.Builder, words []string, first, next, end string, width int) {
	if len(words) == 0 {
		return
	}
	line, empty := first, true
	for i, word := range words {
		room := width
		if i < len(words)-1 {
			room -= len(end)
		}
		if !empty && len(line)+1+len(word) > room {
			b.WriteString(line + end + "\n")
			line, empty = next, true
		}
		if !empty {
			line += " "
		}
		line, empty = line+word, false
	}
	b.WriteString(line + "\n")
}
