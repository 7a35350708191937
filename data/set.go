package data

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
)

// Item is one labelled image.
type Item struct {
	Path  string // relative to the set's root, with slashes
	Class int    // index into the set's Classes
}

// Set is a folder of labelled images. Classes are numbered once, over all
// splits, so a class missing from one split shifts nothing in another.
type Set struct {
	Root    string
	Classes []string // sorted by name; CUB's by their numbers
	Train   []Item
	Val     []Item // a validation split of the folder's own, beside its test split; Split makes one from Train
	Test    []Item
}

// Options says how Open divides a folder that brings no split of its own.
type Options struct {
	TestShare float64 // share of each class's images held out for testing; 0 keeps all for training
	Seed      int64
}

// DefaultOptions holds out a fifth of each class for testing.
func DefaultOptions() Options { return Options{TestShare: 0.2, Seed: 1} }

// Open reads a folder of images in one of these layouts:
//
//   - CUB-200-2011's: images.txt, classes.txt, image_class_labels.txt,
//     train_test_split.txt and images/;
//   - dir/{train,test}/class/image, with val (valid, validation) in place of
//     or beside test;
//   - dir/class/image, of which Open holds out o.TestShare of each class.
//
// Image files are known by their extension (.jpg, .jpeg, .png, .gif, .bmp,
// .tif, .tiff, .webp in any case), at any depth below the class's folder;
// hidden files and folders are skipped. Links to files and to class folders
// are followed. Open does not read the images; Check does.
//
// Errors name the folder or the file and line: a missing or empty folder,
// fewer than two classes, a class without training images, a class of one
// image that would have to be divided, and whatever is wrong in CUB's lists.
func Open(dir string, o Options) (*Set, error) {
	if !(o.TestShare >= 0 && o.TestShare < 1) {
		return nil, fmt.Errorf("data: open %s: test share %g: want 0 <= share < 1", dir, o.TestShare)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("data: open: %w", err)
	}
	var s *Set
	if slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return e.Name() == "images.txt" }) {
		s, err = openCUB(dir)
	} else {
		s, err = openFolders(dir, o)
	}
	if err != nil {
		return nil, fmt.Errorf("data: open %s: %w", dir, err)
	}
	return s, nil
}

// check returns an error unless s has two classes and each has training images.
func (s *Set) check() error {
	switch len(s.Classes) {
	case 0:
		return fmt.Errorf("0 classes found, need at least 2")
	case 1:
		return fmt.Errorf("1 class found (%s), need at least 2", s.Classes[0])
	}
	n := make([]int, len(s.Classes))
	for _, it := range s.Train {
		n[it.Class]++
	}
	var empty []string
	for c, name := range s.Classes {
		if n[c] == 0 {
			empty = append(empty, name)
		}
	}
	if len(empty) > 0 {
		return fmt.Errorf("no training image in %s", list("class", "classes", empty))
	}
	return nil
}

// list names at most five of names.
func list(one, many string, names []string) string {
	if len(names) == 1 {
		return one + " " + names[0]
	}
	s := fmt.Sprintf("%d %s (%s", len(names), many, strings.Join(names[:min(5, len(names))], ", "))
	if len(names) > 5 {
		s += ", ..."
	}
	return s + ")"
}

// Find returns the index of the class with this name. CUB's names carry a
// number, "004.Groove_billed_Ani": "Groove_billed_Ani", "4" and "004" find it too.
func (s *Set) Find(name string) (int, error) {
	if c := slices.Index(s.Classes, name); c >= 0 {
		return c, nil
	}
	for c, class := range s.Classes {
		number, rest, ok := strings.Cut(class, ".")
		if !ok || number == "" || strings.Trim(number, "0123456789") != "" {
			continue
		}
		if rest == name || number == name || strings.TrimLeft(number, "0") == name {
			return c, nil
		}
	}
	return 0, fmt.Errorf("data: no class %q among %d of %s", name, len(s.Classes), s.Root)
}

