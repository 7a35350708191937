package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/promptcam/promptcam/examples/internal/console"
)

// hints say for what is no flag, of any command or of one, how its job is done. Without a command they are
// flags of earlier versions.
var hints = map[string]string{
	"--load":           "name a trained model by --model, after a command: cub evaluate, traits, explain, predict or add-class",
	"--explain":        "it is a command: cub explain --model MODEL PHOTO...",
	"--class":          "it is --compare: cub explain --model MODEL --compare CLASS PHOTO...",
	"--add-class":      "it is a command: cub add-class --model MODEL FOLDER",
	"predict --data":   "the photographs need none: cub predict --model MODEL PHOTO|FOLDER...",
	"predict --out":    "the table goes to standard output: cub predict --model MODEL PHOTO|FOLDER... > predictions.csv",
	"data --data":      "the folder needs none: cub data FOLDER",
	"inspect --model":  "the file needs none: cub inspect FILE",
	"add-class --name": "the new class has the name of its folder",
}

// dashes are what word processors and web pages make of hyphens.
const dashes = "\u2010\u2011\u2012\u2013\u2014\u2212"

// hyphenated returns an error for a flag behind another kind of dash than hyphens.
func hyphenated(args []string) error {
	for _, a := range args {
		if a == "--" {
			break
		}
		if name := strings.TrimLeft(a, "-"+dashes); name != "" && strings.ContainsAny(a[:len(a)-len(name)], dashes) && !exists(a) {
			return console.Usagef("%q begins with a dash that is no hyphen, want --%s", a, name)
		}
	}
	return nil
}

// flagError says more about a wrong flag.
func flagError(cmd *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	if errors.As(err, &unknown) {
		return unknownFlag(cmd, unknown)
	}
	return console.FlagError(err)
}

func unknownFlag(cmd *cobra.Command, unknown *pflag.NotExistError) error {
	name := unknown.GetSpecifiedName()
	typed := "--" + name
	if now, ok := hints[typed]; ok {
		return fmt.Errorf("%s is no flag any more: %s", typed, now)
	}
	if unknown.GetSpecifiedShortnames() != "" {
		typed = "-" + name
	}
	text := fmt.Sprintf("%s has no flag %s", cmd.CommandPath(), typed)
	help := "-h"
	var names, elsewhere []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if f.Name == "help-all" {
			help = "-h all"
		} else {
			names = append(names, f.Name)
		}
	})
	for _, other := range cmd.Root().Commands() {
		if other.Flags().Lookup(name) != nil {
			elsewhere = append(elsewhere, other.Name())
		}
	}
	if now, ok := hints[cmd.Name()+" "+typed]; ok {
		text += ": " + now
	} else if len(elsewhere) > 0 {
		text += ", which is one of cub " + strings.Join(elsewhere, ", ")
	} else if near, ok := console.Nearest(names, name); ok {
		text += ", the nearest is --" + near
	}
	return fmt.Errorf("%s; %s %s lists its flags", text, cmd.CommandPath(), help)
}

// unknownCommand is the error for a first argument that is no command.
func unknownCommand(root *cobra.Command, name string) error {
	var all []string
	for _, cmd := range root.Commands() {
		if !cmd.Hidden {
			all = append(all, cmd.Name())
		}
	}
	if near, ok := console.Nearest(all, name); ok {
		return console.Usagef("unknown command %q, the nearest is %s; cub -h lists all", name, near)
	}
	if info, err := os.Stat(name); err == nil && info.IsDir() {
		return console.Usagef("unknown command %q: for the folder of that name it is cub train --data %[1]s, or cub predict --model MODEL %[1]s", name)
	} else if err == nil {
		return console.Usagef("unknown command %q: for the file of that name it is cub explain --model MODEL %[1]s, or cub inspect %[1]s", name)
	}
	return console.Usagef("unknown command %q, want one of %s", name, strings.Join(all, ", "))
}

// none refuses arguments.
func none(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	hint := ""
	switch info, err := os.Stat(args[0]); {
	case slices.Contains([]string{"true", "false"}, args[0]):
		hint = fmt.Sprintf(": a switch takes its value after =, such as --quiet=%s", args[0])
	case err == nil && info.IsDir() && cmd.Flags().Lookup("data") != nil:
		hint = ": a folder of photographs goes in --data"
	}
	return fmt.Errorf("takes no argument besides flags, got %q%s", args[0], hint)
}

// one wants one argument, what, which is called a name in the command's line.
func one(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) > 1 {
			return fmt.Errorf("takes one argument, %s, got %d: %s", what, len(args), strings.Join(args, ", "))
		}
		return some(what)(cmd, args)
	}
}

// some wants one or more arguments, each of them what.
func some(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		model := ""
		if cmd.Flags().Lookup("model") != nil {
			model = " --model MODEL"
		}
		_, want, _ := strings.Cut(cmd.Use, " ")
		switch i := slices.Index(args, ""); {
		case len(args) == 0:
			return fmt.Errorf("give %s: %s%s %s", what, cmd.CommandPath(), model, want)
		case i >= 0:
			return fmt.Errorf("argument %d is empty, want %s", i+1, what)
		}
		return nil
	}
}

// emptyValue returns an error for a flag whose value is empty, as after an empty variable of a shell, unless
// that has a meaning or another message.
func emptyValue(flags *pflag.FlagSet) (err error) {
	flags.Visit(func(f *pflag.Flag) {
		if f.Value.String() == "" && !has("data weights model out cache", f.Name) && err == nil {
			err = console.Usagef("--%s is empty, want --%[1]s %s", f.Name, strings.ToUpper(f.Value.Type()))
		}
	})
	return err
}
