package console

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/promptcam/promptcam/data"
)

// Dashes returns the arguments with two dashes before long flags, where one is taken as well.
func Dashes(args []string) []string {
	args = slices.Clone(args)
	for i, a := range args {
		if a == "--" {
			break
		}
		if len(a) > 2 && a[0] == '-' && a[1] >= 'a' && a[1] <= 'z' {
			args[i] = "-" + a
		}
	}
	return args
}

// FlagError says more about the error of a flag without a value, or with a wrong one.
func FlagError(err error) error {
	var bare *pflag.ValueRequiredError
	var invalid *pflag.InvalidValueError
	switch {
	case errors.As(err, &bare):
		f := bare.GetFlag()
		return fmt.Errorf("--%s has no value, want --%[1]s %s", f.Name, strings.ToUpper(f.Value.Type()))
	case errors.As(err, &invalid):
		return fmt.Errorf("--%s is %q, %w", invalid.GetFlag().Name, invalid.GetValue(), invalid.Unwrap())
	}
	return err
}

// Swallowed returns an error for a flag that took the next one for its value, as after an empty variable of a
// shell.
func Swallowed(flags *pflag.FlagSet) (err error) {
	flags.Visit(func(f *pflag.Flag) {
		if name, ok := strings.CutPrefix(f.Value.String(), "--"); ok && flags.Lookup(name) != nil && err == nil {
			err = Usagef("--%s has no value: --%s comes next", f.Name, name)
		}
	})
	return err
}

// Nearest returns the word that was probably meant; ok is false if none is near.
func Nearest(words []string, typed string) (near string, ok bool) {
	if len(words) == 0 || typed == "" {
		return "", false
	}
	if near = data.Nearest(words, typed); data.Distance(near, typed) <= min(2, len(typed)-1) {
		return near, true
	}
	near = ""
	for _, word := range words { // --output, or eval
		begins := strings.HasPrefix(word, typed) || strings.HasPrefix(typed, word)
		if begins && min(len(word), len(typed)) > 2 && len(word) > len(near) {
			near = word
		}
	}
	return near, near != ""
}