// Select returns the set of only these classes, indices into s.Classes,
// renumbered from 0 in s's order. Fewer than two, a repeated one or one
// outside s is an error.
func (s *Set) Select(classes []int) (*Set, error) {
	classes = slices.Clone(classes)
	slices.Sort(classes)
	if len(classes) < 2 {
		return nil, fmt.Errorf("data: select: %d classes of %s, need at least 2", len(classes), s.Root)
	}
	out := &Set{Root: s.Root}
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

// SelectNames is Select by names, each as Find takes it.
func (s *Set) SelectNames(names []string) (*Set, error) {
	classes := make([]int, len(names))
	for i, name := range names {
		c, err := s.Find(name)
		if err != nil {
			return nil, err
		}
		classes[i] = c
	}
	return s.Select(classes)
}

// Split holds out a share of each class's items, rounded, but at least one of
// a class of two or more, and never a class's last. Which ones depends on the
// seed, the class and its items alone. Both results keep the items' order. A
// share of 0 holds out nothing. It panics unless 0 <= share < 1.
func Split(items []Item, share float64, seed int64) (train, held []Item) {
	if !(share >= 0 && share < 1) {
		panic(fmt.Sprintf("data: Split: share %g: want 0 <= share < 1", share))
	}
	if share == 0 {
		return slices.Clone(items), nil
	}
	byClass := make(map[int][]int)
	for i, it := range items {
		byClass[it.Class] = append(byClass[it.Class], i)
	}
	out := make([]bool, len(items))
	for class, of := range byClass {
		n := int(math.Round(share * float64(len(of))))
		n = min(max(n, 1), len(of)-1)
		rng := newRand(uint64(seed), uint64(class))
		rng.Shuffle(len(of), func(i, j int) { of[i], of[j] = of[j], of[i] })
		for _, i := range of[:n] {
			out[i] = true
		}
	}
	for i, it := range items {
		if out[i] {
			held = append(held, it)
		} else {
			train = append(train, it)
		}
	}
	return train, held
}

// newRand returns a source that depends on all of its seeds; sources of
// neighbouring seeds have nothing in common.
func newRand(seeds ...uint64) *rand.Rand {
	var a, b uint64 = 0x9e3779b97f4a7c15, 0xbf58476d1ce4e5b9
	for _, s := range seeds {
		a, b = scramble(a^s), scramble(b+s)
	}
	return rand.New(rand.NewPCG(a, b))
}

// scramble is the output function of SplitMix64 (Steele, Lea and Flood 2014).
func scramble(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// BadImage is an item whose file cannot be read as an image.
type BadImage struct {
	Index int // into the items checked
	Item  Item
	Err   error
}

// Check decodes the images of items on all processors and returns those that
// fail, in order. progress, if not nil, hears of every image, one call at a
// time. When ctx ends, Check returns what it has found so far; ctx.Err tells.
func (s *Set) Check(ctx context.Context, items []Item, progress func(done, total int)) []BadImage {
	var (
		mu   sync.Mutex
		wg   sync.WaitGroup
		next int
		done int
		bad  []BadImage
	)
	for range min(runtime.GOMAXPROCS(0), len(items)) {
		wg.Go(func() {
			for {
				mu.Lock()
				i := next
				next++
				mu.Unlock()
				if i >= len(items) || ctx.Err() != nil {
					return
				}
				_, err := ReadImage(filepath.Join(s.Root, items[i].Path))
				mu.Lock()
				done++
				if err != nil {
					bad = append(bad, BadImage{i, items[i], err})
				}
				if progress != nil {
					progress(done, len(items))
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	slices.SortFunc(bad, func(a, b BadImage) int { return cmp.Compare(a.Index, b.Index) })
	return bad
}

// Without returns items but for the bad ones, which Check of the same items
// returned.
func Without(items []Item, bad []BadImage) []Item {
	drop := make(map[int]bool, len(bad))
	for _, b := range bad {
		drop[b.Index] = true
	}
	kept := make([]Item, 0, len(items))
	for i, it := range items {
		if !drop[i] {
			kept = append(kept, it)
		}
	}
	return kept
}
