package data

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"runtime"
	"slices"
	"strings"
	"sync"
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

	Skipped []Skipped // photographs that Open left out, by extension
}

// Options says how Open divides a folder without a test split.
type Options struct {
	TestShare float64 // of each class's images held out for testing; 0 keeps all for training
	Seed      int64
}

// Open reads the folder dir as OpenFS does.
func Open(dir string, o Options) (*Set, error) { return OpenFS(Dir(dir), o) }

// OpenFS reads a folder of images, be it a Dir, embedded files, a zip archive or an object store, in one of
// these layouts:
//
//   - CUB-200-2011's: images.txt, classes.txt, image_class_labels.txt, train_test_split.txt and images/;
//   - {train,test}/class/image, with val (valid, validation) in place of or beside test;
//   - class/image; o.TestShare of each class is held out.
//
// Image files are known by their extension (.jpg, .jpeg, .png, .gif, .bmp, .tif, .tiff, .webp in any case),
// at any depth below the class's folder; hidden files and folders are skipped. Links to files and to class
// folders are followed. Photographs in formats that cannot be read, or outside the class folders, are counted
// in Skipped. OpenFS does not read the images; Check does.
//
// Errors name the folder or the file and line: a missing or empty folder, fewer than two classes, a class
// without training images, a class of one image that would have to be divided, a fault in CUB's lists.
func OpenFS(fsys fs.FS, o Options) (*Set, error) {
	s, err := open(fsys, o)
	if err != nil {
		if s != nil {
			for _, of := range s.Skipped {
				err = fmt.Errorf("%w; %s", err, of)
			}
		}
		return nil, fmt.Errorf("data: open%s: %w", folderName(" ", fsys), err)
	}
	s.Root, s.FS = folderName("", fsys), fsys
	return s, nil
}

// open may return an incomplete set with an error.
func open(fsys fs.FS, o Options) (*Set, error) {
	if !(o.TestShare >= 0 && o.TestShare < 1) {
		return nil, fmt.Errorf("test share %g: want 0 <= share < 1", o.TestShare)
	}
	entries, err := fs.ReadDir(fsys, ".")
	if err != nil {
		return nil, cause(err)
	}
	if slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return e.Name() == imageList }) {
		return openCUB(fsys)
	}
	return openFolders(fsys, o)
}

// check returns an error unless s has two classes and each has training images.
func (s *Set) check() error {
	switch len(s.Classes) {
	case 0:
		return fmt.Errorf("0 classes found, need at least 2")
	case 1:
		return fmt.Errorf("1 class found (%s), need at least 2", s.Classes[0])
	}
	if empty := s.withTraining(0); len(empty) > 0 {
		return fmt.Errorf("no training image in %s", list(empty))
	}
	return nil
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
	s := fmt.Sprintf("%d classes (%s", len(names), strings.Join(names[:min(5, len(names))], ", "))
	if len(names) > 5 {
		s += ", ..."
	}
	return s + ")"
}

// Select returns the set of only these classes, indices into s.Classes, renumbered from 0 in s's order. Fewer
// than two, a repeated one or one outside s is an error.
func (s *Set) Select(classes []int) (*Set, error) {
	classes = slices.Clone(classes)
	slices.Sort(classes)
	if len(classes) < 2 {
		return nil, fmt.Errorf("data: select: %d classes of %s, need at least 2", len(classes), s.Root)
	}
	out := &Set{Root: s.Root, FS: s.FS}
	number := make(map[int]int, len(classes))
	for i, c := range classes {
		if c < 0 || c >= len(s.Classes) {
			return nil, fmt.Errorf("data: select: class %d of %s: want 0 to %d", c, s.Root, len(s.Classes)-1)
		}
		if i > 0 && c == classes[i-1] {
			return nil, fmt.Errorf("data: select: class %d (%s) of %s is listed twice", c, s.Classes[c], s.Root)
		}
		number[c] = i
		out.Classes = append(out.Classes, s.Classes[c])
	}
	keep := func(items []Item) (kept []Item) {
		for _, it := range items {
			if c, ok := number[it.Class]; ok {
				kept = append(kept, Item{it.Path, c})
			}
		}
		return kept
	}
	out.Train, out.Val, out.Test = keep(s.Train), keep(s.Val), keep(s.Test)
	return out, nil
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
