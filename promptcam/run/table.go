package run

import (
	"encoding/csv"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/promptcam/promptcam/data"
)

// table writes rows as CSV that a spreadsheet takes for data alone: names that it would read as formulas begin
// with an apostrophe, and control characters and the like are escaped as data.Printable does. Numbers stay as
// they are.
type table struct {
	csv *csv.Writer
	row []string // memory of a row
}

func newTable(w io.Writer) *table { return &table{csv: csv.NewWriter(w)} }

// write writes a row. Its error may be of an earlier one.
func (t *table) write(cells ...string) error {
	t.row = t.row[:0]
	for _, c := range cells {
		t.row = append(t.row, harmless(c))
	}
	return t.csv.Write(t.row)
}

// flush writes what is in memory and returns the first error.
func (t *table) flush() error {
	t.csv.Flush()
	return t.csv.Error()
}

// harmless returns a cell's text as a spreadsheet may have it (OWASP, "CSV Injection").
func harmless(cell string) string {
	first, _ := utf8.DecodeRuneInString(cell)
	if _, err := strconv.ParseFloat(cell, 64); err != nil && strings.ContainsRune("=+-@\t\r＝＋－＠", first) {
		return "'" + data.Printable(cell)
	}
	return data.Printable(cell)
}
