package data

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// A role is what a folder's images are for, if its name tells.
type role int

const (
	noRole role = iota
	trainRole
	valRole
	testRole
)

// roles are the names of split folders, without what roleOf leaves out.
var roles = map[string]role{
	"train": trainRole, "training": trainRole, "trn": trainRole, "trainval": trainRole, "trainvalid": trainRole,
	"val": valRole, "valid": valRole, "validation": valRole, "validate": valRole,
	"dev": valRole, "devel": valRole, "development": valRole,
	"test": testRole, "tests": testRole, "testing": testRole, "tst": testRole, "heldout": testRole, "holdout": testRole,
	"eval": testRole, "evaluation": testRole, "evaluate": testRole,
}

// holders are the names of folders that hold images of any class, in lower case.
var holders = []string{
	"images", "image", "imgs", "img", "photos", "photographs", "pictures", "jpegimages", "jpeg", "jpg", "data",
	"all", "dummy", "unknown", "unlabelled", "unlabeled",
}

// holder reports whether a folder is one of holders by its name.
func (f *folder) holder() bool { return slices.Contains(holders, strings.ToLower(f.name())) }

// roleOf returns what a folder is for by its name, such as Train, TESTING, train_set, val2017, 1-train.
func roleOf(name string) role {
	name = strings.Join(words(name), "")
	name = strings.Trim(name, "0123456789")
	for _, end := range []string{"set", "data", "images", "imgs", "split"} {
		name = strings.TrimSuffix(name, end)
	}
	return roles[name]
}

// words returns the words of a folder's name in lower case.
func words(name string) []string {
	return strings.FieldsFunc(strings.ToLower(name), func(r rune) bool { return strings.ContainsRune("-_ .()", r) })
}

// giveRoles gives the folders in f their roles: by their names or, if no name tells, by a word in them, where a
// training split and another differ in that alone: seg_train and seg_test, train_birds and test_birds.
func (f *folder) giveRoles() {
	subs := f.folders()
	for _, sub := range subs {
		sub.role = roleOf(sub.name())
	}
	if slices.ContainsFunc(subs, func(sub *folder) bool { return sub.role != noRole }) {
		return
	}
	type split struct {
		rest string // of the name
		role role
	}
	named := map[split]*folder{}
	for _, sub := range subs {
		name := words(sub.name())
		at := slices.IndexFunc(name, func(word string) bool { return roleOf(word) != noRole })
		if at < 0 {
			continue
		}
		r := roleOf(name[at])
		if of := (split{strings.Join(slices.Delete(name, at, at+1), " "), r}); named[of] == nil {
			named[of] = sub
		}
	}
	for of, sub := range named {
		if named[split{of.rest, trainRole}] != nil && (named[split{of.rest, valRole}] != nil || named[split{of.rest, testRole}] != nil) {
			sub.role = of.role
		}
	}
}

// splitFolders returns the folders of splits in root, by role, or nil if root holds classes: it has no
// training split with folders in it, or one beside other folders but no other split.
func splitFolders(root *folder) map[role][]*folder {
	splits := map[role][]*folder{}
	others := 0
	for _, sub := range root.folders() {
		switch r := sub.role; {
		case r != noRole:
			splits[r] = append(splits[r], sub)
		case sub.all() > 0:
			others++
		}
	}
	// A class may be called train, too: then it holds images, not folders.
	deep := func(f *folder) bool { return len(f.folders()) > 0 }
	held := slices.Concat(splits[valRole], splits[testRole])
	switch {
	case slices.ContainsFunc(splits[trainRole], deep):
		if len(held) > 0 || others == 0 {
			return splits
		}
	case len(splits[trainRole]) == 0 && others == 0 && slices.ContainsFunc(held, deep):
		return splits // to be tested
	}
	return nil
}

