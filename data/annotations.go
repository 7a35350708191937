package data

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"image"
	"io"
	"io/fs"
	"math"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Annotations is what a folder in CUB-200-2011's layout tells of where things are in its images,
// beside what Open reads. Coordinates are pixels of the photograph, as CUB has them.
//
// Names of parts that begin with "place of " are those of kinds of traits, such as "place of eye
// ring": the place where birds of one kind of trait differ, whether they have the mark or not.
type Annotations struct {
	Parts       []string // of parts/parts.txt, in the order of their numbers, but the places
	Places      []string // the kinds of traits whose places it names, without "place of "
	Differences []Difference

	root    string
	masks   [2]bool // whether there are masks of parts and of places
	numbers []int   // of the parts, then of the places
	images  map[string]int
	points  map[[2]int]Point // by image and part
	boxes   map[int]Box
	seeds   map[int]uint64
}

// A Point is the middle of a part.
type Point struct {
	X, Y    float64
	Visible bool
}

// A Box is the smallest that holds what is seen of the bird.
type Box struct{ X, Y, Width, Height float64 }

// A Difference is a trait that tells one class from another.
type Difference struct {
	A, B   string // names of classes
	Kind   int    // index of Annotations.Places
	ValueA string // of the trait, such as "white"
	ValueB string
}

// A LookAlike is a class, and the kinds of traits that tell another from it.
type LookAlike struct {
	Class int
	Kinds []int // indices of Annotations.Places
}

const placeOf = "place of "

// OpenAnnotations reads those of these files that the folder dir has:
//
//	parts/parts.txt      part, name
//	parts/part_locs.txt  image, part, x, y, 1 if visible
//	bounding_boxes.txt   image, x, y, width, height
//	differences.csv      class_a, class_b, kind, value_a, value_b: numbers of classes.txt
//	scenes.txt           image, the seed from which it was drawn
//
// Masks reads masks/parts and masks/places. The last four are not CUB's but those of drawn birds (see
// package data/birds). A folder without images.txt has no annotations, which is no error. Errors name
// the file and line, what is there and what was expected.
func OpenAnnotations(dir string) (*Annotations, error) {
	a := &Annotations{root: dir}
	if err := a.open(); err != nil {
		return nil, fmt.Errorf("data: annotations of %s: %w", dir, err)
	}
	return a, nil
}

// annotationLists are the files that open reads, if they are there.
var annotationLists = [...]string{"images.txt", "classes.txt", "parts/parts.txt", "parts/part_locs.txt", "bounding_boxes.txt", "differences.csv", "scenes.txt"}

func (a *Annotations) open() error {
	var text [len(annotationLists)][]byte
	for i, name := range annotationLists {
		b, err := os.ReadFile(filepath.Join(a.root, filepath.FromSlash(name)))
		switch {
		case errors.Is(err, fs.ErrNotExist) && i == 0:
			return nil
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			return err
		}
		text[i] = append([]byte{}, b...) // an empty file is there, too
	}
	for i, kind := range [2]string{"parts", "places"} {
		info, err := os.Stat(filepath.Join(a.root, "masks", kind))
		a.masks[i] = err == nil && info.IsDir()
	}
	return a.parse(text)
}

// parse reads the contents of annotationLists; nil means that there is no such file.
func (a *Annotations) parse(text [len(annotationLists)][]byte) error {
	files, err := parseList(annotationLists[0], text[0])
	if err != nil {
		return err
	}
	a.images = make(map[string]int, len(files))
	for id, e := range files {
		a.images[path.Join("images", e.value)] = id
	}
	if text[2] == nil && (text[3] != nil || a.masks != [2]bool{}) {
		return fmt.Errorf("%s is missing, which names the parts", annotationLists[2])
	}
	part := map[int]bool{}
	if text[2] != nil {
		if err := a.parseParts(text[2]); err != nil {
			return err
		}
		for _, n := range a.numbers {
			part[n] = true
		}
	}
	if text[3] != nil {
		a.points, err = parsePoints(annotationLists[3], text[3], files, part)
	}
	if text[4] != nil && err == nil {
		a.boxes, err = parseBoxes(annotationLists[4], text[4], files)
	}
	if text[5] != nil && err == nil {
		a.Differences, err = a.parseDifferences(text[5], text[1])
	}
	if text[6] != nil && err == nil {
		a.seeds, err = parseSeeds(annotationLists[6], text[6], files)
	}
	return err
}

