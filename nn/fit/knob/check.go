package knob

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Check returns, joined, an error for each knob of the struct that ptr points to that is outside its
// range or none of its choices, such as "--val is 2, want at least 0 and less than 1". Numbers must
// be finite.
func Check(ptr any) error {
	var all []error
	for k := range Walk(ptr) {
		all = append(all, k.check())
	}
	return errors.Join(all...)
}

func (k *Knob) check() error {
	v := k.value
	if len(k.Choices) > 0 {
		if !slices.Contains(k.Choices, k.String()) {
			return fmt.Errorf("--%s is %q, want %s", k.Flag, k.String(), either(k.Choices))
		}
		return nil
	}
	var x float64
	switch {
	case v.CanInt():
		x = float64(v.Int())
	case v.CanUint():
		x = float64(v.Uint())
	case v.CanFloat():
		x = v.Float()
	default:
		return nil
	}
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return fmt.Errorf("--%s is %v, want a finite number", k.Flag, x)
	}
	if k.Range == "" {
		return nil
	}
	if limits := k.limits(); !limits.contain(x) {
		return fmt.Errorf("--%s is %s, want %s", k.Flag, k, limits)
	}
	return nil
}

// interval is what the tag range states.
type interval struct {
	low, high         float64 // infinite: no limit
	lowOpen, highOpen bool
}

func (k *Knob) limits() interval {
	low, high, ok := strings.Cut(k.Range, ",")
	if !ok || !strings.ContainsAny(low[:1], "[(") || !strings.ContainsAny(high[len(high)-1:], "])") {
		panic(fmt.Sprintf("knob: range %q of --%s, want such as [0,1)", k.Range, k.Flag))
	}
	r := interval{math.Inf(-1), math.Inf(1), low[0] == '(', high[len(high)-1] == ')'}
	for limit, text := range map[*float64]string{&r.low: low[1:], &r.high: high[:len(high)-1]} {
		if text == "" {
			continue
		}
		x, err := strconv.ParseFloat(text, 64)
		if err != nil {
			panic(fmt.Sprintf("knob: range %q of --%s: %v", k.Range, k.Flag, err))
		}
		*limit = x
	}
	return r
}

func (r interval) contain(x float64) bool {
	return (x > r.low || x == r.low && !r.lowOpen) && (x < r.high || x == r.high && !r.highOpen)
}

// String says the interval in words, "at least 0 and less than 1".
func (r interval) String() string {
	var words []string
	if !math.IsInf(r.low, 0) {
		words = append(words, map[bool]string{false: "at least ", true: "more than "}[r.lowOpen]+format(r.low))
	}
	if !math.IsInf(r.high, 0) {
		words = append(words, map[bool]string{false: "at most ", true: "less than "}[r.highOpen]+format(r.high))
	}
	return strings.Join(words, " and ")
}

func format(x float64) string { return strconv.FormatFloat(x, 'g', -1, 64) }

// either lists choices, "a, b or c".
func either(choices []string) string {
	last := len(choices) - 1
	if last == 0 {
		return choices[0]
	}
	return strings.Join(choices[:last], ", ") + " or " + choices[last]
}
