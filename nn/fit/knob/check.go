package knob

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Check returns, joined, an error for each knob of the struct that ptr points to that is outside its range or
// none of its choices, such as "--val is 2, want at least 0 and less than 1". Numbers must be finite, and none
// but 0 may be 0 as a float32, in which models compute.
func Check(ptr any) error {
	var all []error
	for k := range Walk(ptr) {
		all = append(all, k.check())
	}
	return errors.Join(all...)
}

func (k *Knob) check() error {
	if len(k.Choices) > 0 && !slices.Contains(k.Choices, k.String()) {
		return fmt.Errorf("--%s is %q, want %s", k.Flag, k, either(k.Choices))
	}
	number := reflect.TypeFor[float64]()
	if !k.value.CanConvert(number) {
		return nil
	}
	x := k.value.Convert(number).Float()
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return fmt.Errorf("--%s is %v, want a finite number", k.Flag, x)
	}
	if x != 0 && float32(x) == 0 {
		return fmt.Errorf("--%s is %v, want 0 or a number that is not so near to it", k.Flag, x)
	}
	if want, ok := k.within(x); !ok {
		return fmt.Errorf("--%s is %s, want %s", k.Flag, k, want)
	}
	return nil
}

var interval = regexp.MustCompile(`^([[(])(.*),(.*)([])])$`)

// relations are what the brackets of an interval ask of a number.
var relations = map[string]struct {
	words string
	holds func(x, limit float64) bool
}{
	"[": {"at least ", func(x, limit float64) bool { return x >= limit }},
	"(": {"more than ", func(x, limit float64) bool { return x > limit }},
	"]": {"at most ", func(x, limit float64) bool { return x <= limit }},
	")": {"less than ", func(x, limit float64) bool { return x < limit }},
}

// within returns the range in words, "at least 0 and less than 1", and whether x is in it.
func (k *Knob) within(x float64) (words string, ok bool) {
	if k.Range == "" {
		return "any number", true
	}
	parts := interval.FindStringSubmatch(k.Range)
	if parts == nil {
		panic(fmt.Sprintf("knob: range %q of --%s, want such as [0,1)", k.Range, k.Flag))
	}
	var all []string
	ok = true
	for _, end := range []struct{ bracket, limit string }{{parts[1], parts[2]}, {parts[4], parts[3]}} {
		if end.limit == "" {
			continue
		}
		limit, err := strconv.ParseFloat(end.limit, 64)
		if err != nil {
			panic(fmt.Sprintf("knob: range %q of --%s: %v", k.Range, k.Flag, err))
		}
		relation := relations[end.bracket]
		all = append(all, relation.words+end.limit)
		ok = ok && relation.holds(x, limit)
	}
	return strings.Join(all, " and "), ok
}

// either lists choices, "a, b or c".
func either(choices []string) string {
	last := len(choices) - 1
	if last == 0 {
		return choices[0]
	}
	return strings.Join(choices[:last], ", ") + " or " + choices[last]
}