// parseParts sorts the names into those of parts and of places.
func (a *Annotations) parseParts(text []byte) error {
	names, err := parseList(annotationLists[2], text)
	if err != nil {
		return err
	}
	var places []int
	for _, id := range sortedKeys(names) {
		name := names[id].value
		if kind, ok := strings.CutPrefix(name, placeOf); ok {
			a.Places, places = append(a.Places, kind), append(places, id)
		} else {
			a.Parts, a.numbers = append(a.Parts, name), append(a.numbers, id)
		}
	}
	a.numbers = append(a.numbers, places...)
	return nil
}

// lines calls f with the fields of each line that is not blank, of which there must be n; what an
// error of f is about is prefixed.
func lines(name string, text []byte, n int, want string, f func(field []string) error) error {
	number := 0
	for l := range strings.Lines(string(bytes.TrimPrefix(text, []byte("\ufeff")))) {
		number++
		field := strings.Fields(l)
		if len(field) == 0 {
			continue
		}
		err := error(nil)
		if len(field) != n {
			l = strings.TrimSpace(l)
			err = fmt.Errorf("%q: want %s", l[:min(80, len(l))], want)
		} else {
			err = f(field)
		}
		if err != nil {
			return fmt.Errorf("%s:%d: %w", name, number, err)
		}
	}
	return nil
}

// known returns the number in a field, which must be a key of list, that of a file.
func known[T any](field, what, file string, list map[int]T) (int, error) {
	id, err := strconv.Atoi(field)
	if _, ok := list[id]; err != nil || !ok {
		return 0, fmt.Errorf("%s %q is not in %s", what, field, file)
	}
	return id, nil
}

// coordinates reads pixels.
func coordinates(fields []string) ([]float64, error) {
	at := make([]float64, len(fields))
	for i, f := range fields {
		v, err := strconv.ParseFloat(f, 64)
		if err != nil || math.IsNaN(v) || math.Abs(v) > 1e6 {
			return nil, fmt.Errorf("%q: want a number of pixels", f)
		}
		at[i] = v
	}
	return at, nil
}

func parsePoints(name string, text []byte, images map[int]entry, parts map[int]bool) (map[[2]int]Point, error) {
	points := map[[2]int]Point{}
	return points, lines(name, text, 5, "image, part, x, y and 1 or 0 for visible or not", func(field []string) error {
		id, err := known(field[0], "image", annotationLists[0], images)
		if err != nil {
			return err
		}
		part, err := known(field[1], "part", annotationLists[2], parts)
		if err != nil {
			return err
		}
		at, err := coordinates(field[2:4])
		if err != nil {
			return err
		}
		if field[4] != "0" && field[4] != "1" {
			return fmt.Errorf("%q: want 1 (visible) or 0", field[4])
		}
		if _, ok := points[[2]int{id, part}]; ok {
			return fmt.Errorf("part %d of image %d was given already", part, id)
		}
		points[[2]int{id, part}] = Point{at[0], at[1], field[4] == "1"}
		return nil
	})
}

func parseBoxes(name string, text []byte, images map[int]entry) (map[int]Box, error) {
	boxes := map[int]Box{}
	return boxes, lines(name, text, 5, "image, x, y, width and height", func(field []string) error {
		id, err := known(field[0], "image", annotationLists[0], images)
		if err != nil {
			return err
		}
		b, err := coordinates(field[1:])
		if err != nil {
			return err
		}
		if b[2] < 0 || b[3] < 0 {
			return fmt.Errorf("%s x %s: want a box whose sides are not negative", field[3], field[4])
		}
		if _, ok := boxes[id]; ok {
			return fmt.Errorf("image %d was given already", id)
		}
		boxes[id] = Box{b[0], b[1], b[2], b[3]}
		return nil
	})
}

func parseSeeds(name string, text []byte, images map[int]entry) (map[int]uint64, error) {
	seeds := map[int]uint64{}
	return seeds, lines(name, text, 2, "image and seed", func(field []string) error {
		id, err := known(field[0], "image", annotationLists[0], images)
		if err != nil {
			return err
		}
		seed, err := strconv.ParseUint(field[1], 10, 64)
		if err != nil {
			return fmt.Errorf("seed %q: want a number from 0 to 2^64-1", field[1])
		}
		if _, ok := seeds[id]; ok {
			return fmt.Errorf("image %d was given already", id)
		}
		seeds[id] = seed
		return nil
	})
}

var differencesHeader = []string{"class_a", "class_b", "kind", "value_a", "value_b"}

