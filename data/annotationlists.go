package data

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"path"
	"slices"
	"strconv"
	"strings"
)

// The lists of annotations, and those that they refer to.
const (
	imageList      = "images.txt"
	classList      = "classes.txt"
	partList       = "parts/parts.txt"
	pointList      = "parts/part_locs.txt"
	boxList        = "bounding_boxes.txt"
	differenceList = "differences.csv"
	sceneList      = "scenes.txt"
)

var annotationLists = []string{imageList, classList, partList, pointList, boxList, differenceList, sceneList}

// parse reads the lists, by name; those that do not exist are absent from text.
func (a *Annotations) parse(text map[string][]byte) error {
	files, err := parseList(imageList, text[imageList])
	if err != nil {
		return err
	}
	a.images = make(map[string]int, len(files))
	for _, id := range sortedKeys(files) {
		name := path.Join("images", files[id].value)
		if first, ok := a.images[name]; ok {
			return fmt.Errorf("%s:%d: %s was given on line %d already", imageList, files[id].line, files[id].value, files[first].line)
		}
		a.images[name] = id
	}
	if names, ok := text[partList]; ok {
		if err := a.parseParts(names); err != nil {
			return err
		}
	} else if text[pointList] != nil || a.masks != [2]bool{} {
		return fmt.Errorf("%s is missing, which names the parts", partList)
	}
	if points, ok := text[pointList]; ok {
		if a.points, err = parsePoints(points, files, a.numbers); err != nil {
			return err
		}
	}
	if a.boxes, err = perImage(boxList, text, files, 5, "image, x, y, width and height", parseBox); err != nil {
		return err
	}
	if a.seeds, err = perImage(sceneList, text, files, 2, "image and seed", parseSeed); err != nil {
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
	a.Differences, err = a.parseDifferences(differences, names)
	return err
}

// parseParts sorts the names into those of parts and of places.
func (a *Annotations) parseParts(text []byte) error {
	names, err := parseList(partList, text)
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

// lines calls f with the n fields of each line.
func lines(name string, text []byte, n int, want string, f func(field []string) error) error {
	return eachLine(name, text, func(_ int, l string) error {
		if field := strings.Fields(l); len(field) == n {
			return f(field)
		}
		return fmt.Errorf("%q: want %s", l[:min(80, len(l))], want)
	})
}

// perImage reads lines of an image and what f reads, once for each image; nil if there is no such list.
func perImage[T any](name string, text map[string][]byte, images map[int]entry, n int, want string, f func(field []string) (T, error)) (map[int]T, error) {
	list, ok := text[name]
	if !ok {
		return nil, nil
	}
	values := map[int]T{}
	return values, lines(name, list, n, want, func(field []string) error {
		id, err := known(field[0], "image", imageList, images)
		if err != nil {
			return err
		}
		v, err := f(field[1:])
		if err != nil {
			return err
		}
		if _, ok := values[id]; ok {
			return fmt.Errorf("image %d was given already", id)
		}
		values[id] = v
		return nil
	})
}

// known returns the number in a field, which must be a key of the list of a file.
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

func parsePoints(text []byte, images map[int]entry, numbers []int) (map[[2]int]Point, error) {
	parts := map[int]bool{}
	for _, n := range numbers {
		parts[n] = true
	}
	points := map[[2]int]Point{}
	return points, lines(pointList, text, 5, "image, part, x, y and 1 or 0 for visible or not", func(field []string) error {
		id, err := known(field[0], "image", imageList, images)
		if err != nil {
			return err
		}
		part, err := known(field[1], "part", partList, parts)
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

func parseBox(field []string) (Box, error) {
	b, err := coordinates(field)
	if err != nil {
		return Box{}, err
	}
	if b[2] < 0 || b[3] < 0 {
		return Box{}, fmt.Errorf("%s x %s: want a box whose sides are not negative", field[2], field[3])
	}
	return Box{b[0], b[1], b[2], b[3]}, nil
}

func parseSeed(field []string) (uint64, error) {
	seed, err := strconv.ParseUint(field[0], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("seed %q: want a number from 0 to 2^64-1", field[0])
	}
	return seed, nil
}

var differencesHeader = []string{"class_a", "class_b", "kind", "value_a", "value_b"}

func (a *Annotations) parseDifferences(text []byte, names map[int]entry) ([]Difference, error) {
	r := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(text, []byte("\ufeff"))))
	r.FieldsPerRecord = len(differencesHeader)
	want := strings.Join(differencesHeader, ",")
	var all []Difference
	for first := true; ; first = false {
		row, err := r.Read()
		if err == io.EOF && !first {
			return all, nil
		}
		var malformed *csv.ParseError
		switch {
		case errors.As(err, &malformed):
			return nil, fmt.Errorf("%s:%d: %w: want %s", differenceList, malformed.Line, malformed.Err, want)
		case err == io.EOF || first && !slices.Equal(row, differencesHeader):
			return nil, fmt.Errorf("%s:1: %q: want %s", differenceList, strings.Join(row, ","), want)
		case err != nil:
			return nil, fmt.Errorf("%s: %w", differenceList, err)
		case first:
			continue
		}
		line, _ := r.FieldPos(0)
		var ids [2]int
		for i := range ids {
			if ids[i], err = known(row[i], "class", classList, names); err != nil {
				return nil, fmt.Errorf("%s:%d: %w", differenceList, line, err)
			}
		}
		kind := slices.Index(a.Places, row[2])
		if kind < 0 {
			return nil, fmt.Errorf("%s:%d: kind %q: %s has no part %q", differenceList, line, row[2], partList, placeOf+row[2])
		}
		all = append(all, Difference{names[ids[0]].value, names[ids[1]].value, kind, row[3], row[4]})
	}
}
