package pretrain

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"image/png"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/promptcam/promptcam/data"
	"github.com/promptcam/promptcam/nn/fit/knob"
)

var small = []string{"-patch", "8", "-image", "32", "-local", "16", "-locals", "2", "-dim", "24", "-depth", "2", "-heads", "2",
	"-head-hidden", "32", "-head-bottleneck", "16", "-outputs", "64", "-batch", "6", "-piece", "4", "-epochs", "3", "-warmup", "1", "-lr", "0.002"}

// smallConfig is a network and a recipe that take a moment, and what flags change in it.
func smallConfig(t *testing.T, more ...string) *Config {
	t.Helper()
	c := DefaultConfig()
	fs := flag.NewFlagSet("", flag.ContinueOnError)
	for k := range knob.Walk(&c) {
		fs.Var(k, k.Flag, k.Help)
	}
	require.NoError(t, fs.Parse(append(small[:len(small):len(small)], more...)))
	require.NoError(t, c.Validate())
	return &c
}

// tile draws a noisy grey picture of one of three textures: stripes across, stripes down, squares.
func tile(rng *rand.Rand, class int) *data.RGB {
	m := data.NewRGB(40, 40)
	on, off := 140+rng.IntN(80), 40+rng.IntN(60)
	dx, dy := rng.IntN(8), rng.IntN(8)
	for y := range m.H {
		for x := range m.W {
			across, down := (x+dx)/4%2 == 0, (y+dy)/4%2 == 0
			v := off
			if class == 0 && across || class == 1 && down || class == 2 && across != down {
				v = on
			}
			v += rng.IntN(35)
			for c := range 3 {
				m.Pix[3*(y*m.W+x)+c] = uint8(v)
			}
		}
	}
	return m
}

// tiles writes n pictures of each texture to dir/CLASS.
func tiles(t *testing.T, dir string, n int) string {
	t.Helper()
	rng := rand.New(rand.NewPCG(1, 2))
	for class, name := range []string{"down", "across", "squares"} {
		for i := range n {
			path := filepath.Join(dir, name, fmt.Sprintf("%d.png", i))
			require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
			f, err := os.Create(path)
			require.NoError(t, err)
			require.NoError(t, png.Encode(f, tile(rng, class)))
			require.NoError(t, f.Close())
		}
	}
	return dir
}

// textures are n pictures in memory, of a texture each, or several in several brightnesses.
type textures struct {
	n, scenes int
	bad       int // the one that cannot be read; -1: none
}

var errBad = errors.New("bad image")

func (x textures) Len() int         { return x.n }
func (x textures) Scenes() int      { return x.scenes }
func (x textures) Shuffled() bool   { return true }
func (x textures) Identity() string { return "textures" }
func (x textures) At(_ context.Context, i, _, scene int) (*data.RGB, error) {
	if i == x.bad {
		return nil, errBad
	}
	return tile(rand.New(rand.NewPCG(uint64(i), uint64(scene))), i%3), nil
}
