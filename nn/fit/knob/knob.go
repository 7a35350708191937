package knob

import (
	"encoding"
	"errors"
	"fmt"
	"iter"
	"reflect"
	"strconv"
	"strings"
)

// Value is what a *Knob is: a flag.Value and, with Type, a pflag.Value.
type Value interface {
	String() string
	Set(string) error
	Type() string
}

// Knob is one setting: a field of a struct, and what its tags state.
type Knob struct {
	Flag    string // without a dash
	JSON    string // empty: the setting stays out of JSON and of Differ
	Group   string
	Help    string
	Default string
	Range   string   // empty: any number
	Choices []string // empty: any string
	Arg     string

	value reflect.Value
}

// Walk yields the knobs of the struct that ptr points to, from top to bottom. Setting a knob sets
// the field.
func Walk(ptr any) iter.Seq[*Knob] {
	return func(yield func(*Knob) bool) {
		group := ""
		walk(reflect.ValueOf(ptr).Elem(), &group, yield)
	}
}

func walk(v reflect.Value, group *string, yield func(*Knob) bool) bool {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if name, ok := f.Tag.Lookup("group"); ok {
			*group = name
		}
		flag, ok := f.Tag.Lookup("knob")
		switch {
		case ok:
			if !yield(newKnob(f, v.Field(i), flag, *group)) {
				return false
			}
		case f.Type.Kind() == reflect.Struct && (f.Anonymous || f.IsExported()):
			if !walk(v.Field(i), group, yield) {
				return false
			}
		}
	}
	return true
}

func newKnob(f reflect.StructField, v reflect.Value, flag, group string) *Knob {
	if !v.CanSet() {
		panic(fmt.Sprintf("knob: field %s of --%s is not exported", f.Name, flag))
	}
	k := &Knob{
		Flag: flag, JSON: flag, Group: group, Help: f.Tag.Get("help"), Default: f.Tag.Get("default"),
		Range: f.Tag.Get("range"), Choices: strings.Fields(f.Tag.Get("choices")), Arg: f.Tag.Get("arg"), value: v,
	}
	if name, ok := f.Tag.Lookup("json"); ok {
		if name, _, _ = strings.Cut(name, ","); name == "-" {
			k.JSON = ""
		} else if name != "" {
			k.JSON = name
		}
	}
	return k
}

// Get returns the value of the field; with it a *Knob is a flag.Getter.
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
	if k.value.CanFloat() {
		return strconv.FormatFloat(k.value.Float(), 'g', -1, k.value.Type().Bits())
	}
	return fmt.Sprint(k.Get())
}

// Set parses a value. Whether it is within the limits is for Check to say, when all are set.
func (k *Knob) Set(s string) error {
	switch x := k.value.Addr().Interface().(type) {
	case interface{ Set(string) error }:
		return x.Set(s)
	case encoding.TextUnmarshaler:
		return x.UnmarshalText([]byte(s))
	}
	switch v := k.value; {
	case v.CanInt():
		n, err := strconv.ParseInt(s, 0, v.Type().Bits())
		if err != nil {
			return errors.New("want a whole number")
		}
		v.SetInt(n)
	case v.CanUint():
		n, err := strconv.ParseUint(s, 0, v.Type().Bits())
		if err != nil {
			return errors.New("want a whole number of at least 0")
		}
		v.SetUint(n)
	case v.CanFloat():
		n, err := strconv.ParseFloat(s, v.Type().Bits())
		if err != nil {
			return errors.New("want a number")
		}
		v.SetFloat(n)
	case v.Kind() == reflect.Bool:
		b, err := strconv.ParseBool(s)
		if err != nil {
			return errors.New("want true or false")
		}
		v.SetBool(b)
	case v.Kind() == reflect.String:
		v.SetString(s)
	default:
		panic(fmt.Sprintf("knob: --%s is a %s", k.Flag, v.Type()))
	}
	return nil
}

// Type names what the flag takes: the tag arg, or "int", "float", "bool", "string" or "value".
func (k *Knob) Type() string {
	switch v := k.value; {
	case k.Arg != "":
		return k.Arg
	case v.Addr().Type().Implements(reflect.TypeFor[encoding.TextUnmarshaler]()):
		return "value"
	case v.CanInt(), v.CanUint():
		return "int"
	case v.CanFloat():
		return "float"
	case v.Kind() == reflect.Bool, v.Kind() == reflect.String:
		return v.Kind().String()
	}
	return "value"
}

// IsBoolFlag tells package flag that -name alone means true; for pflag set NoOptDefVal.
func (k *Knob) IsBoolFlag() bool { return k.value.IsValid() && k.value.Kind() == reflect.Bool }

// Defaults sets each knob of the struct that ptr points to to the default in its tag. Knobs
// without one stay as they are.
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
