package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"

	"github.com/promptcam/promptcam/data/birds"
	"github.com/promptcam/promptcam/data/download"
	"github.com/promptcam/promptcam/examples/internal/console"
)

// own names the drawn birds in -data, and in -weights the backbone that comes with the program.
const own = "birds"

// drawnBirds are the images of -data birds.
var drawnBirds = birds.DefaultConfig()

// drawnFolder is where they lie in the user cache. Birds that are drawn otherwise lie elsewhere.
func drawnFolder() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("-data %s: %w", own, err)
	}
	sum := sha256.Sum256(fmt.Append(drawnBirds.Draw(0, 0).RGB.Pix, drawnBirds))
	return filepath.Join(cache, "promptcam", fmt.Sprintf("drawn-birds-%x", sum[:4])), nil
}

// drawData draws the birds that -data names, unless they are there.
func drawData(ctx context.Context, dir string, c *console.Console) error {
	if exists(dir) {
		return nil
	}
	unlock, err := download.Lock(ctx, dir+".lock", func() { say(c, "another process draws the birds: waiting for it") })
	if err != nil {
		return fmt.Errorf("-data %s: %w", own, err)
	}
	defer unlock()
	if exists(dir) {
		return nil
	}
	say(c, "drawing birds of %d species, %d images of each, in %s", len(drawnBirds.Species), drawnBirds.Train+drawnBirds.Test, dir)
	if err := birds.Write(ctx, dir, drawnBirds); err != nil {
		return fmt.Errorf("-data %s: %w", own, err)
	}
	return nil
}