func (a *Annotations) parseDifferences(text, classes []byte) ([]Difference, error) {
	const name, classList = "differences.csv", "classes.txt"
	if classes == nil {
		return nil, fmt.Errorf("%s is missing, which names the classes of %s", classList, name)
	}
	names, err := parseList(classList, classes)
	if err != nil {
		return nil, err
	}
	r := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(text, []byte("\ufeff"))))
	r.FieldsPerRecord = len(differencesHeader)
	var all []Difference
	for first := true; ; first = false {
		row, err := r.Read()
		if err == io.EOF && !first {
			return all, nil
		}
		var malformed *csv.ParseError
		switch {
		case errors.As(err, &malformed):
			return nil, fmt.Errorf("%s:%d: %w: want %s", name, malformed.Line, malformed.Err, strings.Join(differencesHeader, ","))
		case err == io.EOF || first && !slices.Equal(row, differencesHeader):
			return nil, fmt.Errorf("%s:1: %q: want %s", name, strings.Join(row, ","), strings.Join(differencesHeader, ","))
		case err != nil:
			return nil, fmt.Errorf("%s: %w", name, err)
		case first:
			continue
		}
		line, _ := r.FieldPos(0)
		var ids [2]int
		for i := range ids {
			if ids[i], err = known(row[i], "class", classList, names); err != nil {
				return nil, fmt.Errorf("%s:%d: %w", name, line, err)
			}
		}
		kind := slices.Index(a.Places, row[2])
		if kind < 0 {
			return nil, fmt.Errorf("%s:%d: kind %q: %s has no part %q", name, line, row[2], annotationLists[2], placeOf+row[2])
		}
		all = append(all, Difference{names[ids[0]].value, names[ids[1]].value, kind, row[3], row[4]})
	}
}

// Empty reports whether the folder does not tell where anything is.
func (a *Annotations) Empty() bool {
	return len(a.points) == 0 && len(a.boxes) == 0 && a.masks == [2]bool{}
}

// Points returns where the parts and the places are in the image with this Item.Path; nil if the
// folder does not tell. Those it does not list are not visible.
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

// Box returns the bounding box of the image with this Item.Path, if the folder has it.
func (a *Annotations) Box(path string) (Box, bool) {
	id, ok := a.images[path]
	if !ok {
		return Box{}, false
	}
	b, ok := a.boxes[id]
	return b, ok
}

// Seed returns the seed from which the image with this Item.Path was drawn, if the folder tells.
func (a *Annotations) Seed(path string) (uint64, bool) {
	id, ok := a.images[path]
	if !ok {
		return 0, false
	}
	seed, ok := a.seeds[id]
	return seed, ok
}

// Masks reads the masks of the parts and of the places of the image with this Item.Path, whose size is
// given: the brightness of a pixel is the share of it that the thing is seen in. Either is nil
// where the folder has no masks of it. A file has as many masks of that size as there
// are names, below one another.
func (a *Annotations) Masks(path string, size image.Point) (parts, places []*image.Gray, err error) {
	if a.masks[0] {
		if parts, err = a.stack("parts", path, size, len(a.Parts)); err != nil {
			return nil, nil, err
		}
	}
	if a.masks[1] {
		if places, err = a.stack("places", path, size, len(a.Places)); err != nil {
			return nil, nil, err
		}
	}
	return parts, places, nil
}

func (a *Annotations) stack(kind, item string, size image.Point, n int) ([]*image.Gray, error) {
	file := filepath.Join(a.root, "masks", kind, filepath.FromSlash(strings.TrimPrefix(item, "images/")))
	m, err := ReadImage(file)
	if err != nil {
		return nil, err
	}
	if m.W != size.X || m.H != n*size.Y {
		return nil, fmt.Errorf("data: %s: %dx%d pixels, want %dx%d: %d %s of an image of %dx%d", file, m.W, m.H, size.X, n*size.Y, n, kind, size.X, size.Y)
	}
	all := image.NewGray(image.Rect(0, 0, m.W, m.H))
	for i := range all.Pix {
		all.Pix[i] = m.Pix[3*i]
	}
	masks := make([]*image.Gray, n)
	for i := range masks {
		part := all.Pix[i*size.X*size.Y : (i+1)*size.X*size.Y]
		masks[i] = &image.Gray{Pix: part, Stride: size.X, Rect: image.Rectangle{Max: size}}
	}
	return masks, nil
}

// LookAlikes returns, for each of classes, those of the others that fewest kinds of traits tell
// it from, by Differences: several where they are equally alike, none where it tells of none.
func (a *Annotations) LookAlikes(classes []string) [][]LookAlike {
	number := make(map[string]int, len(classes))
	for i, name := range classes {
		number[name] = i
	}
	kinds := map[[2]int][]int{}
	for _, d := range a.Differences {
		i, known := number[d.A]
		j, both := number[d.B]
		if pair := [2]int{i, j}; known && both && i != j && !slices.Contains(kinds[pair], d.Kind) {
			kinds[pair] = append(kinds[pair], d.Kind)
		}
	}
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
