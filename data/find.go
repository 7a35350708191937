package data

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Find returns the index of the class with this name. CUB's names carry a number, "004.Groove_billed_Ani":
// "Groove_billed_Ani", "4" and "004" find it too. Where no name carries one, "4" is the fourth class. The
// error for a name that is not there suggests the nearest.
func (s *Set) Find(name string) (int, error) {
	if c := slices.Index(s.Classes, name); c >= 0 {
		return c, nil
	}
	low, high := 0, 0 // numbers of the first and last class
	for c, class := range s.Classes {
		digits, rest := numbered(class)
		if digits == "" {
			continue
		}
		if rest == name || digits == name || strings.TrimLeft(digits, "0") == name {
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
	return slices.MinFunc(words, func(a, b string) int { return distance(a, typed) - distance(b, typed) })
}

// distance is the Levenshtein distance of a typed name from the class's, ignoring case and CUB's number.
func distance(class, typed string) int {
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
