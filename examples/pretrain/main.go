// Pretrain teaches a vision transformer to see without labels, from a folder of images or from drawn
// birds, and leaves weights for examples/cub. Option -h explains its flags.
//
// Reading order: run.go; birds.go, the drawn birds; package vit/pretrain, the training.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // the second signal ends the program at once
	err := run(ctx, os.Args[1:], os.Stdout)
	if err == nil {
		return
	}
	fmt.Fprintln(os.Stderr, "pretrain: "+strings.ReplaceAll(err.Error(), "\n", "; "))
	switch {
	case errors.As(err, new(usageError)):
		os.Exit(2)
	case errors.Is(err, context.Canceled):
		os.Exit(130) // as a shell reports a program that SIGINT ended
	}
	os.Exit(1)
}

// run is the program without its process.
func run(ctx context.Context, args []string, stdout io.Writer) error {
	s, err := parse(args, stdout)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, f := range []struct{ name, dir string }{{"data", s.Data}, {"out", s.Out}, {"knn", s.KNN}} {
		if info, err := os.Stat(f.dir); err == nil && !info.IsDir() {
			return fmt.Errorf("-%s %s is a file, want a folder", f.name, f.dir)
		}
	}
	err = train(ctx, s, &console{stdout, time.Now()})
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return fmt.Errorf("interrupted (%w): %s", err, saved(s.Out))
	}
	return err
}
