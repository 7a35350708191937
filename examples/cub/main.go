// Cub trains Prompt-CAM on a folder of photographs, evaluates and explains what was learned, and puts the
// trained model to use: cub -h lists its commands. Without arguments it does the main job on synthetic birds.
package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/promptcam/promptcam/data"
	"github.com/promptcam/promptcam/examples/internal/console"
	"github.com/promptcam/promptcam/promptcam/run"
)

func main() { console.Main("cub", command) }

// command is the program.
func command(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	c := console.New(stdout, stderr)
	defer c.Clear()
	root := commands(c)
	root.SetOut(stdout)
	root.SetErr(stderr)
	if err := hyphenated(args); err != nil {
		return err
	}
	args = spelling(args)
	root.SetArgs(args)
	if !strings.HasPrefix(args[0], "-") {
		if _, _, err := root.Find(args); args[0] == "" || err != nil && args[0] != cobra.ShellCompRequestCmd && args[0] != cobra.ShellCompNoDescRequestCmd {
			return unknownCommand(root, args[0])
		}
	}
	return root.ExecuteContext(ctx)
}

func commands(c *console.Console) *cobra.Command {
	root := &cobra.Command{
		Use:   "cub",
		Short: "Train Prompt-CAM on photographs, and see what tells look-alikes apart",
		Long: `cub trains Prompt-CAM on a folder of photographs with a pre-trained vision transformer, reports its accuracy
and draws where the prompt of each class attends. Without a command it trains; without any argument it does
so on synthetic birds, with a small bundled backbone.`,
		Version: version(), SilenceErrors: true, SilenceUsage: true,
	}
	all := []*cobra.Command{trainCommand(c), evaluateCommand(c), traitsCommand(c), explainCommand(c), predictCommand(c),
		addClassCommand(c), referCommand(c), dataCommand(c), inspectCommand(c), completionCommand(), versionCommand(c), helpCommand()}
	root.CompletionOptions.DisableDefaultCmd = true
	root.SetHelpCommand(all[len(all)-1])
	root.SetHelpFunc(func(cmd *cobra.Command, _ []string) {
		if cmd == root {
			rootHelp(cmd.OutOrStdout(), root, all, console.Width())
		} else {
			showHelp(cmd.OutOrStdout(), cmd, console.Width())
		}
	})
	root.AddCommand(all...)
	for _, cmd := range all {
		args := cmd.Args
		cmd.Args = func(cmd *cobra.Command, given []string) error {
			if err := args(cmd, given); err != nil {
				return console.Usagef("%s: %w; %[1]s -h explains it", cmd.CommandPath(), err)
			}
			return nil
		}
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return console.UsageError{Err: flagError(cmd, err)} })
	return root
}

// spelling returns the arguments with two dashes before long flags, and with the command train where they name
// none.
func spelling(args []string) []string {
	args = console.Dashes(args)
	if len(args) == 0 || strings.HasPrefix(args[0], "-") && !slices.Contains([]string{"-h", "--help", "-v", "--version"}, args[0]) {
		args = append([]string{"train"}, args...)
	}
	help := func(a string) bool { return a == "-h" || a == "--help" }
	if i := slices.IndexFunc(args, help); i > 0 && i+1 < len(args) && args[i+1] == "all" {
		args[i+1] = "--help-all"
	}
	if slices.Contains(args, "--help-all") {
		args = append(args, "--help")
	}
	return args
}

// newSource returns a source whose job has the default settings and shows its work on a console.
func newSource(c *console.Console) source {
	s := source{Job: *run.NewJob(run.Quick(), nil, "out"), console: c}
	s.Program = "cub " + version()
	s.Observer = run.Observer{
		Line: func(kind run.LineKind, text string) {
			show := map[run.LineKind]func(string){run.Note: c.Say, run.Outcome: c.Result, run.Warning: c.Warn}[kind]
			show(data.Printable(text)) // a line that stays one, whatever the names in it
		},
		Progress: func(p run.Progress) {
			text := strings.TrimSpace(fmt.Sprintf("%d/%d  %s", p.Done, p.Total, p.Remark))
			rate := fmt.Sprintf("%.1f images/s", p.Rate())
			c.Show(console.Progress{Part: p.Part, Done: int64(p.Done), Total: int64(p.Total), Text: text, Rate: rate, Left: p.Left()})
		},
	}
	return s
}

func version() string { return console.Version() }

func versionCommand(c *console.Console) *cobra.Command {
	return &cobra.Command{
		Use: "version", Args: none, Short: "Print the version", DisableFlagsInUseLine: true,
		Run: func(*cobra.Command, []string) { c.Result("cub " + version()) },
	}
}
