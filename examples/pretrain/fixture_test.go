package main

import (
	"context"
	"fmt"
	"image/png"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/promptcam/promptcam/data"
)

// small is a network and a recipe that take a moment.
var small = []string{"-patch", "8", "-image", "32", "-local", "16", "-locals", "2", "-dim", "24", "-depth", "2", "-heads", "2",
	"-head-hidden", "32", "-head-bottleneck", "16", "-outputs", "64", "-batch", "6", "-piece", "4", "-epochs", "3", "-warmup", "1", "-lr", "0.002"}

// smallSettings is what small says, for birds.
func smallSettings(t *testing.T) *settings {
	t.Helper()
	s, err := parse(append([]string{"-birds", "99"}, small...), nil)
	require.NoError(t, err)
	return s
}

// tiles writes n noisy pictures to each of three folders dir/CLASS.
func tiles(t *testing.T, dir string, n int) string {
	t.Helper()
	rng := rand.New(rand.NewPCG(1, 2))
	for _, name := range []string{"down", "across", "squares"} {
		for i := range n {
			path := filepath.Join(dir, name, fmt.Sprintf("%d.png", i))
			require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
			f, err := os.Create(path)
			require.NoError(t, err)
			m := data.NewRGB(40, 40)
			for i := range m.Pix {
				m.Pix[i] = uint8(rng.IntN(256))
			}
			require.NoError(t, png.Encode(f, m))
			require.NoError(t, f.Close())
		}
	}
	return dir
}

// program runs the program with the small recipe.
func program(ctx context.Context, args ...string) (stdout string, err error) {
	var out strings.Builder
	err = run(ctx, append(append([]string(nil), small...), args...), &out, io.Discard)
	return out.String(), err
}

// must runs the program, which must succeed.
func must(t *testing.T, args ...string) string {
	t.Helper()
	out, err := program(t.Context(), args...)
	require.NoError(t, err, out)
	return out
}

func read(t *testing.T, path ...string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(path...))
	require.NoError(t, err)
	return string(b)
}

func write(t *testing.T, path, text string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
}

// files lists the files below dir.
func files(t *testing.T, dir string) []string {
	t.Helper()
	var all []string
	require.NoError(t, filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			rel, _ := filepath.Rel(dir, path)
			all = append(all, filepath.ToSlash(rel))
		}
		return err
	}))
	return all
}
