package data

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// cubLists are the text files of CUB-200-2011: lines of an id and a value.
var cubLists = [4]string{imageList, classList, "image_class_labels.txt", "train_test_split.txt"}

func openCUB(fsys fs.FS) (*Set, error) {
	var text [4][]byte
	for i, name := range cubLists {
		b, err := fs.ReadFile(fsys, name)
		if err != nil {
			return nil, err
		}
		text[i] = b
	}
	info, err := fs.Stat(fsys, "images")
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return nil, errors.New("images is not a folder")
	}
	return parseCUB(text)
}

// An entry is the value that a list gives to an id, and its line.
type entry struct {
	value string
	line  int
}

// parseCUB makes a set from the contents of cubLists.
func parseCUB(text [4][]byte) (*Set, error) {
	var lists [4]map[int]entry
	for i, name := range cubLists {
		var err error
		if lists[i], err = parseList(name, text[i]); err != nil {
			return nil, err
		}
	}
	files, names, labels, split := lists[0], lists[1], lists[2], lists[3]

	s := new(Set)
	number := make(map[int]int, len(names)) // from the class's id
	for i, id := range sortedKeys(names) {
		number[id] = i
		s.Classes = append(s.Classes, names[id].value)
	}
	for i, l := range lists[2:] {
		for _, id := range sortedKeys(l) {
			if _, ok := files[id]; !ok {
				return nil, fmt.Errorf("%s:%d: image %d is not in %s", cubLists[2+i], l[id].line, id, cubLists[0])
			}
		}
	}
	for _, id := range sortedKeys(files) {
		file := files[id]
		if !filepath.IsLocal(filepath.FromSlash(file.value)) || strings.Contains(file.value, `\`) {
			return nil, fmt.Errorf("%s:%d: path %q leaves the folder images", cubLists[0], file.line, file.value)
		}
		label, ok := labels[id]
		if !ok {
			return nil, fmt.Errorf("%s: no class for image %d (%s)", cubLists[2], id, file.value)
		}
		classID, err := strconv.Atoi(label.value)
		class, ok := number[classID]
		if err != nil || !ok {
			return nil, fmt.Errorf("%s:%d: class %q is not in %s", cubLists[2], label.line, label.value, cubLists[1])
		}
		item := Item{path.Join("images", file.value), class}
		switch part, ok := split[id]; {
		case !ok:
			return nil, fmt.Errorf("%s: no split for image %d (%s)", cubLists[3], id, file.value)
		case part.value == "1":
			s.Train = append(s.Train, item)
		case part.value == "0":
			s.Test = append(s.Test, item)
		default:
			return nil, fmt.Errorf("%s:%d: split %q: want 1 (training) or 0 (test)", cubLists[3], part.line, part.value)
		}
	}
	if err := s.check(); err != nil {
		return nil, err
	}
	return s, nil
}

// parseList reads lines of an id and a value. It accepts blank lines, a byte order mark and Windows line
// ends.
func parseList(name string, text []byte) (map[int]entry, error) {
	list := make(map[int]entry)
	err := eachLine(name, text, func(line int, l string) error {
		first, value, _ := strings.Cut(l, " ")
		value = strings.TrimSpace(value)
		id, err := strconv.Atoi(first)
		if err != nil || id < 0 || value == "" {
			return fmt.Errorf("%q: want a number and a value", l[:min(80, len(l))])
		}
		if old, ok := list[id]; ok {
			return fmt.Errorf("id %d was given on line %d already", id, old.line)
		}
		list[id] = entry{value, line}
		return nil
	})
	if err == nil && len(list) == 0 {
		err = fmt.Errorf("%s: empty", name)
	}
	return list, err
}

// eachLine calls f with each line that is not blank, trimmed, and its number. Errors of f get the file and
// line.
func eachLine(name string, text []byte, f func(line int, l string) error) error {
	line := 0
	for l := range strings.Lines(string(bytes.TrimPrefix(text, []byte("\ufeff")))) {
		line++
		if l = strings.TrimSpace(l); l == "" {
			continue
		}
		if err := f(line, l); err != nil {
			return fmt.Errorf("%s:%d: %w", name, line, err)
		}
	}
	return nil
}

func sortedKeys(m map[int]entry) []int { return slices.Sorted(maps.Keys(m)) }
