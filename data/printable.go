package data

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Printable returns a name as text that is safe to show: control characters, line ends among them, characters
// that turn the direction of the text or show nothing, and bytes that are not UTF-8 become escapes such as \x1b, \n and
// \u202e. Everything else, such as accents and other scripts, stays as it is.
func Printable(name string) string {
	var b strings.Builder
	for i, r := range name {
		_, size := utf8.DecodeRuneInString(name[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, name[i])
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case unicode.IsControl(r) && r < 0x100:
			fmt.Fprintf(&b, `\x%02x`, r)
		case unicode.Is(unicode.Cf, r) && r != 0x200c && r != 0x200d, r == 0x2028, r == 0x2029: // the two joiners belong to scripts and emoji
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}
