package figure

import (
	"cmp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// longest is how many letters of a name are shown.
const longest = 80

// DisplayName returns a class's name without CUB's number, and with spaces for underscores. CUB writes hyphens
// as underscores too; after them a word begins with a small letter. "036.Ruby_throated_Hummingbird" becomes
// "Ruby-throated Hummingbird". A name of more than 80 letters is cut, and what is no letter to see, such as
// control characters, is replaced.
func DisplayName(folder string) string {
	name := folder
	number, rest, ok := strings.Cut(folder, ".")
	if ok && len(number) == 3 && strings.Trim(number, "0123456789") == "" {
		if name = cub[rest]; name == "" {
			name = hyphens(rest)
		}
	}
	return brief(harmless(cmp.Or(strings.TrimSpace(strings.ReplaceAll(name, "_", " ")), folder)), longest)
}

// cub has the names in CUB-200-2011 that lack more than their hyphens.
var cub = map[string]string{"Chuck_will_Widow": "Chuck-will's-widow", "Whip_poor_Will": "Whip-poor-will"}

// hyphens puts hyphens for underscores before small letters.
func hyphens(name string) string {
	words := strings.Split(name, "_")
	for i, w := range words[1:] {
		if first, _ := utf8.DecodeRuneInString(w); words[i] != "" && unicode.IsLower(first) {
			words[i] += "-"
		} else {
			words[i] += " "
		}
	}
	return strings.Join(words, "")
}

// brief cuts a name of more than n letters.
func brief(name string, n int) string {
	if utf8.RuneCountInString(name) <= n {
		return name
	}
	return string([]rune(name)[:n-1]) + "…"
}

// harmless replaces what is no text to see: bytes that are no UTF-8, control characters, and marks that turn
// the direction of the text around them.
func harmless(s string) string {
	return strings.Map(visible, strings.ToValidUTF8(s, "\uFFFD"))
}

// visible returns r, or U+FFFD in place of one that harmless replaces. Line ends and tabs stay.
func visible(r rune) rune {
	switch {
	case r == '\n' || r == '\t':
		return r
	case unicode.Is(unicode.Cc, r), unicode.Is(unicode.Bidi_Control, r), r == '\u2028', r == '\u2029', r == '\uFEFF', r == '\uFFFE', r == '\uFFFF':
		return '\uFFFD'
	}
	return r
}

// spelled writes s with the letters that has knows: accents that it lacks are left out, and other letters
// become Go's escapes, such as \u9e1f for a Chinese one, which escaped says. Control characters are escaped
// as well.
func spelled(s string, has func(rune) bool) (text string, escaped bool) {
	var b strings.Builder
	for _, r := range norm.NFC.String(strings.ToValidUTF8(s, "\uFFFD")) {
		if unicode.IsPrint(r) && has(r) {
			b.WriteRune(r)
			continue
		}
		base, _ := utf8.DecodeRuneInString(norm.NFKD.String(string(r)))
		switch {
		case unicode.Is(unicode.Zs, r):
			b.WriteByte(' ')
		case unicode.In(r, unicode.Mn, unicode.Join_Control): // an accent alone, or what joins two emoji
		case base != r && unicode.IsPrint(base) && has(base):
			b.WriteRune(base)
		default:
			b.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
			escaped = true
		}
	}
	return b.String(), escaped
}
