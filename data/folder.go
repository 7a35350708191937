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

// valNames are the folders that hold a validation split, or the test split
// where there is no folder test.
var valNames = []string{"val", "valid", "validation"}

// openFolders reads the layouts whose folders are the classes.
func openFolders(fsys fs.FS, o Options) (*Set, error) {
	folders, err := subfolders(fsys, ".")
	if err != nil {
		return nil, err
	}
	if len(folders) == 0 {
		return nil, errors.New("no class folders in it: want CLASS/IMAGE, or train/CLASS/IMAGE and test/CLASS/IMAGE, or CUB's images.txt")
	}
	val := ""
	for _, name := range valNames {
		if val == "" && slices.Contains(folders, name) {
			val = name
		}
	}
	test := ""
	if slices.Contains(folders, "test") {
		test = "test"
	}
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
	s := &Set{Classes: folders}
	if s.Train, err = scan(fsys, "", folders, folders); err != nil {
		return nil, err
	}
	return s, s.divide(o)
}

// openSplits reads the folder train and, where they are named, the other splits.
func openSplits(fsys fs.FS, val, test string, o Options) (*Set, error) {
	s := new(Set)
	own := make(map[string][]string)
	for _, split := range []string{"train", val, test} {
		if split == "" {
			continue
		}
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
	for split, names := range own {
		var err error
		if items[split], err = scan(fsys, split, names, s.Classes); err != nil {
			return nil, err
		}
	}
	s.Train, s.Val, s.Test = items["train"], items[val], items[test]
	switch {
	case val == "" && test == "":
		return s, s.divide(o)
	case test == "":
		s.Val, s.Test = nil, s.Val
	}
	return s, s.check()
}

// divide holds a test split out of s.Train.
func (s *Set) divide(o Options) error {
	if err := s.check(); err != nil {
		return err
	}
	if o.TestShare == 0 {
		return nil
	}
	if single := s.withTraining(1); len(single) > 0 {
		return fmt.Errorf("only one image in %s: it cannot be divided into training and test images", list("class", "classes", single))
	}
	s.Train, s.Test = Split(s.Train, o.TestShare, o.Seed)
	return nil
}

// subfolders returns the sorted names of the visible folders in dir, and of
// links to folders.
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

// scan lists the images of each of names, folders in split, numbering them as
// in classes.
func scan(fsys fs.FS, split string, names, classes []string) ([]Item, error) {
	var items []Item
	for _, name := range names {
		class, _ := slices.BinarySearch(classes, name)
		sub := path.Join(split, name)
		paths, err := images(fsys, sub)
		if err != nil {
			return nil, err
		}
		for _, p := range paths {
			items = append(items, Item{p, class})
		}
	}
	return items, nil
}

// ImageFiles lists the image files at any depth, sorted, as items of class 0. Hidden files and folders
// are skipped; links to files are followed.
func ImageFiles(fsys fs.FS) ([]Item, error) {
	paths, err := images(fsys, ".")
	items := make([]Item, len(paths))
	for i, p := range paths {
		items[i].Path = p
	}
	return items, err
}

// images lists the image files at any depth below a folder, sorted.
func images(fsys fs.FS, dir string) ([]string, error) {
	entries, err := fs.ReadDir(fsys, dir)
	if err != nil {
		return nil, err
	}
	var paths []string
	for _, e := range entries {
		p := path.Join(dir, e.Name())
		switch {
		case hidden(e.Name()):
		case e.IsDir():
			below, err := images(fsys, p)
			if err != nil {
				return nil, err
			}
			paths = append(paths, below...)
		case slices.Contains(imageExtensions, strings.ToLower(path.Ext(p))):
			if e.Type()&fs.ModeSymlink != 0 {
				// A link to nothing stays in the list: reading it says what is wrong.
				if info, err := fs.Stat(fsys, p); err == nil && info.IsDir() {
					continue
				}
			}
			paths = append(paths, p)
		}
	}
	return paths, nil
}

// hidden reports whether a file or folder is the system's, not the user's:
// .DS_Store, ._x.jpg, __MACOSX.
func hidden(name string) bool { return strings.HasPrefix(name, ".") || name == "__MACOSX" }
