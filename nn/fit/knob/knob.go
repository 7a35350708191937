package knob

import (
	"encoding"
	"errors"
	"fmt"
	"iter"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// Knob is one setting: a field of a struct, and what its tags state. A *Knob is a flag.Getter and a
// pflag.Value.
type Knob struct {
	Flag    string // without dashes
	JSON    string // empty: the setting stays out of JSON and of Differ
	Group   string
	Help    string
	Default string
	Range   string   // empty: any number
	Choices []string // empty: any string
	Arg     string

	value reflect.Value
}

// Walk yields the knobs of the struct that ptr points to, from top to bottom. Setting a knob sets the field.
func Walk(ptr any) iter.Seq[*Knob] { return slices.Values(walk(reflect.ValueOf(ptr).Elem(), "")) }

// walk returns the knobs of a struct below the heading of a group.
func walk(v reflect.Value, group string) (all []*Knob) {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if name, ok := f.Tag.Lookup("group"); ok {
			group = name
		}
		if flag, ok := f.Tag.Lookup("knob"); ok {
			all = append(all, newKnob(f, v.Field(i), flag, group))
		} else if f.Type.Kind() == reflect.Struct && (f.Anonymous || f.IsExported()) {
			all = append(all, walk(v.Field(i), group)...)
			if len(all) > 0 {
				group = all[len(all)-1].Group
			}
		}
	}
	return all
}

func newKnob(f reflect.StructField, v reflect.Value, flag, group string) *Knob {
	if !v.CanSet() {
		panic(fmt.Sprintf("knob: field %s of --%s is not exported", f.Name, flag))
	}
	k := &Knob{
		Flag: flag, JSON: flag, Group: group, Help: f.Tag.Get("help"), Default: f.Tag.Get("default"),
		Range: f.Tag.Get("range"), Choices: strings.Fields(f.Tag.Get("choices")), Arg: f.Tag.Get("arg"), value: v,
	}
	if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name == "-" {
		k.JSON = ""
	} else if name != "" {
		k.JSON = name
	}
	return k
}

// Get returns the value of the field.
func (k *Knob) Get() any { return k.value.Interface() }

// String returns the value as Set reads it.
func (k *Knob) String() string {
	if !k.value.IsValid() {
		return "" // package flag asks a zero Knob
	}
	switch x := k.value.Addr().Interface().(type) {
	case encoding.TextMarshaler:
		text, err := x.MarshalText()
		if err != nil {
			return fmt.Sprintf("%v (%v)", k.Get(), err)
		}
		return string(text)
	case fmt.Stringer:
		return x.String()
	}
	return fmt.Sprint(k.Get())
}

// Set parses a value. Check says whether it is within the limits.
func (k *Knob) Set(s string) error {
	switch x := k.value.Addr().Interface().(type) {
	case interface{ Set(string) error }:
		return x.Set(s)
	case encoding.TextUnmarshaler:
		return x.UnmarshalText([]byte(s))
	}
	var x any
	var want string
	var err error
	switch v := k.value; {
	case v.CanInt():
		want = "a whole number"
		x, err = strconv.ParseInt(s, 0, v.Type().Bits())
	case v.CanUint():
		want = "a whole number of at least 0"
		x, err = strconv.ParseUint(s, 0, v.Type().Bits())
	case v.CanFloat():
		want = "a number"
		x, err = strconv.ParseFloat(s, v.Type().Bits())
	case v.Kind() == reflect.Bool:
		want = "true or false"
		x, err = strconv.ParseBool(s)
	case v.Kind() == reflect.String:
		x = s
	default:
		panic(fmt.Sprintf("knob: --%s is a %s", k.Flag, v.Type()))
	}
	if err != nil {
		return errors.New("want " + want)
	}
	k.value.Set(reflect.ValueOf(x).Convert(k.value.Type()))
	return nil
}

// Type names what the flag takes: the tag arg, or "int", "float", "bool", "string" or "value".
func (k *Knob) Type() string {
	_, text := k.value.Addr().Interface().(encoding.TextUnmarshaler)
	kind := strings.Trim(k.value.Kind().String(), "u0123456789") // uint8 is an int
	switch {
	case k.Arg != "":
		return k.Arg
	case text || !slices.Contains([]string{"int", "float", "bool", "string"}, kind):
		return "value"
	}
	return kind
}

// IsBoolFlag tells package flag that --name alone means true; for pflag set NoOptDefVal.
func (k *Knob) IsBoolFlag() bool { return k.value.Kind() == reflect.Bool }

// Defaults sets each knob of the struct that ptr points to to the default in its tag. Knobs without one stay
// as they are.
func Defaults(ptr any) {
	for k := range Walk(ptr) {
		if k.Default == "" {
			continue
		}
		if err := k.Set(k.Default); err != nil {
			panic(fmt.Sprintf("knob: default %q of --%s: %v", k.Default, k.Flag, err))
		}
	}
}
