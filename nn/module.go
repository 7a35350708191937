package nn

import (
	"fmt"
	"iter"
	"maps"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/promptcam/promptcam/autograd"
	"github.com/promptcam/promptcam/tensor"
)

// Params yields the name and the Param of each field of m that has a `state:"name"` tag, in the order of the
// fields. m is a pointer to a struct. A field may be a Param; a layer, whose names are prefixed with "name."
// unless the name is empty; or a slice of layers, with their index in between. Params skips nil fields. It
// panics for a tag on a field that is not exported or holds anything else.
func Params(m any) iter.Seq2[string, *autograd.Param] {
	return func(yield func(string, *autograd.Param) bool) {
		walk("", reflect.ValueOf(m), yield)
	}
}

func walk(name string, v reflect.Value, yield func(string, *autograd.Param) bool) bool {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return true
		}
		if p, ok := v.Interface().(*autograd.Param); ok {
			return yield(name, p)
		}
		return walk(name, v.Elem(), yield)
	case reflect.Slice:
		for i := range v.Len() {
			if !walk(join(name, strconv.Itoa(i)), v.Index(i), yield) {
				return false
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			field := v.Type().Field(i)
			if tag, ok := field.Tag.Lookup("state"); ok {
				if !field.IsExported() && !field.Anonymous {
					panic(fmt.Sprintf("nn: field %s of %v, state %q, is not exported", field.Name, v.Type(), tag))
				}
				if !walk(join(name, tag), v.Field(i), yield) {
					return false
				}
			}
		}
	case reflect.Invalid:
		panic("nn: no model: nil")
	default:
		panic(fmt.Sprintf("nn: field %s of kind %s cannot hold parameters", name, v.Kind()))
	}
	return true
}

func join(prefix, name string) string {
	if prefix == "" || name == "" {
		return prefix + name
	}
	return prefix + "." + name
}

// Freeze marks every Param of m as frozen. It does not write to those that are frozen already, which others
// may be using.
func Freeze(m any) {
	for _, p := range Params(m) {
		if !p.Frozen {
			p.Changed() // perhaps since it was last frozen
			p.Frozen = true
		}
	}
}

// State returns the tensors of m's Params by name. They are not copies: after writing to one, call Changed on
// its Param, as Load does. It panics if two have one name.
func State(m any) map[string]*tensor.Tensor {
	state := map[string]*tensor.Tensor{}
	for name, p := range Params(m) {
		if state[name] != nil {
			panic("nn: two parameters named " + name)
		}
		state[name] = p.Value
	}
	return state
}

// Source is a set of named tensors, such as a checkpoint's.
type Source interface {
	Names() []string
	Tensor(name string) (*tensor.Tensor, error)
}

// Tensors is a Source in memory.
type Tensors map[string]*tensor.Tensor

// Names returns the names in order.
func (t Tensors) Names() []string { return slices.Sorted(maps.Keys(t)) }

// Tensor returns the named tensor, or an error that it is missing.
func (t Tensors) Tensor(name string) (*tensor.Tensor, error) {
	if v := t[name]; v != nil {
		return v, nil
	}
	return nil, fmt.Errorf("no tensor %s", name)
}

// Load fills m's Params from src, which must have the same names and shapes and finite numbers. Otherwise it
// does not change m, and the error counts the missing and unknown tensors and names the first of each, and
// those of another shape or with NaN or infinity. It panics if two Params have one name.
func Load(m any, src Source) error {
	if err := Tensors(State(m)).Load(src); err != nil {
		return err
	}
	for _, p := range Params(m) {
		p.Changed()
	}
	return nil
}

// Load copies src's tensors to t's, under the conditions of the function Load.
func (t Tensors) Load(src Source) error {
	var missing, unknown, wrong []string
	have := map[string]bool{}
	for _, name := range src.Names() {
		have[name] = true
		if t[name] == nil {
			unknown = append(unknown, name)
		}
	}
	read := Tensors{}
	for _, name := range t.Names() {
		if !have[name] {
			missing = append(missing, name)
			continue
		}
		from, err := src.Tensor(name)
		if err != nil {
			return err
		}
		switch {
		case !slices.Equal(from.Shape(), t[name].Shape()):
			wrong = append(wrong, fmt.Sprintf("%s is %v, want %v", name, from.Shape(), t[name].Shape()))
		case !finite(from):
			wrong = append(wrong, name+" holds NaN or infinity")
		}
		read[name] = from
	}
	var faults []string
	if n := len(missing); n > 0 {
		faults = append(faults, fmt.Sprintf("%s missing (%s)", count(n), some(missing, ", ")))
	}
	if n := len(unknown); n > 0 {
		faults = append(faults, fmt.Sprintf("%s unknown (%s)", count(n), some(unknown, ", ")))
	}
	if len(wrong) > 0 {
		faults = append(faults, some(wrong, "; "))
	}
	if len(faults) > 0 {
		return fmt.Errorf("%s", strings.Join(faults, "; "))
	}
	for _, name := range t.Names() {
		tensor.CopyTo(t[name], read[name])
	}
	return nil
}

// some joins the first of words and counts the others: with weights of another architecture hardly any tensor
// fits.
func some(words []string, between string) string {
	const most = 6
	if n := len(words); n > most {
		return strings.Join(words[:most], between) + fmt.Sprintf("%sand %d more", between, n-most)
	}
	return strings.Join(words, between)
}

func count(n int) string {
	if n == 1 {
		return "1 tensor"
	}
	return fmt.Sprintf("%d tensors", n)
}

func finite(t *tensor.Tensor) bool {
	return !slices.ContainsFunc(t.Contig().Data(), func(v float32) bool { return !(math.Abs(float64(v)) <= math.MaxFloat32) })
}
