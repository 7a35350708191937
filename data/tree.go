package data

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// imageExtensions are those of files that are taken for images unseen.
var imageExtensions = []string{".jpg", ".jpeg", ".jfif", ".jpe", ".jif", ".png", ".gif", ".bmp", ".tif", ".tiff", ".webp"}

// otherExtensions are those of photographs that cannot be read. Camera RAW files begin like TIFF files.
var otherExtensions = []string{
	".heic", ".heif", ".hif", ".avif", ".jxl", ".jp2", ".j2k", ".jpf", ".jpx", ".psd",
	".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dcr", ".dng", ".erf", ".iiq", ".kdc", ".mef", ".mos", ".mrw", ".nef", ".nrw",
	".orf", ".pef", ".raf", ".raw", ".rw2", ".rwl", ".sr2", ".srf", ".srw", ".x3f",
}

// copyEndings are those of the copies that editors, exiftool and browsers leave beside a photograph.
var copyEndings = []string{"~", "_original", ".bak", ".orig", ".old", ".tmp", ".part", ".crdownload"}

// systemFolders are folders that operating systems, network storage and tools make beside photographs, often
// with thumbnails or deleted files in them, in lower case. Those that begin with a dot are left out anyway.
var systemFolders = []string{
	"$recycle.bin", "recycler", "recycled", "system volume information", "found.000", // Windows
	"__macosx", "network trash folder", "temporary items", "thevolumesettingsfolder", // macOS
	"lost+found",                                                                   // Linux
	"@eadir", "#recycle", "#trash", "#snapshot", "@tmp", "@sharebin", "@sharesnap", // Synology
	"@recycle", "@recently-snapshot", "@__thumb", "@transcode", // QNAP
	"~snapshot",                                               // NetApp
	"_gsdata_", "_vti_cnf", "_thumbs", "thumbs", "thumbnails", // GoodSync, FrontPage, galleries
	"__pycache__",
}

// hidden reports whether a file or folder is one of those that begin with a dot: .DS_Store, ._x.jpg, .git.
func hidden(name string) bool { return strings.HasPrefix(name, ".") }

func system(name string) bool {
	name = strings.ToLower(name)
	return slices.Contains(systemFolders, name) || strings.HasSuffix(name, ".lrdata") // Lightroom's previews
}

func extension(name string) string { return strings.ToLower(path.Ext(name)) }

// A folder is what a tree holds in one of its folders.
type folder struct {
	path    string
	role    role     // by its name and those beside it
	entries []entry  // images and folders, sorted by name
	links   []string // names of links to folders, which are not followed
	own     int      // images in the folder itself
	below   int      // images in the folders in it, if counted
	counted bool
}

// An entry is an image or, with a sub, a folder.
type entry struct {
	name string
	sub  *folder
}

func (f *folder) name() string { return path.Base(f.path) }

// all returns how many images there are at any depth, once the links are followed.
func (f *folder) all() int {
	if !f.counted {
		f.counted = true
		for _, sub := range f.folders() {
			f.below += sub.all()
		}
	}
	return f.own + f.below
}

// folders returns the folders in f.
func (f *folder) folders() (subs []*folder) {
	for _, e := range f.entries {
		if e.sub != nil {
			subs = append(subs, e.sub)
		}
	}
	return subs
}

// filled returns the folders in f that hold images.
func (f *folder) filled() []*folder {
	return slices.DeleteFunc(f.folders(), func(sub *folder) bool { return sub.all() == 0 })
}

// items appends the images at any depth as items of a class, sorted by name within each folder.
func (f *folder) items(to []Item, class int) []Item {
	for _, e := range f.entries {
		if e.sub != nil {
			to = e.sub.items(to, class)
		} else {
			to = append(to, Item{path.Join(f.path, e.name), class})
		}
	}
	return to
}

// A tree reads folders, and notes what it leaves out.
type tree struct {
	fsys    fs.FS
	skipped []Skipped
}

// ImageFiles lists the images at any depth, sorted, as items of class 0, by the rule of OpenFS, and says what is
// left out. Links to files are followed, links to folders are not.
func ImageFiles(fsys fs.FS) ([]Item, []Skipped, error) {
	t := &tree{fsys: fsys}
	root, err := t.read(".")
	if err != nil {
		return nil, nil, err
	}
	t.noteLinks(root)
	return root.items(nil, 0), t.skipped, nil
}

