package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/promptcam/promptcam/nn/fit/knob"
	"github.com/promptcam/promptcam/promptcam"
	"github.com/promptcam/promptcam/promptcam/run"
	"github.com/promptcam/promptcam/tensor/checkpoint"
	"github.com/promptcam/promptcam/vit"
)

// completed lets a shell complete the value of a knob's flag: its choices, names or, by default, files.
func completed(cmd *cobra.Command, k *knob.Knob) {
	words := func(words ...string) cobra.CompletionFunc {
		return cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp)
	}
	var f cobra.CompletionFunc
	switch {
	case len(k.Choices) > 0:
		f = words(k.Choices...)
	case k.Flag == "mode":
		f = words("last", "deep", "shallow", "from:")
	case k.Flag == "arch":
		names := []cobra.Completion{"auto"}
		for _, c := range vit.Presets() {
			names = append(names, c.Name)
		}
		f = cobra.FixedCompletions(names, cobra.ShellCompDirectiveDefault) // or a file
	case k.Flag == "classes" || k.Flag == "compare":
		f = completeClasses
	case k.Arg == "folder":
		f = cobra.FixedCompletions(nil, cobra.ShellCompDirectiveFilterDirs)
	default:
		return
	}
	cmd.RegisterFlagCompletionFunc(k.Flag, f) // a new flag has none
}

// completeClasses completes the last name of a list divided by commas, from the classes of --model or, where
// that is not given, the folders of --data.
func completeClasses(cmd *cobra.Command, _ []string, typed string) (lists []cobra.Completion, _ cobra.ShellCompDirective) {
	before := typed[:strings.LastIndex(typed, ",")+1]
	for _, name := range classNames(cmd) {
		if strings.HasPrefix(name, typed[len(before):]) && !slices.Contains(strings.Split(before, ","), name) {
			lists = append(lists, before+name)
		}
	}
	return lists, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
}

// classNames returns what it finds without opening a photograph; errors leave it empty.
func classNames(cmd *cobra.Command) []string {
	value := func(flag string) string {
		if f := cmd.Flags().Lookup(flag); f != nil {
			return f.Value.String()
		}
		return ""
	}
	if path := value("model"); path != "" {
		if inside := filepath.Join(path, run.ModelFile); exists(inside) {
			path = inside
		}
		f, err := checkpoint.Open(path)
		if err != nil {
			return nil
		}
		defer f.Close() // it is only read
		if info, err := promptcam.ReadInfo(f); err == nil {
			return info.Classes
		}
		return nil
	}
	var names []string
	for _, below := range []string{"", "images", "train"} { // class folders, CUB's layout, splits
		entries, _ := os.ReadDir(filepath.Join(value("data"), below))
		for _, e := range entries {
			if e.IsDir() && value("data") != "" {
				names = append(names, e.Name())
			}
		}
	}
	return names
}
