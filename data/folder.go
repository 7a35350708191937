package data

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

var imageExtensions = []string{".jpg", ".jpeg", ".png", ".gif", ".bmp", ".tif", ".tiff", ".webp"}

// otherExtensions are those of photographs that cannot be read.
var otherExtensions = []string{
	".heic", ".heif", ".avif", ".jxl", ".jp2", ".jfif", ".jpe", ".jif",
	".arw", ".cr2", ".cr3", ".dng", ".nef", ".orf", ".pef", ".raf", ".raw", ".rw2", ".srw",
}

// Skipped is photographs of one extension that Open left out.
type Skipped struct {
	Ext     string // in lower case
	Count   int
	Example string // the first one's path in the set's FS
}

// String says how many, why, and what to do: "214 .heic files, such as A/1.heic, cannot be read: save as
// JPEG".
func (s Skipped) String() string {
	files, are := fmt.Sprintf("%d %s files, such as %s,", s.Count, s.Ext, s.Example), "are"
	if s.Count == 1 {
		files, are = s.Example, "is"
	}
	if slices.Contains(imageExtensions, s.Ext) {
		return fmt.Sprintf("%s %s outside the class folders", files, are)
	}
	return files + " cannot be read: save as JPEG"
}

// openFolders reads the layouts with a folder per class.
func openFolders(fsys fs.FS, o Options) (*Set, error) {
	folders, err := subfolders(fsys, ".")
	if err != nil {
		return nil, err
	}
	if len(folders) == 0 {
		return nil, errors.New("no class folders in it: want CLASS/IMAGE, or train/CLASS/IMAGE and test/CLASS/IMAGE, or CUB's images.txt")
	}
	first := func(names ...string) string {
		for _, name := range names {
			if slices.Contains(folders, name) {
				return name
			}
		}
		return ""
	}
	val, test := first("val", "valid", "validation"), first("test")
	if slices.Contains(folders, "train") && (val != "" || test != "" || len(folders) == 1) {
		// A class may be called "train", too: then it holds images, not folders.
		classes, err := subfolders(fsys, "train")
		if err != nil {
			return nil, err
		}
		if len(classes) > 0 {
			return openSplits(fsys, val, test, o)
		}
	}
	s := &Set{FS: fsys, Classes: folders}
	if s.Train, err = s.scan("", folders); err != nil {
		return nil, err
	}
	flat := func(it Item) bool { return strings.Count(it.Path, "/") <= 1 }
	if err = s.divide(o); err != nil && len(s.Train) > 0 && !slices.ContainsFunc(s.Train, flat) {
		class := path.Dir(s.Train[0].Path)
		err = fmt.Errorf("%w; images are found at %s: open %s", err, class, PathOf(fsys, path.Dir(class)))
	}
	return s, err
}

// openSplits reads the folder train and, where they are named, the other splits.
func openSplits(fsys fs.FS, val, test string, o Options) (*Set, error) {
	s := &Set{FS: fsys}
	splits := slices.DeleteFunc([]string{"train", val, test}, func(name string) bool { return name == "" })
	own := make(map[string][]string)
	for _, split := range splits {
		names, err := subfolders(fsys, split)
		if err != nil {
			return nil, err
		}
		own[split] = names
		s.Classes = append(s.Classes, names...)
	}
	slices.Sort(s.Classes)
	s.Classes = slices.Compact(s.Classes)

	items := make(map[string][]Item)
	for _, split := range splits {
		var err error
		if items[split], err = s.scan(split, own[split]); err != nil {
			return nil, err
		}
	}
	if err := s.stray("."); err != nil {
		return nil, err
	}
	s.Train, s.Val, s.Test = items["train"], items[val], items[test] // without a folder test, val is the test split
	switch {
	case val == "" && test == "":
		return s, s.divide(o)
	case test == "":
		s.Val, s.Test = nil, s.Val
	}
	return s, s.check()
}

// divide holds out a test split of s.Train.
func (s *Set) divide(o Options) error {
	if err := s.check(); err != nil {
		return err
	}
	if o.TestShare == 0 {
		return nil
	}
	if single := s.withTraining(1); len(single) > 0 {
		return fmt.Errorf("only one image in %s: it cannot be divided into training and test images", list(single))
	}
	s.Train, s.Test = Split(s.Train, o.TestShare, o.Seed)
	return nil
}

// subfolders returns the sorted names of the visible folders in dir, and of links to folders.
func subfolders(fsys fs.FS, dir string) ([]string, error) {
	entries, err := fs.ReadDir(fsys, dir)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if hidden(e.Name()) {
			continue
		}
		info, err := fs.Stat(fsys, path.Join(dir, e.Name()))
		if err == nil && info.IsDir() {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// scan lists the images of the classes of these names, folders in split.
func (s *Set) scan(split string, names []string) ([]Item, error) {
	var items []Item
	for _, name := range names {
		class, _ := slices.BinarySearch(s.Classes, name)
		of, err := s.images(path.Join(split, name), class)
		if err != nil {
			return nil, err
		}
		items = append(items, of...)
	}
	return items, s.stray(path.Join(".", split))
}

// ImageFiles lists the image files at any depth, sorted, as items of class 0, and counts the photographs
// that cannot be read. Hidden files and folders are left out; links to files are followed.
func ImageFiles(fsys fs.FS) ([]Item, []Skipped, error) {
	s := &Set{FS: fsys}
	items, err := s.images(".", 0)
	return items, s.Skipped, err
}

// images lists the image files of a class at any depth below a folder, sorted.
func (s *Set) images(dir string, class int) ([]Item, error) {
	entries, err := fs.ReadDir(s.FS, dir)
	if err != nil {
		return nil, err
	}
	var items []Item
	for _, e := range entries {
		p := path.Join(dir, e.Name())
		switch ext := extension(p); {
		case hidden(e.Name()):
		case e.IsDir():
			below, err := s.images(p, class)
			if err != nil {
				return nil, err
			}
			items = append(items, below...)
		case slices.Contains(imageExtensions, ext):
			if e.Type()&fs.ModeSymlink != 0 {
				// A broken link stays in the list: reading it reports the fault.
				if info, err := fs.Stat(s.FS, p); err == nil && info.IsDir() {
					continue
				}
			}
			items = append(items, Item{p, class})
		case slices.Contains(otherExtensions, ext):
			s.skip(p)
		}
	}
	return items, nil
}

// stray counts the photographs in a folder that should have folders alone.
func (s *Set) stray(dir string) error {
	entries, err := fs.ReadDir(s.FS, dir)
	for _, e := range entries {
		ext := extension(e.Name())
		if !e.IsDir() && !hidden(e.Name()) && (slices.Contains(imageExtensions, ext) || slices.Contains(otherExtensions, ext)) {
			s.skip(path.Join(dir, e.Name()))
		}
	}
	return err
}

// skip counts a photograph that is left out.
func (s *Set) skip(name string) {
	ext := extension(name)
	i := slices.IndexFunc(s.Skipped, func(of Skipped) bool { return of.Ext == ext })
	if i < 0 {
		i = len(s.Skipped)
		s.Skipped = append(s.Skipped, Skipped{Ext: ext, Example: name})
	}
	s.Skipped[i].Count++
}

func extension(name string) string { return strings.ToLower(path.Ext(name)) }

// hidden reports whether a file or folder is the system's, not the user's: .DS_Store, ._x.jpg, __MACOSX.
func hidden(name string) bool { return strings.HasPrefix(name, ".") || name == "__MACOSX" }
