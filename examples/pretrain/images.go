package main

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/promptcam/promptcam/data"
)

// Images is what a network is trained on.
type Images interface {
	// Len returns the number of images of an epoch.
	Len() int

	// Scenes returns how many pictures there are of each image, between which its views are
	// divided: 1 for photographs, of which all views are parts.
	Scenes() int

	// Shuffled tells whether each epoch sees the images in another order.
	Shuffled() bool

	// At returns a picture of image i, from 0, of an epoch, counted from 0 too: the same whenever
	// it is asked for. It is called from several goroutines at once.
	At(ctx context.Context, i, epoch, scene int) (*data.RGB, error)

	// Identity tells these images from others, for a run that is resumed.
	Identity() string
}

// folder is the image files below a folder, at any depth; their classes, if they have any, do not
// matter.
type folder struct {
	root  string
	items []data.Item
}

// extensions are those that package data knows image files by.
var extensions = []string{".jpg", ".jpeg", ".png", ".gif", ".bmp", ".tif", ".tiff", ".webp"}

// openFolder lists the images in dir, sorted. Hidden files and folders are skipped, and links to
// files are followed.
func openFolder(dir string) (*folder, error) {
	root, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return nil, fmt.Errorf("-data: %w", err)
	}
	f := &folder{root: root}
	err = fs.WalkDir(os.DirFS(root), ".", func(name string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case name != "." && (strings.HasPrefix(e.Name(), ".") || e.Name() == "__MACOSX"):
			if e.IsDir() {
				return fs.SkipDir
			}
		case !e.IsDir() && slices.Contains(extensions, strings.ToLower(path.Ext(name))):
			f.items = append(f.items, data.Item{Path: name})
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("-data %s: %w", dir, err)
	}
	return f, nil
}

// check decodes all images. Those that cannot be read are an error that names the first and tells
// how many there are, or with skip they leave the folder, and check returns their errors.
func (f *folder) check(ctx context.Context, skip bool, progress func(done, total int)) ([]data.BadImage, error) {
	bad := data.Check(ctx, data.Dir(f.root), f.items, progress)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if len(bad) > 0 && !skip {
		return nil, fmt.Errorf("-data %s: %d of %d images cannot be read (-skip-bad goes on without them), the first is %w", f.root, len(bad), len(f.items), bad[0].Err)
	}
	for _, b := range slices.Backward(bad) {
		f.items = slices.Delete(f.items, b.Index, b.Index+1)
	}
	return bad, nil
}

func (f *folder) Len() int       { return len(f.items) }
func (f *folder) Scenes() int    { return 1 }
func (f *folder) Shuffled() bool { return true }

func (f *folder) At(_ context.Context, i, _, _ int) (*data.RGB, error) {
	return data.ReadImage(filepath.Join(f.root, f.items[i].Path))
}

func (f *folder) Identity() string {
	var names strings.Builder
	for _, it := range f.items {
		names.WriteString(it.Path + "\n")
	}
	return digest(names.String())
}
