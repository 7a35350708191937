package data

import (
	"errors"
	"fmt"
	"image"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// Annotations says where things are in the images of a folder in CUB-200-2011's layout. Coordinates are
// pixels of the photograph, as in CUB.
//
// A part named "place of X" is the place of a kind of trait, such as "place of eye ring": where birds that
// differ in this trait differ, whether a bird has the mark or not.
type Annotations struct {
	Parts       []string // named in parts/parts.txt, by number, without the places
	Places      []string // kinds of traits with a place named there, without "place of "
	Differences []Difference

	fsys    fs.FS
	masks   [2]bool // whether there are masks of parts and of places
	numbers []int   // of the parts, then of the places
	images  map[string]int
	points  map[[2]int]Point // by image and part
	boxes   map[string]Box
	seeds   map[string]uint64
}

// A Point is the middle of a part, in pixels.
type Point struct {
	X, Y    float64
	Visible bool
}

// A Box is the smallest box around the visible bird, in pixels.
type Box struct{ X, Y, Width, Height float64 }

// A Difference is a trait in which two classes differ.
type Difference struct {
	A, B   string // names of classes
	Kind   int    // index of Annotations.Places
	ValueA string // of the trait, such as "white"
	ValueB string
}

// A LookAlike is a class and the kinds of traits in which another differs from it.
type LookAlike struct {
	Class int
	Kinds []int // indices of Annotations.Places
}

const placeOf = "place of "

// OpenAnnotations reads the annotations of the folder dir, as OpenAnnotationsFS does.
func OpenAnnotations(dir string) (*Annotations, error) { return OpenAnnotationsFS(Dir(dir)) }

// OpenAnnotationsFS reads these files of a folder, if they exist:
//
//	parts/parts.txt      part, name
//	parts/part_locs.txt  image, part, x, y, 1 if visible
//	bounding_boxes.txt   image, x, y, width, height
//	differences.csv      class_a, class_b, kind, value_a, value_b: numbers of classes.txt
//	scenes.txt           image, the seed from which it was drawn
//
// Masks reads masks/parts and masks/places. CUB has none of masks, differences.csv and scenes.txt; package
// data/birds writes them. A folder without images.txt, or with that alone, has no annotations, which is not an
// error. Errors name the file and line, the contents and what was expected.
func OpenAnnotationsFS(fsys fs.FS) (*Annotations, error) {
	a := &Annotations{fsys: fsys}
	if err := a.read(); err != nil {
		return nil, fmt.Errorf("data: annotations%s: %w", folderName(" of ", fsys), err)
	}
	return a, nil
}

func (a *Annotations) read() error {
	text := map[string][]byte{}
	for _, name := range annotationLists {
		b, err := ReadText(a.fsys, name)
		switch {
		case err == nil:
			text[name] = b
		case !errors.Is(err, fs.ErrNotExist):
			return err
		case name == imageList:
			return nil
		}
	}
	for i, kind := range [2]string{"parts", "places"} {
		info, err := fs.Stat(a.fsys, path.Join("masks", kind))
		a.masks[i] = err == nil && info.IsDir()
	}
	if len(text) == 1 && a.masks == [2]bool{} { // class folders may lie beside an images.txt
		return nil
	}
	return a.parse(text)
}

// Empty reports whether there are no points, boxes or masks.
func (a *Annotations) Empty() bool {
	return len(a.points) == 0 && len(a.boxes) == 0 && a.masks == [2]bool{}
}

// Points returns the parts and places of the image with this Item.Path, or nil if the folder has none. Those
// not listed are not visible.
func (a *Annotations) Points(path string) (parts, places []Point) {
	id, ok := a.images[path]
	if !ok || a.points == nil {
		return nil, nil
	}
	all := make([]Point, len(a.numbers))
	for i, n := range a.numbers {
		all[i] = a.points[[2]int{id, n}]
	}
	return all[:len(a.Parts):len(a.Parts)], all[len(a.Parts):]
}

// Box returns the bounding box of the image with this Item.Path, if it has one.
func (a *Annotations) Box(path string) (Box, bool) {
	b, ok := a.boxes[path]
	return b, ok
}

// Seed returns the seed of the drawn image with this Item.Path, if it has one.
func (a *Annotations) Seed(path string) (uint64, bool) {
	seed, ok := a.seeds[path]
	return seed, ok
}

// Masks reads the masks of the parts and of the places of the image with this Item.Path and size. A pixel's
// brightness is the share of it that the part covers. Either result is nil if the folder has no such masks. A
// file stacks one mask per name vertically.
func (a *Annotations) Masks(path string, size image.Point) (parts, places []*image.Gray, err error) {
	if a.masks[0] {
		parts, err = a.stack("parts", path, size, len(a.Parts))
	}
	if a.masks[1] && err == nil {
		places, err = a.stack("places", path, size, len(a.Places))
	}
	return parts, places, err
}

func (a *Annotations) stack(kind, item string, size image.Point, n int) ([]*image.Gray, error) {
	file := path.Join("masks", kind, strings.TrimPrefix(item, "images/"))
	m, err := ReadImageFS(a.fsys, file)
	if err != nil {
		return nil, err
	}
	if m.W != size.X || m.H != n*size.Y {
		return nil, fmt.Errorf("data: %s: %dx%d pixels, want %dx%d: %d %s of an image of %dx%d",
			PathOf(a.fsys, file), m.W, m.H, size.X, n*size.Y, n, kind, size.X, size.Y)
	}
	masks := make([]*image.Gray, n)
	for i := range masks {
		masks[i] = image.NewGray(image.Rectangle{Max: size})
		for j := range masks[i].Pix {
			masks[i].Pix[j] = m.Pix[3*(i*size.X*size.Y+j)]
		}
	}
	return masks, nil
}

// Differing returns, for each pair of classes in either order, the kinds of traits in which they differ, by
// Differences: indices of Places.
func (a *Annotations) Differing(classes []string) map[[2]int][]int {
	kinds := map[[2]int][]int{}
	for _, d := range a.Differences {
		i, j := slices.Index(classes, d.A), slices.Index(classes, d.B)
		if pair := [2]int{i, j}; min(i, j) >= 0 && i != j && !slices.Contains(kinds[pair], d.Kind) {
			kinds[pair] = append(kinds[pair], d.Kind)
		}
	}
	return kinds
}

// LookAlikes returns, for each of classes, the others that differ from it in the fewest kinds of traits: all of
// them in a tie, none if no difference is listed.
func (a *Annotations) LookAlikes(classes []string) [][]LookAlike {
	kinds := a.Differing(classes)
	nearest := make([][]LookAlike, len(classes))
	for i := range classes {
		for j := range classes {
			k := kinds[[2]int{i, j}]
			switch best := nearest[i]; {
			case len(k) == 0 || len(best) > 0 && len(k) > len(best[0].Kinds):
			case len(best) > 0 && len(k) == len(best[0].Kinds):
				nearest[i] = append(best, LookAlike{j, k})
			default:
				nearest[i] = []LookAlike{{j, k}}
			}
		}
	}
	return nearest
}
