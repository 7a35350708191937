// Cub trains Prompt-CAM on a folder of photographs, reports its accuracy and
// draws what each class's prompt looks at. Its flags are explained by -h.
package main

import (
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
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
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

// run is the program.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
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
	c := newConsole(stdout, stderr, s.quiet)
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
	switch {
	case len(s.explain) > 0:
		err = explain(ctx, s, c)
	case s.addClass != "":
		err = addClass(ctx, s, c)
	case s.load != "":
		err = evaluate(ctx, s, c)
	default:
		err = train(ctx, s, c)
	}
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return interrupted{saved(s), err}
	}
	return err
}

// folders says whether one of the folders is a file.
func folders(s *settings) error {
	for _, f := range []struct{ name, dir string }{{"data", s.data}, {"out", s.out}, {"add-class", s.addClass}, {"cache", filepath.Dir(featuresPath(s))}} {
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
	if st, err := readState(statePath(s.out)); s.load == "" && err == nil {
		if n := len(st.History); n < st.Recipe.Epochs {
			return fmt.Sprintf("epoch %d of %d is on disk in %s: go on with the same flags and -resume", n, st.Recipe.Epochs, statePath(s.out))
		}
		return fmt.Sprintf("training is done and on disk in %s: the same flags and -resume make the report", statePath(s.out))
	}
	again := "the same flags start again"
	if (s.load == "" || s.addClass != "") && s.cache != noCache && exists(featuresPath(s)) {
		again += ", with the features made so far in " + featuresPath(s)
	}
	return again
}

// oneLine is for errors that list several faults, each on its line.
func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }
