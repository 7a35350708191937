package birds

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/draw"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/promptcam/promptcam/data"
	"github.com/promptcam/promptcam/tensor/machine"
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
// appears only when it is complete and on the disk; until then its files are in a folder dir.*.tmp beside it.
// What a Write that was killed has left of one, Write removes. It panics if a trait has a value that its kind
// does not have.
func Write(ctx context.Context, dir string, c Config) error {
	if err := write(ctx, filepath.Clean(dir), c); err != nil {
		return fmt.Errorf("birds: write %s: %w", dir, err)
	}
	return nil
}

func write(ctx context.Context, dir string, c Config) error {
	if err := c.check(); err != nil {
		return err
	}
	if _, err := os.Lstat(dir); err == nil {
		return errors.New("it exists already: want a new folder")
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	if err := sweep(dir); err != nil {
		return err
	}
	temporary, err := os.MkdirTemp(filepath.Dir(dir), filepath.Base(dir)+".*.tmp")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temporary)                      // unless it is renamed
	if err := os.Chmod(temporary, 0o755); err != nil { // MkdirTemp's is private to its owner
		return err
	}
	free, err := machine.Occupy(temporary)
	if err != nil {
		return err
	}
	defer free() // perhaps a second time, which does no harm
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
	free()
	return machine.Rename(temporary, dir)
}

// abandoned is how long after its last change a temporary folder without a lock is nobody's.
const abandoned = time.Hour

// sweep removes the temporary folders of dir whose processes have died.
func sweep(dir string) error {
	entries, err := os.ReadDir(filepath.Dir(dir))
	if err != nil {
		return err
	}
	for _, e := range entries {
		number, ok := strings.CutPrefix(e.Name(), filepath.Base(dir)+".")
		if number, ours := strings.CutSuffix(number, ".tmp"); !ok || !ours || !e.IsDir() || strings.Trim(number, "0123456789") != "" {
			continue
		}
		if path := filepath.Join(filepath.Dir(dir), e.Name()); dead(path) {
			os.RemoveAll(path) // or it stays: it is in nobody's way
		}
	}
	return nil
}

// dead reports whether nobody draws into a temporary folder any more.
func dead(temporary string) bool {
	lock := filepath.Join(temporary, machine.LockFile)
	if _, err := os.Lstat(lock); err == nil {
		unlock, err := machine.TryLock(lock)
		if err == nil {
			return unlock() == nil
		}
		if !errors.Is(err, errors.ErrUnsupported) {
			return false
		}
	}
	info, err := os.Stat(temporary)
	return err == nil && time.Since(info.ModTime()) > abandoned
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
	photo := image.NewRGBA(m.RGB.Bounds()) // the encoder is fast with it
	draw.Draw(photo, photo.Rect, m.RGB, image.Point{}, draw.Src)
	name := strings.TrimPrefix(c.Path(species, index), "images/")
	for kind, picture := range map[string]image.Image{
		"images":       photo,
		"masks/parts":  stack(m.Parts[:], c.Size),
		"masks/places": stack(m.Places[:], c.Size),
	} {
		if err := create.file(kind+"/"+name, func(w io.Writer) error { return encoder.Encode(w, picture) }); err != nil {
			return seen, err
		}
	}
	return seen, nil
}

var encoder = png.Encoder{CompressionLevel: png.BestSpeed, BufferPool: new(buffers)}

// buffers keeps the encoder's memory between images.
type buffers struct{ sync.Pool }

func (b *buffers) Get() *png.EncoderBuffer {
	e, _ := b.Pool.Get().(*png.EncoderBuffer) // nil: the encoder makes one
	return e
}

func (b *buffers) Put(e *png.EncoderBuffer) { b.Pool.Put(e) }

// lists returns the text files of the set, by name: those of CUB-200-2011, and ours.
func (c Config) lists(seen []sight) map[string]*bytes.Buffer {
	files := make(map[string]*bytes.Buffer)
	line := func(file, format string, values ...any) {
		if files[file] == nil {
			files[file] = new(bytes.Buffer)
		}
		fmt.Fprintf(files[file], format+"\n", values...)
	}
	c.listClasses(line)
	listAttributes(line)
	each := c.Train + c.Test
	for i, s := range seen {
		id, species, index := i+1, i/each, i%each
		line("images.txt", "%d %s", id, strings.TrimPrefix(c.Path(species, index), "images/"))
		line("image_class_labels.txt", "%d %d", id, species+1)
		line("train_test_split.txt", "%d %d", id, bit(index < c.Train))
		line("scenes.txt", "%d %d", id, c.Scene(species, index).Seed)
		line("bounding_boxes.txt", "%d %.1f %.1f %.1f %.1f", id,
			float64(s.box.Min.X), float64(s.box.Min.Y), float64(s.box.Dx()), float64(s.box.Dy()))
		for p, at := range s.points {
			if at.X < 0 {
				line("parts/part_locs.txt", "%d %d 0.0 0.0 0", id, p+1)
			} else {
				line("parts/part_locs.txt", "%d %d %.1f %.1f 1", id, p+1, float64(at.X)+0.5, float64(at.Y)+0.5)
			}
		}
		attribute := 0
		for k, v := range c.Species[species].Traits {
			visible := s.points[int(NumParts)+k].X >= 0
			certainty := 1 + 3*bit(visible) // not visible, or definitely
			for j := range kinds[k].values {
				attribute++
				line("attributes/image_attribute_labels.txt", "%d %d %d %d 0.0", id, attribute, bit(visible && j == int(v)), certainty)
			}
		}
	}
	return files
}

// listClasses lists the species and their differences.
func (c Config) listClasses(line func(file, format string, values ...any)) {
	line("taxonomy.csv", "class,name,genus,family")
	line("differences.csv", "class_a,class_b,kind,value_a,value_b")
	for i, s := range c.Species {
		line("classes.txt", "%d %s", i+1, c.Class(i))
		line("taxonomy.csv", "%d,%s,%s,%s", i+1, s.Name, s.Genus, s.Family)
		for j, other := range c.Species {
			for _, k := range s.Traits.Diff(other.Traits) {
				line("differences.csv", "%d,%d,%s,%s,%s", i+1, j+1, k,
					kinds[k].values[s.Traits[k]].name, kinds[k].values[other.Traits[k]].name)
			}
		}
		var shares []string
		for k, v := range s.Traits {
			for j := range kinds[k].values {
				shares = append(shares, fmt.Sprintf("%.1f", float64(100*bit(j == int(v)))))
			}
		}
		line("attributes/class_attribute_labels_continuous.txt", "%s", strings.Join(shares, " "))
	}
}

// listAttributes numbers the parts, the attributes and the certainties.
func listAttributes(line func(file, format string, values ...any)) {
	for p := range NumParts {
		line("parts/parts.txt", "%d %s", p+1, p)
	}
	attribute := 0
	for k := range NumKinds {
		line("parts/parts.txt", "%d place of %s", int(NumParts)+int(k)+1, k)
		for _, v := range k.Values() {
			attribute++
			line("attributes/attributes.txt", "%d has_%s::%s", attribute, underscored(k.String()), underscored(v))
		}
	}
	for i, name := range []string{"not visible", "guessing", "probably", "definitely"} {
		line("attributes/certainties.txt", "%d %s", i+1, name)
	}
}

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}
