package data

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
)

// The lists of annotations, and those that they refer to.
const (
	imageList      = "images.txt"
	classList      = "classes.txt"
	splitList      = "train_test_split.txt"
	partList       = "parts/parts.txt"
	pointList      = "parts/part_locs.txt"
	boxList        = "bounding_boxes.txt"
	differenceList = "differences.csv"
	sceneList      = "scenes.txt"
)

var annotationLists = []string{imageList, classList, partList, pointList, boxList, differenceList, sceneList}

var differencesHeader = []string{"class_a", "class_b", "kind", "value_a", "value_b"}

// parse reads the lists, by name; those that do not exist are absent from text.
func (a *Annotations) parse(text map[string][]byte) error {
	files, err := parseList(imageList, text[imageList])
	if err != nil {
		return err
	}
	a.images = make(map[string]int, len(files))
	first := make(map[string]int, len(files)) // line
	for _, id := range sortedKeys(files) {
		name, err := imagePath(files[id])
		if err != nil {
			return err
		}
		if line, ok := first[name]; ok {
			return fmt.Errorf("%s:%d: %s was given on line %d already", imageList, files[id].line, files[id].value, line)
		}
		a.images[name], first[name] = files[id].number, files[id].line
	}
	var parts map[string]listed
	if names, ok := text[partList]; ok {
		if parts, err = a.parseParts(names); err != nil {
			return err
		}
	} else if text[pointList] != nil || a.masks != [2]bool{} {
		return fmt.Errorf("%s is missing, which names the parts", partList)
	}
	if text[pointList] != nil {
		a.points = map[[2]int]Point{}
	}
	err = eachRow(pointList, text, 5, "image, part, x, y and 1 or 0 for visible or not", func(r *row) {
		id, part := r.id(0, "image", imageList, files), r.id(1, "part", partList, parts)
		p := Point{r.pixels(2), r.pixels(3), r.field[4] == "1"}
		r.require(p.Visible || r.field[4] == "0", "%q: want 1 (visible) or 0", r.field[4])
		at := [2]int{files[id].number, parts[part].number}
		_, ok := a.points[at]
		r.require(!ok, "part %s of image %s was given already", part, id)
		a.points[at] = p
	})
	if err != nil {
		return err
	}
	a.boxes = map[string]Box{}
	err = eachRow(boxList, text, 5, "image, x, y, width and height", func(r *row) {
		image := r.image(files)
		b := Box{r.pixels(1), r.pixels(2), r.pixels(3), r.pixels(4)}
		r.require(b.Width >= 0 && b.Height >= 0, "%s x %s: want a box whose sides are not negative", r.field[3], r.field[4])
		_, ok := a.boxes[image]
		r.require(!ok, "image %s was given already", r.field[0])
		a.boxes[image] = b
	})
	if err != nil {
		return err
	}
	a.seeds = map[string]uint64{}
	err = eachRow(sceneList, text, 2, "image and seed", func(r *row) {
		image := r.image(files)
		seed, err := strconv.ParseUint(r.field[1], 10, 64)
		r.require(err == nil, "seed %q: want a number from 0 to 2^64-1", r.field[1])
		_, ok := a.seeds[image]
		r.require(!ok, "image %s was given already", r.field[0])
		a.seeds[image] = seed
	})
	if err != nil {
		return err
	}
	differences, ok := text[differenceList]
	if !ok {
		return nil
	}
	classes, ok := text[classList]
	if !ok {
		return fmt.Errorf("%s is missing, which names the classes of %s", classList, differenceList)
	}
	names, err := parseList(classList, classes)
	if err != nil {
		return err
	}
	return a.parseDifferences(differences, names)
}

// parseParts sorts the names into those of parts and of places.
func (a *Annotations) parseParts(text []byte) (map[string]listed, error) {
	names, err := parseList(partList, text)
	var places []int
	for _, id := range sortedKeys(names) {
		name := names[id].value
		if kind, ok := strings.CutPrefix(name, placeOf); ok {
			a.Places, places = append(a.Places, kind), append(places, names[id].number)
		} else {
			a.Parts, a.numbers = append(a.Parts, name), append(a.numbers, names[id].number)
		}
	}
	a.numbers = append(a.numbers, places...)
	return names, err
}

// A row is a line's fields and the first error in them.
type row struct {
	field []string
	err   error
}

// eachRow calls f with the n fields of each line of a list, none if it does not exist.
func eachRow(name string, text map[string][]byte, n int, want string, f func(r *row)) error {
	return eachLine(name, text[name], func(_ int, l string) error {
		r := &row{field: strings.Fields(l)}
		if len(r.field) != n {
			return fmt.Errorf("%q: want %s", l[:min(80, len(l))], want)
		}
		f(r)
		return r.err
	})
}

func (r *row) require(ok bool, format string, args ...any) {
	if !ok && r.err == nil {
		r.err = fmt.Errorf(format, args...)
	}
}

// id returns the number in field i, which must be a key of the list of a file.
func (r *row) id(i int, what, file string, list map[string]listed) string {
	id := idOf(r.field[i])
	_, ok := list[id]
	r.require(ok, "%s %q is not in %s", what, r.field[i], file)
	return id
}

// image returns the Item.Path of the image in the first field.
func (r *row) image(files map[string]listed) string {
	name, _ := imagePath(files[r.id(0, "image", imageList, files)]) // all of them are checked
	return name
}

func (r *row) pixels(i int) float64 {
	v, err := strconv.ParseFloat(r.field[i], 64)
	r.require(err == nil && math.Abs(v) <= 1e6, "%q: want a number of pixels", r.field[i]) // not of NaN
	return v
}

func (a *Annotations) parseDifferences(text []byte, classes map[string]listed) error {
	c := csv.NewReader(bytes.NewReader(text))
	c.FieldsPerRecord = len(differencesHeader)
	want := strings.Join(differencesHeader, ",")
	header, err := c.Read()
	if (err == nil || err == io.EOF) && !slices.Equal(header, differencesHeader) {
		return fmt.Errorf("%s:1: %q: want %s", differenceList, strings.Join(header, ","), want)
	}
	for err == nil {
		r := new(row)
		if r.field, err = c.Read(); err != nil {
			break
		}
		x, y := r.id(0, "class", classList, classes), r.id(1, "class", classList, classes)
		kind := slices.Index(a.Places, r.field[2])
		r.require(kind >= 0, "kind %q: %s has no part %q", r.field[2], partList, placeOf+r.field[2])
		if r.err != nil {
			line, _ := c.FieldPos(0)
			return fmt.Errorf("%s:%d: %w", differenceList, line, r.err)
		}
		a.Differences = append(a.Differences, Difference{classes[x].value, classes[y].value, kind, r.field[3], r.field[4]})
	}
	var malformed *csv.ParseError
	if errors.As(err, &malformed) {
		return fmt.Errorf("%s:%d: %w: want %s", differenceList, malformed.Line, malformed.Err, want)
	}
	return nil
}
