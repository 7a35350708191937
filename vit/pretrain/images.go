package pretrain

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"slices"

	"github.com/promptcam/promptcam/data"
)

// Images is what a network is trained on.
type Images interface {
	Len() int         // images of an epoch
	Scenes() int      // pictures of each image, among which its views are divided: 1 for photographs
	Shuffled() bool   // whether each epoch sees the images in another order
	Identity() string // tells these images from others in a few words, for a run that is resumed

	// At returns a picture of image i of an epoch, always the same. Calls may be concurrent.
	At(ctx context.Context, i, epoch, scene int) (*data.RGB, error)
}

// Folder is image files at any depth of a file system, without classes.
type Folder struct {
	FS      fs.FS
	Items   []data.Item
	Skipped []data.Skipped // what OpenFolder left out
}

// OpenFolder lists the images in fsys, such as data.Dir("photographs"), sorted.
func OpenFolder(fsys fs.FS) (*Folder, error) {
	items, skipped, err := data.ImageFiles(fsys)
	return &Folder{fsys, items, skipped}, err
}

// Check decodes all images, and takes those that cannot be read out of the folder and returns them. It calls
// progress, unless nil, after each image, one call at a time.
func (f *Folder) Check(ctx context.Context, progress func(done, total int)) ([]data.BadImage, error) {
	bad, err := data.Check(ctx, f.FS, f.Items, 0, progress)
	for _, b := range slices.Backward(bad) {
		f.Items = slices.Delete(f.Items, b.Index, b.Index+1)
	}
	return bad, err
}

// Len returns the number of images.
func (f *Folder) Len() int { return len(f.Items) }

// Scenes is 1: all views of an image are cut from the one picture of it.
func (f *Folder) Scenes() int { return 1 }

// Shuffled is true: neighbours in a folder are of one class.
func (f *Folder) Shuffled() bool { return true }

// At reads image i. It fails, with an error that names the file, for one that cannot be read within the default
// data.Limits, and once ctx has ended.
func (f *Folder) At(ctx context.Context, i, _, _ int) (*data.RGB, error) {
	return data.Limits{}.Read(ctx, f.FS, f.Items[i].Path)
}

// Identity is the number of files and a digest of their names.
func (f *Folder) Identity() string {
	h := sha256.New()
	for _, it := range f.Items {
		fmt.Fprintln(h, it.Path)
	}
	return fmt.Sprintf("%d files (%.12x)", len(f.Items), h.Sum(nil))
}
