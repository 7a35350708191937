package data

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"slices"
	"sync"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Item is one labelled image.
type Item struct {
	Path  string // in the set's FS, with slashes
	Class int    // index into the set's Classes
}

// Set is a folder of labelled images. Classes are numbered once for all splits, so a class missing from one
// split shifts nothing in another.
type Set struct {
	Root    string   // the path of a Dir; empty for other file systems
	FS      fs.FS    // holds the items' files
	Classes []string // sorted by name; CUB's by their numbers
	Train   []Item
	Val     []Item // of a folder with both val and test; otherwise Split makes one from Train
	Test    []Item

	// TestFrom is what the folder calls its own test split: train_test_split.txt, a folder such as test or, without
	// one, val. Empty: it has none.
	TestFrom string
	Skipped  []Skipped // files and folders that Open left out, by kind
	Remarks  []string  // what else Open found that should be looked at
}

// Options says how Open divides a folder.
type Options struct {
	TestShare float64 // of each class's images held out for testing, where the folder has no test split; 0 keeps all for training
	Seed      int64

	// Classes are these alone, by name or number, as FindAll finds them; nil means all. Only their folders have to be
	// in order.
	Classes []string

	// Tested means that a trained model is tested on the folder: it needs no training images, and one class is
	// enough. Without a test split of its own all images are test images or, of each class, TestShare unless that is
	// 0.
	Tested bool
}

// Open reads the folder dir as OpenFS does.
func Open(dir string, o Options) (*Set, error) { return OpenFS(Dir(dir), o) }

// OpenFS reads a folder of images, be it a Dir, embedded files, a zip archive or an object store, in one of
// these layouts:
//
//   - CUB-200-2011's: images.txt, classes.txt, image_class_labels.txt, train_test_split.txt and images/;
//   - {train,test}/class/image, with val in place of or beside test. Other usual names are known, in any case:
//     training, testing, eval, valid, dev and the like. A class may differ between them in case or Unicode form;
//   - class/{train,test}/image;
//   - class/image; o.TestShare of each class is held out.
//
// Image files are known by their extension (.jpg, .jpeg, .jfif, .jpe, .jif, .png, .gif, .bmp, .tif, .tiff, .webp
// in any case) or, where that does not tell, by their first bytes, at any depth below the class's folder. Hidden
// files and folders are skipped, as are copies that tools leave (x.jpg~, x.jpg_original). Links to files and to
// class folders are followed. Photographs in formats that cannot be read or outside the class folders, links to
// folders within them, and the folders of systems such as @eaDir and $RECYCLE.BIN are counted in Skipped. OpenFS
// does not read the images; Check does.
//
// Errors name the folder or the file and line: a missing or empty folder, fewer than two classes, a class
// without training images, a class of one image that would have to be divided, a class name that is not UTF-8, a
// fault in CUB's lists. So are folders that cannot be what they look like: a folder test of loose images, groups
// of classes one level above them.
func OpenFS(fsys fs.FS, o Options) (*Set, error) {
	s := &Set{Root: folderName("", fsys), FS: fsys}
	if err := s.open(o); err != nil {
		if left := LeftOut(s.Skipped); left != "" {
			err = fmt.Errorf("%w; %s", err, left)
		}
		return nil, fmt.Errorf("data: open%s: %w", folderName(" ", fsys), err)
	}
	return s, nil
}

func (s *Set) open(o Options) error {
	if !(o.TestShare >= 0 && o.TestShare < 1) {
		return fmt.Errorf("test share %g: want 0 <= share < 1", o.TestShare)
	}
	entries, err := fs.ReadDir(s.FS, ".")
	if err != nil {
		return cause(err)
	}
	if isCUB(entries) {
		if err := s.readCUB(); err != nil {
			return err
		}
		return s.settle(o)
	}
	t := &tree{fsys: s.FS}
	root, err := s.readFolders(t, o)
	if s.Skipped = t.skipped; err != nil {
		return err
	}
	if err := s.settle(o); err != nil {
		return fmt.Errorf("%w%s", err, deeper(s.FS, root))
	}
	return nil
}

// settle chooses among the classes and divides the images.
func (s *Set) settle(o Options) error {
	if len(o.Classes) > 0 {
		chosen, err := (&Set{Classes: s.Classes}).FindAll(o.Classes)
		if err == nil {
			err = s.keep(chosen)
		}
		if err != nil {
			return err
		}
	}
	if o.Tested {
		return s.divideTested(o)
	}
	return s.divide(o)
}

// divide holds out a test split of s.Train, unless there is one.
func (s *Set) divide(o Options) error {
	if err := s.check(); err != nil {
		return err
	}
	if s.TestFrom != "" || o.TestShare == 0 {
		return nil
	}
	if single := s.withTraining(1); len(single) > 0 {
		return fmt.Errorf("only one image in %s: it cannot be divided into training and test images", list(single))
	}
	s.Train, s.Test = Split(s.Train, o.TestShare, o.Seed)
	return nil
}

// divideTested divides the images for a test. Classes without images are left out.
func (s *Set) divideTested(o Options) error {
	if err := s.keep(s.used()); err != nil {
		return err
	}
	switch {
	case s.TestFrom != "":
	case o.TestShare == 0:
		s.Train, s.Test = nil, slices.Concat(s.Train, s.Val)
	default:
		s.Train, s.Test = Split(s.Train, o.TestShare, o.Seed)
	}
	if len(s.Test) == 0 {
		return errors.New("no test images")
	}
	return s.checkNames()
}

