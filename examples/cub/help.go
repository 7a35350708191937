package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/promptcam/promptcam/examples/internal/console"
	"github.com/promptcam/promptcam/vit"
)

// showHelp writes what a command is for, without its flags.
func showHelp(w io.Writer, cmd *cobra.Command, width int) {
	about := cmd.Long
	if about == "" {
		about = cmd.Short + "."
	}
	fmt.Fprintf(w, "%s\nUsage:\n%s", console.Wrap(about, width), console.Wrap("  "+cmd.UseLine(), width))
	if cmd.Example != "" {
		fmt.Fprintf(w, "\nExamples:\n%s", console.Wrap(cmd.Example, width))
	}
}

// rootHelp lists the commands in their order.
func rootHelp(w io.Writer, root *cobra.Command, all []*cobra.Command, width int) {
	fmt.Fprintf(w, "%s\nUsage:\n  cub COMMAND [flags]\n\nCommands:\n", console.Wrap(root.Long, width))
	for _, cmd := range all {
		fmt.Fprintf(w, "  %-12s", cmd.Name())
		lines := strings.Split(strings.TrimSpace(console.Wrap(cmd.Short, width-14)), "\n")
		fmt.Fprintln(w, strings.Join(lines, "\n"+strings.Repeat(" ", 14)))
	}
	fmt.Fprint(w, "\n", console.Wrap("cub COMMAND -h shows a command's flags that people use, cub COMMAND -h all every flag. cub --version prints the version.", width))
}

// architectures lists the presets in columns.
func architectures(w io.Writer, width int) {
	fmt.Fprintln(w, "\nArchitectures:")
	const column = 19
	for i, c := range vit.Presets() {
		if i > 0 && i%(width/column) == 0 {
			fmt.Fprintln(w)
		}
		fmt.Fprintf(w, "  %-*s", column-2, c.Name)
	}
	fmt.Fprintln(w)
}

// helpCommand is cub help COMMAND.
func helpCommand() *cobra.Command {
	return &cobra.Command{
		Use: "help [COMMAND [all]]", Short: "Show help for a command", DisableFlagsInUseLine: true,
		ValidArgsFunction: func(cmd *cobra.Command, args []string, _ string) (names []cobra.Completion, _ cobra.ShellCompDirective) {
			for _, other := range cmd.Root().Commands() {
				if len(args) == 0 && !other.Hidden {
					names = append(names, other.Name())
				}
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			root := cmd.Root()
			if len(args) == 0 || args[0] == "all" {
				return root.Help()
			}
			about, _, err := root.Find(args[:1])
			if err != nil {
				return unknownCommand(root, args[0])
			}
			about.InitDefaultHelpFlag()
			about.Flags().Set("help", "true") // a switch takes it
			if about.Flags().Lookup("help-all") != nil && len(args) > 1 && args[1] == "all" {
				about.Flags().Set("help-all", "true")
			}
			return about.Help()
		},
	}
}

func completionCommand() *cobra.Command {
	shells := map[string]func(root *cobra.Command, w io.Writer) error{
		"bash":       func(root *cobra.Command, w io.Writer) error { return root.GenBashCompletionV2(w, true) },
		"zsh":        func(root *cobra.Command, w io.Writer) error { return root.GenZshCompletion(w) },
		"fish":       func(root *cobra.Command, w io.Writer) error { return root.GenFishCompletion(w, true) },
		"powershell": func(root *cobra.Command, w io.Writer) error { return root.GenPowerShellCompletionWithDesc(w) },
	}
	return &cobra.Command{
		Use: "completion bash|zsh|fish|powershell", Short: "Print a script by which a shell completes commands and flags", DisableFlagsInUseLine: true,
		Long: `Prints a script for a shell. Once the shell has read it, the Tab key completes commands, flags and their values,
such as presets, architectures and the names of classes.`,
		Example: `  # bash, for this session; or append the line to ~/.bashrc
  source <(cub completion bash)
  # zsh, likewise with ~/.zshrc
  source <(cub completion zsh)
  # fish
  cub completion fish > ~/.config/fish/completions/cub.fish
  # PowerShell
  cub completion powershell | Out-String | Invoke-Expression`,
		ValidArgs: []cobra.Completion{"bash", "zsh", "fish", "powershell"},
		Args: func(cmd *cobra.Command, args []string) error {
			if err := one("a shell")(cmd, args); err != nil {
				return err
			}
			if shells[args[0]] == nil {
				return fmt.Errorf("%q is no shell that it knows, want bash, zsh, fish or powershell", args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return shells[args[0]](cmd.Root(), cmd.OutOrStdout()) },
	}
}
