package data

import (
	"cmp"
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
var cubLists = [4]string{imageList, classList, "image_class_labels.txt", splitList}

// isCUB reports whether a folder has CUB's lists. Class folders may lie beside an images.txt, too.
func isCUB(entries []fs.DirEntry) bool {
	has := func(name string) bool {
		return slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return e.Name() == name })
	}
	return has(imageList) && (slices.ContainsFunc(cubLists[1:], has) || has("images")) || has(cubLists[2]) && has(splitList)
}

// readCUB reads the lists. Where a hierarchy.txt groups the classes, as in NABirds, those without images are
// groups.
func (s *Set) readCUB() error {
	var text [4][]byte
	for i, name := range cubLists {
		var err error
		if text[i], err = ReadText(s.FS, name); err != nil {
			return err
		}
	}
	info, err := fs.Stat(s.FS, "images")
	if err != nil {
		entries, _ := fs.ReadDir(s.FS, ".") // which has worked
		for _, e := range entries {
			if strings.EqualFold(e.Name(), "images") {
				return fmt.Errorf("its folder is called %s: want images", e.Name())
			}
		}
		return err
	}
	if !info.IsDir() {
		return errors.New("images is not a folder")
	}
	if err := s.parseCUB(text); err != nil {
		return err
	}
	if _, err := fs.Stat(s.FS, "hierarchy.txt"); err != nil {
		return nil
	}
	return s.keep(s.used())
}

// A listed is the value that a list gives to an id, its line and the id's number in the list, from 0.
type listed struct {
	value        string
	line, number int
}

// parseCUB makes a set from the contents of cubLists.
func (s *Set) parseCUB(text [4][]byte) error {
	var lists [4]map[string]listed
	for i, name := range cubLists {
		var err error
		if lists[i], err = parseList(name, text[i]); err != nil {
			return err
		}
	}
	files, names, labels, split := lists[0], lists[1], lists[2], lists[3]

	number := make(map[string]int, len(names)) // from the class's id
	for i, id := range sortedKeys(names) {
		number[id] = i
		s.Classes = append(s.Classes, names[id].value)
	}
	for i, l := range lists[2:] {
		for _, id := range sortedKeys(l) {
			if _, ok := files[id]; !ok {
				return fmt.Errorf("%s:%d: image %s is not in %s", cubLists[2+i], l[id].line, id, cubLists[0])
			}
		}
	}
	first := make(map[string]int, len(files)) // line
	for _, id := range sortedKeys(files) {
		file := files[id]
		name, err := imagePath(file)
		if err != nil {
			return err
		}
		if line, ok := first[name]; ok {
			return fmt.Errorf("%s:%d: %s was given on line %d already", imageList, file.line, file.value, line)
		}
		first[name] = file.line
		label, ok := labels[id]
		if !ok {
			return fmt.Errorf("%s: no class for image %s (%s)", cubLists[2], id, file.value)
		}
		class, ok := number[idOf(label.value)]
		if !ok {
			return fmt.Errorf("%s:%d: class %q is not in %s", cubLists[2], label.line, label.value, classList)
		}
		item := Item{name, class}
		switch part, ok := split[id]; {
		case !ok:
			return fmt.Errorf("%s: no split for image %s (%s)", splitList, id, file.value)
		case part.value == "1":
			s.Train = append(s.Train, item)
		case part.value == "0":
			s.Test = append(s.Test, item)
		default:
			return fmt.Errorf("%s:%d: split %q: want 1 (training) or 0 (test)", splitList, part.line, part.value)
		}
	}
	s.TestFrom = splitList
	return nil
}

// imagePath returns the Item.Path of a row of images.txt, which Windows may have written.
func imagePath(file listed) (string, error) {
	name := strings.ReplaceAll(file.value, `\`, "/")
	if !filepath.IsLocal(filepath.FromSlash(name)) {
		return "", fmt.Errorf("%s:%d: path %q leaves the folder images", imageList, file.line, file.value)
	}
	return path.Join("images", name), nil
}

// maxValue is the length of the longest value in a list; that of a path on Linux.
const maxValue = 4096

// parseList reads lines of an id and a value. An id is a number or, in NABirds, a UUID.
func parseList(name string, text []byte) (map[string]listed, error) {
	list := make(map[string]listed)
	err := eachLine(name, text, func(line int, l string) error {
		id, value := l, ""
		if at := strings.IndexAny(l, " \t"); at >= 0 {
			id, value = l[:at], strings.TrimSpace(l[at:])
		}
		if id = idOf(id); id == "" || value == "" {
			return fmt.Errorf("%q: want a number and a value", l[:min(80, len(l))])
		}
		if len(value) > maxValue {
			return fmt.Errorf("a value of %d bytes, want at most %d", len(value), maxValue)
		}
		if old, ok := list[id]; ok {
			return fmt.Errorf("id %s was given on line %d already", id, old.line)
		}
		list[id] = listed{value, line, len(list)}
		return nil
	})
	if err == nil && len(list) == 0 {
		err = fmt.Errorf("%s: empty", name)
	}
	return list, err
}

// idOf returns an id in the one way that it is written here, empty if it is none.
func idOf(text string) string {
	if n, err := strconv.Atoi(text); err == nil && n >= 0 {
		return strconv.Itoa(n)
	}
	if id := strings.ToLower(text); len(id) == 36 && strings.Trim(id, "0123456789abcdef-") == "" {
		return id
	}
	return ""
}

// eachLine calls f with each line that is not blank, trimmed, and its number. Errors of f get the file and
// line.
func eachLine(name string, text []byte, f func(line int, l string) error) error {
	line := 0
	for l := range strings.Lines(string(text)) {
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

// sortedKeys returns ids in order, numbers as such.
func sortedKeys(list map[string]listed) []string {
	return slices.SortedFunc(maps.Keys(list), func(a, b string) int {
		x, err1 := strconv.Atoi(a)
		y, err2 := strconv.Atoi(b)
		if err1 == nil && err2 == nil {
			return cmp.Compare(x, y)
		}
		return strings.Compare(a, b)
	})
}
