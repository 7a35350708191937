package data

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/text/unicode/norm"
)

// Find returns the index of the class with this name. CUB's names carry a number, "004.Groove_billed_Ani":
// "Groove_billed_Ani", "4" and "004" find it too. Where no name carries one, "4" is the fourth class. The
// error for a name that is not there suggests the nearest.
func (s *Set) Find(name string) (int, error) {
	if c := index(s.Classes, name, sameForm); c >= 0 {
		return c, nil
	}
	low, high := 0, 0 // numbers of the first and last class
	for c, class := range s.Classes {
		digits, rest := numbered(class)
		if digits == "" {
			continue
		}
		if sameForm(rest, name) || digits == name || strings.TrimLeft(digits, "0") == name {
			return c, nil
		}
		high, _ = strconv.Atoi(digits)
		if low == 0 {
			low = high
		}
	}
	hint := ""
	if n, err := strconv.Atoi(name); err == nil {
		if high == 0 && n >= 1 && n <= len(s.Classes) && strconv.Itoa(n) == name {
			return n - 1, nil
		}
		if high == 0 {
			low, high = 1, len(s.Classes)
		}
		if n < low || n > high {
			hint = fmt.Sprintf("; classes are %d to %d", low, high)
		}
	}
	if hint == "" && len(s.Classes) > 0 {
		hint = "; nearest is " + Nearest(s.Classes, name)
	}
	of := ""
	if s.Root != "" {
		of = " of " + s.Root
	}
	return 0, fmt.Errorf("no class %q among the %d%s%s", name, len(s.Classes), of, hint)
}

// FindAll finds each name as Find does. A list that was divided at commas may have divided names: "Jay", "blue"
// finds "Jay, blue".
func (s *Set) FindAll(names []string) ([]int, error) {
	var all []int
	for i := 0; i < len(names); {
		c, err := s.Find(names[i])
		n := 1
		for j := i + 2; err != nil && j <= len(names); j++ {
			for _, comma := range []string{", ", ","} {
				if whole := index(s.Classes, strings.Join(names[i:j], comma), sameForm); whole >= 0 && err != nil {
					c, n, err = whole, j-i, nil
				}
			}
		}
		if err != nil {
			return nil, err
		}
		all = append(all, c)
		i += n
	}
	return all, nil
}

// Same returns the index of the one among names that is the same class's: spelled alike, in another Unicode
// form, as macOS spells, or, if only one fits, in another case; -1 if none is.
func Same(names []string, name string) int {
	if i := index(names, name, sameForm); i >= 0 {
		return i
	}
	i := slices.IndexFunc(names, func(of string) bool { return sameFold(of, name) })
	if i >= 0 && slices.ContainsFunc(names[i+1:], func(of string) bool { return sameFold(of, name) }) {
		return -1
	}
	return i
}

// index returns the index of name among names or, failing that, of the first that is the same.
func index(names []string, name string, same func(a, b string) bool) int {
	if i := slices.Index(names, name); i >= 0 {
		return i
	}
	return slices.IndexFunc(names, func(of string) bool { return same(of, name) })
}

// sameForm reports whether two names differ at most in their Unicode form.
func sameForm(a, b string) bool { return norm.NFC.String(a) == norm.NFC.String(b) }

// sameFold reports whether two names differ at most in case and in their Unicode form.
func sameFold(a, b string) bool { return strings.EqualFold(norm.NFC.String(a), norm.NFC.String(b)) }

// numbered splits "004.Groove_billed_Ani"; without a number, digits is empty.
func numbered(class string) (digits, rest string) {
	digits, rest, ok := strings.Cut(class, ".")
	if !ok || strings.Trim(digits, "0123456789") != "" {
		return "", class
	}
	return digits, rest
}

// Nearest returns the first of the words with the smallest Levenshtein distance from the typed one, ignoring
// case and CUB's numbers. It panics without words.
func Nearest(words []string, typed string) string {
	return slices.MinFunc(words, func(a, b string) int { return Distance(a, typed) - Distance(b, typed) })
}

// Distance is the Levenshtein distance of a typed name from the class's, ignoring case and CUB's number.
func Distance(class, typed string) int {
	_, rest := numbered(class)
	return min(levenshtein(strings.ToLower(class), strings.ToLower(typed)), levenshtein(strings.ToLower(rest), strings.ToLower(typed)))
}

func levenshtein(x, y string) int {
	a, b := []rune(x), []rune(y)
	row := make([]int, len(b)+1) // distances of a prefix of a from each prefix of b
	for j := range row {
		row[j] = j
	}
	for i := range a {
		diagonal := row[0]
		row[0] = i + 1
		for j := range b {
			replaced := diagonal
			if a[i] != b[j] {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = min(replaced, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
