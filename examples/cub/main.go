// Cub trains Prompt-CAM on a folder of photographs, evaluates and explains what was learned, and puts the
// trained model to use: cub -h lists its commands. Without arguments it does the main job on synthetic birds.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

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
	root.SetArgs(spelling(args))
	err := root.ExecuteContext(ctx)
	if err != nil && strings.HasPrefix(err.Error(), "unknown command") {
		return console.Usagef("%s", strings.Join(strings.Fields(err.Error()), " ")) // cobra's hint is several lines
	}
	return err
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
	root.AddCommand(trainCommand(c), evaluateCommand(c), traitsCommand(c), explainCommand(c), predictCommand(c),
		addClassCommand(c), dataCommand(c), inspectCommand(c), versionCommand(c))
	for _, cmd := range root.Commands() {
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

// retired are flags of earlier versions, and what does their job now.
var retired = map[string]string{
	"load":      "name a trained model by --model, after a command: cub evaluate, traits, explain, predict or add-class",
	"explain":   "it is a command: cub explain --model MODEL PHOTO...",
	"class":     "it is --compare: cub explain --model MODEL --compare CLASS PHOTO...",
	"add-class": "it is a command: cub add-class --model MODEL FOLDER",
}

// flagError says more about a flag that does not exist.
func flagError(cmd *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	if !errors.As(err, &unknown) {
		return err
	}
	name := unknown.GetSpecifiedName()
	if now, ok := retired[name]; ok {
		return fmt.Errorf("--%s is no flag any more: %s", name, now)
	}
	var names []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
	help := map[bool]string{true: "-h all", false: "-h"}[slices.Contains(names, "help-all")]
	return fmt.Errorf("%s has no flag --%s, the nearest is --%s; %[1]s %[4]s lists them", cmd.CommandPath(), name, data.Nearest(names, name), help)
}

// spelling returns the arguments with two dashes before long flags, where earlier versions took one, and with
// the command train where they name none.
func spelling(args []string) []string {
	args = slices.Clone(args)
	for i, a := range args {
		if a == "--" {
			break
		}
		if len(a) > 2 && a[0] == '-' && a[1] >= 'a' && a[1] <= 'z' {
			args[i] = "-" + a
		}
	}
	if len(args) == 0 || strings.HasPrefix(args[0], "-") && !slices.Contains([]string{"-h", "--help", "-v", "--version"}, args[0]) {
		args = append([]string{"train"}, args...)
	}
	if i := slices.Index(args, "-h"); i > 0 && i+1 < len(args) && args[i+1] == "all" {
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

// version returns the version of the program, which names the commit, and of Go.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	return info.Main.Version + ", " + info.GoVersion
}

func versionCommand(c *console.Console) *cobra.Command {
	return &cobra.Command{
		Use: "version", Args: cobra.NoArgs, Short: "Print the version",
		Run: func(*cobra.Command, []string) { c.Result("cub " + version()) },
	}
}
