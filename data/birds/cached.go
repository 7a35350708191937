package birds

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"

	"github.com/promptcam/promptcam/data/download"
)

// Cached returns the folder in dir that holds the images of c, as Write leaves them, and draws them first unless
// they are there. Images that are drawn differently, by another Config or version, have another folder. Of several
// processes one draws while the others wait. say, if not nil, is called with a line about what takes time.
func Cached(ctx context.Context, dir string, c Config, say func(line string)) (string, error) {
	if say == nil {
		say = func(string) {}
	}
	if err := c.check(); err != nil {
		return "", fmt.Errorf("birds: %w", err)
	}
	sum := sha256.Sum256(fmt.Append(c.Draw(0, 0).RGB.Pix, c))
	dir = filepath.Join(dir, fmt.Sprintf("drawn-birds-%x", sum[:4]))
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	unlock, err := download.Lock(ctx, dir+".lock", func() { say("another process renders the birds: waiting for it") })
	if err != nil {
		return "", err
	}
	defer unlock()
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	say(fmt.Sprintf("rendering birds of %d species, %d images of each, in %s", len(c.Species), c.Train+c.Test, dir))
	return dir, Write(ctx, dir, c)
}