// readSplits reads the folders of splits. A class is the same in all of them if its name is, be it in another
// case or Unicode form. It returns the folder of the training split, nil if there is none.
func (s *Set) readSplits(t *tree, root *folder, splits map[role][]*folder) (*folder, error) {
	one := map[role]*folder{}
	for _, r := range []role{trainRole, valRole, testRole} {
		of := slices.DeleteFunc(slices.Clone(splits[r]), func(f *folder) bool { return f.all() == 0 })
		if len(of) > 1 {
			return nil, fmt.Errorf("%s and %s are names of one split: want one of them", of[0].name(), of[1].name())
		}
		if len(of) == 0 {
			of = splits[r]
		}
		if len(of) > 0 {
			one[r] = of[0]
			if in := of[0].filled(); len(in) == 1 && of[0].own == 0 && (in[0].name() == of[0].name() || in[0].own == 0 && in[0].holder()) {
				one[r] = in[0] // a folder within that is none of a class
			}
		}
	}
	for _, sub := range root.filled() {
		if sub.role == noRole {
			t.skip(sub.path, "", besideSplits)
		}
	}
	// ImageNet's test images have no labels: its val is the test split.
	if train, val, test := one[trainRole], one[valRole], one[testRole]; train != nil && val != nil && test != nil {
		var known []string
		for _, sub := range train.folders() {
			known = append(known, sub.name())
		}
		noVal, noTest := val.labelled(known, valRole) != nil, test.labelled(known, testRole) != nil
		switch {
		case noTest && !noVal:
			s.Remarks = append(s.Remarks, fmt.Sprintf("%s: %s is the test split", test.loose(), val.name()))
			delete(one, testRole)
		case noVal && !noTest:
			s.Remarks = append(s.Remarks, val.loose()+": they are not used")
			delete(one, valRole)
		}
	}
	name := map[*folder]string{} // of a class, by its folders
	for _, r := range []role{trainRole, valRole, testRole} {
		split := one[r]
		if split == nil {
			continue
		}
		if err := split.labelled(s.Classes, r); err != nil {
			return nil, err
		}
		t.noteImages(split)
		known := slices.Clone(s.Classes)
		for _, sub := range split.folders() {
			name[sub] = sub.name()
			if i := Same(known, sub.name()); i >= 0 {
				name[sub] = known[i]
				if !sameForm(known[i], sub.name()) {
					s.Remarks = append(s.Remarks, fmt.Sprintf("%s is read as the class %s, which differs in case", sub.path, known[i]))
				}
			} else {
				s.Classes = append(s.Classes, sub.name())
			}
		}
	}
	slices.Sort(s.Classes)
	items := func(split *folder) (items []Item) {
		if split == nil {
			return nil
		}
		for _, sub := range split.folders() {
			class, _ := slices.BinarySearch(s.Classes, name[sub])
			items = sub.items(items, class)
		}
		slices.SortStableFunc(items, func(a, b Item) int { return a.Class - b.Class })
		return items
	}
	s.Train, s.Val, s.Test = items(one[trainRole]), items(one[valRole]), items(one[testRole])
	switch val, test := one[valRole], one[testRole]; {
	case test != nil:
		s.TestFrom = test.top()
	case val != nil: // without a folder test, val is the test split
		s.Val, s.Test, s.TestFrom = nil, s.Val, val.top()
	}
	return one[trainRole], nil
}

// top returns the folder in the root that f is or is in.
func (f *folder) top() string { return strings.Split(f.path, "/")[0] }

// loose says that a folder's images are in no class folders.
func (f *folder) loose() string {
	images := "images"
	if f.all() == 1 {
		images = "image"
	}
	return fmt.Sprintf("%s holds %d %s but no class folders", f.path, f.all(), images)
}

// labelled returns an error if the images of a split are in no class folders. Known are the classes of the
// splits before.
func (f *folder) labelled(known []string, r role) error {
	within := f.filled()
	holds := func(sub *folder) bool { // images of any class
		return !slices.ContainsFunc(known, func(of string) bool { return sameFold(of, sub.name()) }) &&
			(len(known) > 1 || sub.holder())
	}
	if len(within) == 1 && f.own == 0 && within[0].own > 0 && holds(within[0]) {
		f, within = within[0], nil
	}
	want := f.top()
	switch {
	case len(within) > 0 || r == trainRole:
		return nil
	case f.all() == 0:
		return fmt.Errorf("%s holds no image: want %s/CLASS/IMAGE; without it a share of the training images is held out", f.path, want)
	}
	return fmt.Errorf("%s: want %s/CLASS/IMAGE; without it a share of the training images is held out", f.loose(), want)
}

// holdsSplits reports whether a class folder has splits within: cat/train and cat/test.
func holdsSplits(f *folder) bool {
	train, held := false, false
	for _, sub := range f.filled() {
		r := sub.role
		train, held = train || r == trainRole, held || r == valRole || r == testRole
	}
	return train && held
}

// readSplitClasses reads class folders that have splits within. Classes without images stay.
func (s *Set) readSplitClasses(root *folder) error {
	items := map[role][]Item{}
	names := map[role]string{}
	for class, f := range root.folders() {
		s.Classes = append(s.Classes, f.name())
		if f.own > 0 {
			return fmt.Errorf("%s holds images beside the folders of its splits: want all images in splits", f.path)
		}
		for _, sub := range f.filled() {
			r := sub.role
			if r == noRole {
				return fmt.Errorf("%s is no split, but the folders of other classes are, such as %s: want all images in splits", sub.path, splitExample(root))
			}
			items[r], names[r] = sub.items(items[r], class), sub.name()
		}
	}
	s.Train, s.Val, s.Test = items[trainRole], items[valRole], items[testRole]
	s.TestFrom = "CLASS/" + names[testRole]
	if len(s.Test) == 0 {
		s.Val, s.Test, s.TestFrom = nil, s.Val, "CLASS/"+names[valRole]
	}
	return nil
}

// splitExample returns the path of a split within a class.
func splitExample(root *folder) string {
	all := root.folders()
	f := all[slices.IndexFunc(all, holdsSplits)]
	for _, sub := range f.filled() {
		if sub.role != noRole {
			return sub.path
		}
	}
	return path.Join(f.path, "train")
}
