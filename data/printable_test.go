package data

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestPrintable(t *testing.T) {
	for name, want := range map[string]string{
		"Käfer, 甲虫, жук, 🐞":   "Käfer, 甲虫, жук, 🐞",
		"a\x1b]0;title\x07b":  `a\x1b]0;title\x07b`,
		"one\ntwo\r\tthree":   `one\ntwo\r\tthree`,
		"K\xe4fer":            `K\xe4fer`,
		"\u009b31m":           `\x9b31m`, // a C1 control, as a terminal reads it
		"gpj.\u202eexe\u2066": `gpj.\u202eexe\u2066`,
		"line\u2028end":       `line\u2028end`,
		"\u200bzero\ufeff":    `\u200bzero\ufeff`,
		"a\u200eb\u061c":      `a\u200eb\u061c`,
		"👩\u200d🔬 मी\u200c":   "👩\u200d🔬 मी\u200c",
		"\x7f\x00":            `\x7f\x00`,
		"\ufffd":              "\ufffd",
		"":                    "",
	} {
		assert.Equal(t, want, Printable(name))
		assert.Equal(t, want, Printable(want), "escaped twice is as once")
	}
}