// read reads a folder and the folders in it. Links to files are followed, links to folders are noted.
func (t *tree) read(dir string) (*folder, error) {
	entries, err := fs.ReadDir(t.fsys, dir)
	if err != nil {
		return nil, err
	}
	f := &folder{path: dir}
	for _, e := range entries {
		p := path.Join(dir, e.Name())
		mode := e.Type()
		if mode&fs.ModeSymlink != 0 {
			// A broken link is known by its name alone: reading it as an image reports the fault.
			mode |= fs.ModeIrregular
			if info, err := fs.Stat(t.fsys, p); err == nil {
				mode = info.Mode().Type() | fs.ModeSymlink
			}
		}
		switch {
		case hidden(e.Name()) && extension(e.Name()) == ".icloud": // what macOS leaves of a file
			t.skip(p, ".icloud", notHere)
		case hidden(e.Name()):
		case mode.IsDir() && system(e.Name()):
			t.skip(p, "", systemFolder)
		case mode.IsDir() && mode&fs.ModeSymlink != 0:
			f.links = append(f.links, e.Name())
		case mode.IsDir():
			sub, err := t.read(p)
			if err != nil {
				return nil, err
			}
			f.entries = append(f.entries, entry{e.Name(), sub})
		default:
			image, err := t.image(p, mode)
			if err != nil {
				return nil, err
			}
			if image {
				f.entries = append(f.entries, entry{name: e.Name()})
				f.own++
			}
		}
	}
	f.giveRoles()
	return f, nil
}

// follow reads the folders that links in f lead to, unless they hold f itself.
func (t *tree) follow(f *folder) error {
	links := f.links
	f.links = nil
	for _, name := range links {
		p := path.Join(f.path, name)
		if dir, ok := t.fsys.(Dir); ok && dir.around(p) {
			t.skip(p, "", circle)
			continue
		}
		sub, err := t.read(p)
		if err != nil {
			return err
		}
		f.entries = append(f.entries, entry{name, sub})
	}
	slices.SortFunc(f.entries, func(a, b entry) int { return strings.Compare(a.name, b.name) })
	f.giveRoles()
	return nil
}

// around reports whether a link leads to a folder that the link itself is in, at any depth.
func (d Dir) around(link string) bool {
	link = d.path(link)
	target, err1 := filepath.EvalSymlinks(link)
	home, err2 := filepath.EvalSymlinks(filepath.Dir(link))
	if err := errors.Join(err1, err2); err != nil {
		return false
	}
	target, err1 = filepath.Abs(target)
	home, err2 = filepath.Abs(home)
	rel, err3 := filepath.Rel(target, home)
	return errors.Join(err1, err2, err3) == nil && filepath.IsLocal(rel)
}

// noteLinks notes the links that were not followed, in f and below.
func (t *tree) noteLinks(f *folder) {
	for _, name := range f.links {
		t.skip(path.Join(f.path, name), "", linkedFolder)
	}
	for _, sub := range f.folders() {
		t.noteLinks(sub)
	}
}

// image reports whether a file is taken for an image: by its extension or, where that does not tell, by its
// first bytes. Photographs that cannot be read are noted.
func (t *tree) image(name string, mode fs.FileMode) (bool, error) {
	ext := extension(name)
	if slices.Contains(imageExtensions, ext) {
		return true, nil
	}
	if slices.ContainsFunc(copyEndings, func(end string) bool { return strings.HasSuffix(strings.ToLower(name), end) }) {
		return false, nil
	}
	start, err := t.start(name, mode)
	if err != nil {
		return false, err
	}
	format, readable := recognise(start)
	switch {
	case slices.Contains(otherExtensions, ext) && (!readable || format == "TIFF"):
		t.skip(name, ext, unreadable)
		return false, nil
	case !readable && format != "":
		t.skip(name, format, unreadable)
	}
	return readable, nil
}

// start returns a file's first bytes, none of what is not a regular file or may not be read.
func (t *tree) start(name string, mode fs.FileMode) ([]byte, error) {
	if mode&^fs.ModeSymlink != 0 {
		return nil, nil
	}
	f, err := t.fsys.Open(name)
	switch {
	case errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission):
		return nil, nil
	case err != nil: // the process's or the disk's trouble, not the file's
		return nil, err
	}
	defer f.Close() // it is only read
	buf := make([]byte, 32)
	n, err := io.ReadFull(f, buf)
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		err = nil
	}
	return buf[:n], err
}

// recognise returns the format of a photograph that begins like this, empty if it is none. It asks for more
// than the two letters by which a decoder knows JPEG and BMP, since a text may begin with them.
func recognise(start []byte) (format string, readable bool) {
	if f, err := sniff(start); err == nil {
		switch {
		case f.name == "JPEG" && (len(start) < 3 || start[2] != 0xff):
			return "", false
		case f.name == "BMP" && (len(start) < 18 || start[14] < 12 || start[14] > 124 || !bytes.Equal(start[15:18], []byte{0, 0, 0})):
			return "", false // where the size of a second header should be
		}
		return f.name, true
	}
	if s := strange(start); s != nil && (s.advice == saveAs || s.advice == convert) {
		return s.short(), false
	}
	return "", false
}
