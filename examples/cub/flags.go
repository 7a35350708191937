package main

import (
	"cmp"
	"encoding/csv"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/promptcam/promptcam/examples/internal/console"
	"github.com/promptcam/promptcam/nn/fit/knob"
)

// helps says what a flag does in a command where that is not what it does in training.
var helps = map[string]string{
	"predict --skip-bad": "leave photographs that cannot be read out of the table (default: a row with the error)",
	"evaluate --test":    tests,
	"traits --test":      tests,
}

const tests = "share of each class's images that is tested, where the folder has no test split; not given: all but those that the model was trained on"

// flagged gives a command the knobs of a struct and of the console as flags, or those with the given names
// alone, divided by spaces. Its help shows the flags in common or, with -h all, every one. Before help is
// shown, settle resolves defaults that depend on other flags; nil means none do.
func flagged(cmd *cobra.Command, c *console.Console, settings any, common, names string, settle func(*pflag.FlagSet) error) *cobra.Command {
	knob.Defaults(settings)
	var knobs []*knob.Knob
	for _, k := range slices.AppendSeq(slices.Collect(knob.Walk(settings)), knob.Walk(c)) {
		if names == "" || has(names+" quiet", k.Flag) {
			knobs = append(knobs, k)
		}
	}
	for _, k := range knobs {
		k.Help = cmp.Or(helps[cmd.Name()+" --"+k.Flag], k.Help)
		f := cmd.Flags().VarPF(k, k.Flag, "", k.Help)
		if k.IsBoolFlag() {
			f.NoOptDefVal = "true"
		}
		completed(cmd, k)
	}
	all := cmd.Flags().Bool("help-all", false, "")
	cmd.Flags().MarkHidden("help-all")
	cmd.SetHelpFunc(func(cmd *cobra.Command, _ []string) {
		if settle != nil {
			settle(cmd.Flags()) // help is for wrong flags, too
		}
		w, width := cmd.OutOrStdout(), console.Width()
		showHelp(w, cmd, width)
		fmt.Fprintln(w)
		hidden := func(k *knob.Knob) bool { return !*all && !has(common, k.Flag) }
		knob.UsageIn(w, slices.Values(slices.DeleteFunc(grouped(knobs), hidden)), width)
		switch {
		case !*all:
			fmt.Fprintf(w, "\n%s -h all shows every flag.\n", cmd.CommandPath())
		case cmd.Flags().Lookup("arch") != nil:
			architectures(w, width)
		}
	})
	positional := cmd.Args
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		return cmp.Or(console.Swallowed(cmd.Flags()), emptyValue(cmd.Flags()), knob.Check(settings), positional(cmd, args))
	}
	return cmd
}

// commandLine is what a command was called with, in the order of the flags' names. Of paths it keeps the last
// name, since reports are shown to others.
func commandLine(cmd *cobra.Command, args []string) string {
	words := []string{cmd.CommandPath()}
	cmd.Flags().Visit(func(f *pflag.Flag) {
		words = append(words, "--"+f.Name)
		if value := f.Value.String(); value != f.NoOptDefVal {
			words = append(words, quoted(filepath.Base(value)))
		}
	})
	for _, a := range args {
		words = append(words, quoted(filepath.Base(a)))
	}
	return strings.Join(words, " ")
}

// quoted quotes a word that a shell would not take for one.
func quoted(word string) string {
	if word == "" || strings.ContainsFunc(word, func(r rune) bool { return unicode.IsSpace(r) || strings.ContainsRune(`"'\$&;|<>*?()`, r) }) {
		return strconv.Quote(word)
	}
	return word
}

func has(names, name string) bool { return slices.Contains(strings.Fields(names), name) }

// grouped brings the knobs of a group together, groups in the order of their first knobs.
func grouped(knobs []*knob.Knob) []*knob.Knob {
	first := func(k *knob.Knob) int {
		return slices.IndexFunc(knobs, func(other *knob.Knob) bool { return other.Group == k.Group })
	}
	return slices.SortedStableFunc(slices.Values(knobs), func(a, b *knob.Knob) int { return first(a) - first(b) })
}

// words is a list of names divided by commas. Names that hold commas stand in double quotes, as in CSV.
type words []string

func (w *words) String() string {
	var b strings.Builder
	c := csv.NewWriter(&b)
	c.Write(*w) // a strings.Builder takes everything
	c.Flush()
	return strings.TrimSuffix(b.String(), "\n")
}

// Set reads a list.
func (w *words) Set(text string) error {
	*w = nil
	c := csv.NewReader(strings.NewReader(text))
	c.LazyQuotes, c.TrimLeadingSpace, c.FieldsPerRecord = true, true, -1
	lines, err := c.ReadAll()
	for _, word := range slices.Concat(lines...) {
		if word = strings.TrimSpace(word); word != "" {
			*w = append(*w, word)
		}
	}
	return err
}

// pixels is the height and width of images; zero means the architecture's own.
type pixels [2]int

func (p *pixels) String() string {
	if p[0] == p[1] {
		return strconv.Itoa(p[0])
	}
	return fmt.Sprintf("%dx%d", p[0], p[1])
}

// Set reads "224", or height x width such as "224x320".
func (p *pixels) Set(text string) (err error) {
	h, w, both := strings.Cut(text, "x")
	if !both {
		w = h
	}
	for i, side := range [2]string{h, w} {
		if p[i], err = strconv.Atoi(side); err != nil || p[i] < 0 || p[i] > 1<<14 {
			return errors.New("want pixels such as 224, or height x width such as 224x320, at most 16384")
		}
	}
	return nil
}
