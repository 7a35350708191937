// Cub trains Prompt-CAM on a folder of photographs, reports its accuracy and
// draws what each class's prompt looks at. Its flags are explained by -h.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/promptcam/promptcam/examples/internal/console"
	"github.com/promptcam/promptcam/promptcam/run"
)

func main() { console.Main("cub", command) }

// command parses the command line and does what it asks for.
func command(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	s, err := parse(args, stdout)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := folders(s); err != nil {
		return err
	}
	c := console.New(stdout, stderr)
	c.Quiet, s.Observer = s.Quiet, observer(c)
	defer c.Clear()
	if s.fetches != nil {
		if err := s.fetches.fetch(ctx, c); err != nil {
			return err
		}
	}
	if s.draws != "" {
		if err := drawData(ctx, s.draws, c); err != nil {
			return err
		}
	}
	err = do(ctx, s, c)
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return interrupted{saved(s), err}
	}
	return err
}

// folders says whether one of the folders is a file.
func folders(s *settings) error {
	for _, f := range []struct{ name, dir string }{{"data", s.Data}, {"out", s.Out}, {"add-class", s.AddClass}, {"cache", s.Cache}} {
		if info, err := os.Stat(f.dir); err == nil && !info.IsDir() {
			return fmt.Errorf("-%s %s is a file, want a folder", f.name, f.dir)
		}
	}
	return nil
}

// interrupted is the end of a run by a signal.
type interrupted struct {
	saved string
	cause error
}

func (i interrupted) Error() string { return "interrupted; " + i.saved }
func (i interrupted) Unwrap() error { return i.cause }

// saved says what an interrupted run has left and how to go on.
func saved(s *settings) string {
	state := filepath.Join(s.Out, "state.safetensors")
	if done, of := s.Unfinished(); s.Load == "" && of > 0 {
		if done < of {
			return fmt.Sprintf("epoch %d of %d is on disk in %s: go on with the same flags and -resume", done, of, state)
		}
		return fmt.Sprintf("training is done and on disk in %s: the same flags and -resume make the report", state)
	}
	again := "the same flags start again"
	dir := s.Out // of the features of a class that is added, whatever -cache is
	if s.Load == "" {
		dir = cmp.Or(s.Cache, s.Out)
	}
	if features := filepath.Join(dir, "features.safetensors"); (s.Load == "" || s.AddClass != "") && exists(features) {
		again += ", with the features made so far in " + features
	}
	return again
}

// observer shows the work of package run.
func observer(c *console.Console) run.Observer {
	return run.Observer{
		Line: func(kind run.Kind, text string) {
			map[run.Kind]func(string){run.Note: c.Say, run.Outcome: c.Result, run.Warning: c.Warn}[kind](text)
		},
		Progress: func(p run.Progress) {
			text := fmt.Sprintf("%d/%d", p.Done, p.Total)
			if p.Remark != "" {
				text += "  " + p.Remark
			}
			c.Show(console.Progress{
				Part: p.Part, Done: int64(p.Done), Total: int64(p.Total), Text: text, Rate: fmt.Sprintf("%.1f images/s", p.Rate()), Left: p.Left(),
			})
		},
	}
}

// say prints a line about how things go.
func say(c *console.Console, format string, a ...any) { c.Say(fmt.Sprintf(format, a...)) }
