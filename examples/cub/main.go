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
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // the second signal ends the program at once
	err := program(ctx, os.Args[1:], os.Stdout, os.Stderr)
	if err == nil {
		return
	}
	fmt.Fprintln(os.Stderr, "cub: "+oneLine(err))
	switch {
	case errors.As(err, new(usageError)):
		os.Exit(2)
	case errors.Is(err, context.Canceled):
		os.Exit(130) // as a shell reports a program that SIGINT ended
	}
	os.Exit(1)
}

// program parses the command line and does what it asks for.
func program(ctx context.Context, args []string, stdout, stderr io.Writer) error {
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
	c := newConsole(stdout, stderr, s.Quiet)
	s.Observer = c.observer()
	defer c.clear()
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
	features := filepath.Join(cmp.Or(s.Cache, s.Out), "features.safetensors")
	if (s.Load == "" || s.AddClass != "") && exists(features) {
		again += ", with the features made so far in " + features
	}
	return again
}

// oneLine is for errors that list several faults, each on its line.
func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }
