package data

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// wantFolders says which folders can be read.
const wantFolders = "want CLASS/IMAGE, or train/CLASS/IMAGE and test/CLASS/IMAGE, or CUB's images.txt"

// readFolders reads the layouts with a folder per class: all images, in the folder's own splits. The root is
// for deeper.
func (s *Set) readFolders(t *tree, o Options) (root *folder, err error) {
	if root, err = t.read("."); err == nil {
		err = t.follow(root)
	}
	if err != nil {
		return nil, err
	}
	return root, s.readTree(t, root, o)
}

func (s *Set) readTree(t *tree, root *folder, o Options) error {
	all := root.folders()
	for _, sub := range all {
		if sub.role != noRole { // where links are classes, too
			if err := t.follow(sub); err != nil {
				return err
			}
		}
	}
	t.noteLinks(root)
	t.noteImages(root)
	if len(all) == 0 {
		return errors.New("no class folders in it: " + wantFolders)
	}
	for _, sub := range all {
		if isFile(t.fsys, path.Join(sub.path, imageList)) && isFolder(t.fsys, path.Join(sub.path, "images")) {
			return fmt.Errorf("CUB's lists are in %s: open %s", sub.name(), PathOf(t.fsys, sub.path))
		}
	}
	known := o.Tested || len(o.Classes) > 0 // the model or the caller knows what the classes are
	if splits := splitFolders(root); splits != nil {
		train, err := s.readSplits(t, root, splits)
		if err != nil || train == nil || known {
			return err
		}
		return s.noGroups(train)
	}
	if slices.ContainsFunc(all, holdsSplits) {
		return s.readSplitClasses(root)
	}
	for class, sub := range all {
		s.Classes = append(s.Classes, sub.name())
		s.Train = sub.items(s.Train, class)
	}
	if known {
		return nil
	}
	if err := noSplitNames(root); err != nil {
		return err
	}
	return s.noGroups(root)
}

func isFolder(fsys fs.FS, name string) bool {
	info, err := fs.Stat(fsys, name)
	return err == nil && info.IsDir()
}

func isFile(fsys fs.FS, name string) bool {
	info, err := fs.Stat(fsys, name)
	return err == nil && info.Mode().IsRegular()
}

// noSplitNames returns an error if a class is named like a split and cannot be told from one: a folder of
// unlabelled test images beside the classes, or all images in folders train and test. A class may be called
// train, too, as one of vehicles is.
func noSplitNames(root *folder) error {
	classes := slices.ContainsFunc(root.filled(), func(f *folder) bool { return f.role == noRole })
	var deep *folder
	for _, f := range root.filled() {
		switch r := f.role; {
		case r == noRole || r == trainRole && f.own > 0 && classes:
		case f.own > 0:
			want := f.name() + "/CLASS/IMAGE"
			if r != trainRole {
				want += " beside train/CLASS/IMAGE"
			}
			return fmt.Errorf("%s: want %s, or to have it moved away; if it is a class, choose the classes by name", f.loose(), want)
		default:
			deep = f
		}
	}
	if deep != nil {
		return fmt.Errorf("%s is named like a split, but the folders beside it are not: want train/CLASS/IMAGE and test/CLASS/IMAGE; if it is a class, choose the classes by name", deep.name())
	}
	return nil
}

// noGroups returns an error if what look like classes are groups of classes, such as Birds and Plants: none
// holds an image itself, some hold several folders, and these have names of their own. Where they share their
// names, they may be groups or not: the set gets a remark.
func (s *Set) noGroups(root *folder) error {
	groups := root.filled()
	if len(groups) < 2 {
		return nil
	}
	if slices.ContainsFunc(groups, func(f *folder) bool { return f.own > 0 }) {
		for _, f := range groups {
			if within := f.filled(); f.own == 0 && len(within) > 1 {
				s.Remarks = append(s.Remarks, fmt.Sprintf("%s is read as one class, though all its images are in folders within it: %s", f.path, names(within)))
			}
		}
		return nil
	}
	count := map[string]int{}
	most := 0
	for _, f := range groups {
		within := f.filled()
		most = max(most, len(within))
		for _, sub := range within {
			count[sub.name()]++
		}
	}
	if most < 2 {
		return nil
	}
	for _, n := range count {
		if n > 1 {
			s.Remarks = append(s.Remarks, fmt.Sprintf("read as the classes %s, though all images are in folders within them, such as %s of %s: if those are the classes, want them side by side",
				names(groups), names(groups[0].filled()), groups[0].name()))
			return nil
		}
	}
	return fmt.Errorf("%s holds the folders %s, %s holds %s, and no image is in %s themselves: want the folders of all classes side by side; if %[5]s are the classes, choose them by name",
		groups[0].name(), names(groups[0].filled()), groups[1].name(), names(groups[1].filled()), names(groups))
}

// names lists folders.
func names(of []*folder) string {
	var names []string
	for _, f := range of {
		names = append(names, f.name())
	}
	return few(names)
}

// few names at most five.
func few(names []string) string {
	s := strings.Join(names[:min(5, len(names))], ", ")
	if len(names) > 5 {
		s += ", ..."
	}
	return s
}

// deeper returns where else the class folders may be: "; images are found at A/B/C: open A/B", empty if images
// or splits are in the folders of root.
func deeper(fsys fs.FS, root *folder) string {
	filled := root.filled()
	if len(filled) == 0 || slices.ContainsFunc(filled, func(f *folder) bool { return f.own > 0 || f.role != noRole }) {
		return ""
	}
	f := filled[0]
	for f.own == 0 {
		if isFile(fsys, path.Join(f.path, imageList)) {
			return fmt.Sprintf("; CUB's lists are in %s: open %s", f.path, PathOf(fsys, f.path))
		}
		f = f.filled()[0]
	}
	dir := path.Dir(f.path)
	if roleOf(path.Base(dir)) != noRole && path.Dir(dir) != "." {
		dir = path.Dir(dir)
	}
	return fmt.Sprintf("; images are found at %s: open %s", f.path, PathOf(fsys, dir))
}
