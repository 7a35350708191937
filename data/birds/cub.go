package birds

import (
	"context"
	"errors"
	"fmt"
	"image"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/promptcam/promptcam/data"
)

// A Config describes a set of images. Its species are the classes.
type Config struct {
	Species     []Species
	Train, Test int // images of each species
	Size        int // of the images' sides in pixels, 32 to 1024
	Seed        uint64
}

// DefaultConfig is all species, 100 training and 20 test images of each, 128 x 128 pixels.
func DefaultConfig() Config {
	return Config{Species: AllSpecies(), Train: 100, Test: 20, Size: 128, Seed: 1}
}

func (c Config) check() error {
	switch {
	case len(c.Species) < 2:
		return fmt.Errorf("%d species: want at least 2", len(c.Species))
	case c.Train < 1 || c.Test < 0:
		return fmt.Errorf("%d training and %d test images a species: want at least 1 and 0", c.Train, c.Test)
	case c.Size < 32 || c.Size > 1024:
		return fmt.Errorf("size %d: want 32 to 1024", c.Size)
	}
	for i, s := range c.Species {
		for k, v := range s.Traits { // here, so that it panics in the caller's goroutine
			Trait{Kind(k), v}.check()
		}
		for _, name := range []string{s.Name, s.Genus, s.Family} {
			if s.Name == "" || strings.ContainsAny(name, "/\\,\"\r\n\t") {
				return fmt.Errorf("species %d has the name %q: want one without slashes, commas, quotes, tabs and line ends", i+1, name)
			}
		}
	}
	return nil
}

// Scene returns the scene of a species' image: training images start at 0, test images at c.Train. No two
// images of a set share a scene.
func (c Config) Scene(species, image int) Scene {
	// SplitMix64 (Steele, Lea and Flood, OOPSLA 2014): one to one, so seeds differ.
	z := c.Seed + uint64(species)<<32 + uint64(image)
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return NewScene(z ^ z>>31)
}

// Draw draws a species' image, numbered as in Scene.
func (c Config) Draw(species, image int) *Image {
	return Draw(c.Species[species].Traits, c.Scene(species, image), c.Size)
}

// Class is the name of a species' folder, "001.Plain_Leafling".
func (c Config) Class(species int) string {
	return fmt.Sprintf("%03d.%s", species+1, underscored(c.Species[species].Name))
}

// Path is the name of a species' image in Write's folder,
// "images/001.Plain_Leafling/Plain_Leafling_0001.png".
func (c Config) Path(species, image int) string {
	return fmt.Sprintf("images/%s/%s_%04d.png", c.Class(species), underscored(c.Species[species].Name), image+1)
}

func underscored(name string) string { return strings.ReplaceAll(name, " ", "_") }

// Write draws the set into a new folder, in the layout that the package's documentation describes. The folder
// appears only when it is complete. Write panics if a trait has a value that its kind does not have.
func Write(ctx context.Context, dir string, c Config) error {
	if err := write(ctx, filepath.Clean(dir), c); err != nil {
		return fmt.Errorf("birds: write %s: %w", dir, err)
	}
	return nil
}

func write(ctx context.Context, dir string, c Config) (err error) {
	if err := c.check(); err != nil {
		return err
	}
	if _, err := os.Lstat(dir); err == nil {
		return errors.New("it exists already: want a new folder")
	} else if !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	temporary, err := os.MkdirTemp(filepath.Dir(dir), filepath.Base(dir)+".*.tmp")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.RemoveAll(temporary)
		}
	}()
	if err := os.Chmod(temporary, 0o755); err != nil { // MkdirTemp's is private to its owner
		return err
	}
	err = c.write(ctx, func(name string) (io.WriteCloser, error) {
		path := filepath.Join(temporary, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return nil, err
		}
		return os.Create(path)
	})
	if err != nil {
		return err
	}
	return os.Rename(temporary, dir)
}

// WriteFiles is Write into any container of files, such as an archive. create opens a new file by its name in
// the layout of a folder; several are open at a time.
func WriteFiles(ctx context.Context, c Config, create func(name string) (io.WriteCloser, error)) error {
	err := c.check()
	if err == nil {
		err = c.write(ctx, create)
	}
	if err != nil {
		return fmt.Errorf("birds: write: %w", err)
	}
	return nil
}

func (c Config) write(ctx context.Context, create creator) error {
	each := c.Train + c.Test
	seen := make([]sight, len(c.Species)*each)
	err := data.Each(ctx, len(seen), 0, func(_, i int) (err error) {
		seen[i], err = c.drawOne(create, i/each, i%each)
		return err
	})
	if err != nil {
		return err
	}
	for name, text := range c.lists(seen) {
		if err := create.file(name, func(w io.Writer) error { _, err := text.WriteTo(w); return err }); err != nil {
			return err
		}
	}
	return nil
}

// A creator opens a new file by its name.
type creator func(name string) (io.WriteCloser, error)

func (create creator) file(name string, write func(io.Writer) error) error {
	f, err := create(name)
	if err != nil {
		return err
	}
	return errors.Join(write(f), f.Close())
}

// A sight is what the lists say about an image.
type sight struct {
	box    image.Rectangle
	points [NumParts + Part(NumKinds)]image.Point // of the parts, then of the places; (-1, -1) if hidden
}

// drawOne writes an image and its masks, and returns what the lists say about it.
func (c Config) drawOne(create creator, species, index int) (seen sight, err error) {
	m := c.Draw(species, index)
	seen.box = bounds(m.Places[Build])
	for i, mask := range append(m.Parts[:], m.Places[:]...) {
		seen.points[i] = image.Pt(-1, -1)
		if Visible(mask, c.Size) {
			seen.points[i] = Centre(mask)
		}
	}
	photo := image.NewNRGBA(m.RGB.Bounds())
	for i := range c.Size * c.Size {
		copy(photo.Pix[4*i:], m.RGB.Pix[3*i:3*i+3])
		photo.Pix[4*i+3] = 255
	}
	name := strings.TrimPrefix(c.Path(species, index), "images/")
	for kind, picture := range map[string]image.Image{
		"images":       photo,
		"masks/parts":  stack(m.Parts[:], c.Size),
		"masks/places": stack(m.Places[:], c.Size),
	} {
		err := create.file(kind+"/"+name, func(w io.Writer) error {
			return (&png.Encoder{CompressionLevel: png.BestSpeed, BufferPool: (*buffers)(&pngBuffers)}).Encode(w, picture)
		})
		if err != nil {
			return seen, err
		}
	}
	return seen, nil
}

// buffers keeps a png.Encoder's memory between images.
type buffers sync.Pool

var pngBuffers = sync.Pool{New: func() any { return new(png.EncoderBuffer) }}

func (b *buffers) Get() *png.EncoderBuffer  { return (*sync.Pool)(b).Get().(*png.EncoderBuffer) }
func (b *buffers) Put(e *png.EncoderBuffer) { (*sync.Pool)(b).Put(e) }
