package download

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/promptcam/promptcam/tensor/machine"
)

// Limits bound what an archive may unpack to.
type Limits struct {
	Files int   // including folders, even those that only occur in names
	Bytes int64 // of all files together
}

// maxName is how long a name in an archive may be, in bytes.
const maxName = 1024

// Unpack is UnpackFrom for the archive at a path. It calls progress, unless nil, with how many bytes of the
// archive it has read.
func Unpack(ctx context.Context, archive, dir string, l Limits, progress func(done, total int64)) error {
	info, err := os.Stat(archive)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is a %s, want a file", archive, kind(info.Mode()))
	}
	f, err := os.Open(archive)
	if err != nil {
		return err
	}
	defer f.Close() // it is only read
	done := int64(0)
	read := func(n int) error {
		if done += int64(n); progress != nil {
			progress(done, info.Size())
		}
		return nil
	}
	if err := UnpackFrom(ctx, &watched{f, read}, dir, l); err != nil {
		return fmt.Errorf("%s: %w", archive, err)
	}
	return nil
}

// UnpackFrom unpacks a tar archive compressed by gzip into a new folder. It fills dir.part, which it first
// removes if it exists, and then renames it: dir is complete and on the disk, or it does not exist.
//
// Files and folders get default permissions. Errors: dir exists, a name that is absolute, leaves the folder
// or occurs twice, a link, a device, more than the limits, no file at all, a truncated archive. It panics if
// a limit is not positive.
func UnpackFrom(ctx context.Context, archive io.Reader, dir string, l Limits) error {
	if l.Files < 1 || l.Bytes < 1 {
		panic(fmt.Sprintf("download: limits %+v, want more than 0", l))
	}
	if _, err := os.Lstat(dir); err == nil {
		return fmt.Errorf("%s is there already", dir)
	}
	part := dir + ".part"
	if err := os.RemoveAll(part); err != nil {
		return err
	}
	if err := os.MkdirAll(part, 0o755); err != nil {
		return err
	}
	if err := unpack(until(ctx, archive), part, l); err != nil {
		return errors.Join(err, os.RemoveAll(part))
	}
	return machine.Rename(part, dir)
}

// unpack fills the folder dir, which is empty.
func unpack(archive io.Reader, dir string, l Limits) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	z, err := gzip.NewReader(archive)
	if err != nil {
		return cut(err)
	}
	// Headers and padding can be a bomb as well as contents: each file may have 64 KiB of them.
	left := l.Bytes + int64(l.Files+1)<<16
	plain := &watched{z, func(n int) error {
		if left -= int64(n); left < 0 {
			return errors.New("it unpacks to more bytes than the limit")
		}
		return nil
	}}
	u := &unpacker{root: root, limits: l, folders: map[string]bool{".": true}}
	for t := tar.NewReader(plain); ; {
		h, err := t.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return cut(err)
		}
		if err := u.add(h, t); err != nil {
			return fmt.Errorf("%.100q: %w", h.Name, cut(err))
		}
	}
	// The checksum follows the last block. Ignore what follows it, which gzip reports as ErrHeader.
	if _, err := io.Copy(io.Discard, plain); err != nil && !errors.Is(err, gzip.ErrHeader) {
		return cut(err)
	}
	if u.files == 0 {
		return errors.New("no file in it")
	}
	return nil
}

// cut rewords the error of a truncated archive.
func cut(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) || err == io.EOF {
		return errors.New("the archive is cut off")
	}
	return err
}

// unpacker fills a folder.
type unpacker struct {
	root    *os.Root // confines what add overlooks
	limits  Limits
	files   int
	entries int // folders included
	bytes   int64
	folders map[string]bool // that exist
}

// add unpacks one entry.
func (u *unpacker) add(h *tar.Header, contents io.Reader) error {
	if h.Typeflag == tar.TypeXGlobalHeader { // remarks of a program such as git
		return u.count()
	}
	name := path.Clean(h.Name)
	switch {
	case len(h.Name) > maxName:
		return fmt.Errorf("its name has %d bytes, want at most %d", len(h.Name), maxName)
	case strings.ContainsAny(h.Name, "\\\x00"):
		return errors.New("its name has a character that not every system takes for part of one")
	case path.IsAbs(h.Name) || !filepath.IsLocal(filepath.FromSlash(h.Name)):
		return errors.New("it would lie outside the folder")
	}
	switch h.Typeflag {
	case tar.TypeDir:
		if u.folders[name] {
			return u.count()
		}
		return u.folder(name)
	case tar.TypeReg:
		if err := u.folder(path.Dir(name)); err != nil {
			return err
		}
		return u.file(name, h.Size, contents)
	case tar.TypeSymlink, tar.TypeLink:
		return fmt.Errorf("it is a link to %.100q, want files and folders alone", h.Linkname)
	}
	return fmt.Errorf("it is of type %q, want files and folders alone", h.Typeflag)
}

// folder makes a folder and its parents, unless they exist.
func (u *unpacker) folder(name string) error {
	if u.folders[name] {
		return nil
	}
	if err := u.folder(path.Dir(name)); err != nil {
		return err
	}
	if err := u.count(); err != nil {
		return err
	}
	if err := u.root.Mkdir(filepath.FromSlash(name), 0o755); err != nil {
		return twice(err)
	}
	u.folders[name] = true
	return nil
}

func (u *unpacker) file(name string, size int64, contents io.Reader) error {
	if err := u.count(); err != nil {
		return err
	}
	if size > u.limits.Bytes-u.bytes {
		return fmt.Errorf("with it there are more than %d bytes, the limit", u.limits.Bytes)
	}
	u.bytes += size
	u.files++
	f, err := u.root.OpenFile(filepath.FromSlash(name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return twice(err)
	}
	_, err = io.Copy(f, contents)
	return errors.Join(err, f.Close())
}

func (u *unpacker) count() error {
	if u.entries++; u.entries > u.limits.Files {
		return fmt.Errorf("with it there are more than %d files and folders, the limit", u.limits.Files)
	}
	return nil
}

// twice rewords the error of a name that exists, perhaps in another case.
func twice(err error) error {
	if errors.Is(err, fs.ErrExist) {
		return errors.New("its name is taken by an entry before it")
	}
	return err
}