// used returns the classes that have images.
func (s *Set) used() (classes []int) {
	has := make([]bool, len(s.Classes))
	for _, it := range slices.Concat(s.Train, s.Val, s.Test) {
		has[it.Class] = true
	}
	for c := range s.Classes {
		if has[c] {
			classes = append(classes, c)
		}
	}
	return classes
}

// checkNames returns an error if a name is not UTF-8, since it could not be kept in a model's file, or if two
// differ in their Unicode form alone.
func (s *Set) checkNames() error {
	seen := map[string]string{}
	for _, name := range s.Classes {
		if !utf8.ValidString(name) {
			return fmt.Errorf("the name of class %q is not UTF-8: rename it", name)
		}
		form := norm.NFC.String(name)
		if other, ok := seen[form]; ok && other == name {
			return fmt.Errorf("two classes are called %s: want different names", name)
		} else if ok {
			return fmt.Errorf("%s and %s are one name in two Unicode forms, %+q and %+q: want one class, or another name", other, name, other, name)
		}
		seen[form] = name
	}
	return nil
}

// check returns an error unless s has two classes and each has training images.
func (s *Set) check() error {
	switch len(s.Classes) {
	case 0:
		return fmt.Errorf("0 classes found, need at least 2")
	case 1:
		return fmt.Errorf("1 class found (%s), need at least 2", s.Classes[0])
	}
	if len(s.Train) == 0 && len(s.Test) > 0 {
		return fmt.Errorf("no training images: all are of the split %s", s.TestFrom)
	}
	if empty := s.withTraining(0); len(empty) > 0 {
		where := ""
		if used := s.used(); slices.ContainsFunc(used, func(c int) bool { return s.Classes[c] == empty[0] }) {
			where = fmt.Sprintf(", of which %s has some: want the same classes in all splits, or choose them by name", cmp.Or(s.TestFrom, "the validation split"))
		}
		return fmt.Errorf("no training image in %s%s", list(empty), where)
	}
	return s.checkNames()
}

// withTraining returns the names of the classes that have n training images.
func (s *Set) withTraining(n int) (names []string) {
	count := make([]int, len(s.Classes))
	for _, it := range s.Train {
		count[it.Class]++
	}
	for c, name := range s.Classes {
		if count[c] == n {
			names = append(names, name)
		}
	}
	return names
}

// list names at most five classes.
func list(names []string) string {
	if len(names) == 1 {
		return "class " + names[0]
	}
	return fmt.Sprintf("%d classes (%s)", len(names), few(names))
}

// Select returns the set of only these classes, indices into s.Classes, renumbered from 0 in s's order. Fewer
// than two, a repeated one or one outside s is an error.
func (s *Set) Select(classes []int) (*Set, error) {
	of := ""
	if s.Root != "" {
		of = " of " + s.Root
	}
	if len(classes) < 2 {
		return nil, fmt.Errorf("data: select: %d classes%s, need at least 2", len(classes), of)
	}
	out := *s
	if err := out.keep(classes); err != nil {
		return nil, fmt.Errorf("data: select%s: %w", of, err)
	}
	return &out, nil
}

// keep leaves only these classes in s, as Select does.
func (s *Set) keep(classes []int) error {
	classes = slices.Clone(classes)
	slices.Sort(classes)
	number := make(map[int]int, len(classes))
	var names []string
	for i, c := range classes {
		if c < 0 || c >= len(s.Classes) {
			return fmt.Errorf("class %d: want 0 to %d", c, len(s.Classes)-1)
		}
		if i > 0 && c == classes[i-1] {
			return fmt.Errorf("class %d (%s) is listed twice", c, s.Classes[c])
		}
		number[c] = i
		names = append(names, s.Classes[c])
	}
	s.Classes = names
	for _, items := range []*[]Item{&s.Train, &s.Val, &s.Test} {
		var kept []Item
		for _, it := range *items {
			if c, ok := number[it.Class]; ok {
				kept = append(kept, Item{it.Path, c})
			}
		}
		*items = kept
	}
	return nil
}

// BadImage is an item whose file cannot be read as an image.
type BadImage struct {
	Index int // into the items checked
	Item  Item
	Err   error
}

// Check is Limits.Check with the default limits.
func Check(ctx context.Context, fsys fs.FS, items []Item, workers int, progress func(done, total int)) ([]BadImage, error) {
	return Limits{}.Check(ctx, fsys, items, workers, progress)
}

// Check decodes the images of items, names in fsys, so many at a time as there are workers, where 0 means
// GOMAXPROCS, and returns those that are bad, as IsBad says, in order. It calls progress, unless nil, after each
// image, one call at a time. Any other error ends it, such as a failing disk or the end of ctx: it returns that
// and the bad images found so far.
func (l Limits) Check(ctx context.Context, fsys fs.FS, items []Item, workers int, progress func(done, total int)) ([]BadImage, error) {
	var mu sync.Mutex
	done := 0
	errs := make([]error, len(items))
	decoders := make([]decoder, cmp.Or(workers, runtime.GOMAXPROCS(0)))
	err := Each(ctx, len(items), len(decoders), func(worker, i int) error {
		d := &decoders[worker]
		d.Limits = l
		_, err := d.read(ctx, fsys, items[i].Path)
		if err != nil && !IsBad(err) {
			return err
		}
		errs[i] = err
		if progress != nil {
			mu.Lock()
			defer mu.Unlock()
			done++
			progress(done, len(items))
		}
		return nil
	})
	var bad []BadImage
	for i, err := range errs {
		if err != nil {
			bad = append(bad, BadImage{i, items[i], err})
		}
	}
	return bad, err
}
