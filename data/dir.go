package data

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// Dir is a folder on disk as a file system. Unlike os.DirFS it takes every name that the system does, UTF-8
// or not, and its errors give full paths. With Dir("") names are whole paths. Where this package takes a file
// system, nil means Dir("").
type Dir string

// Open opens a file.
func (d Dir) Open(name string) (fs.File, error) { return os.Open(d.path(name)) }

// Stat describes a file without opening it, which for a pipe would wait.
func (d Dir) Stat(name string) (fs.FileInfo, error) { return os.Stat(d.path(name)) }

// ReadDir lists a folder, sorted.
func (d Dir) ReadDir(name string) ([]fs.DirEntry, error) { return os.ReadDir(d.path(name)) }

func (d Dir) path(name string) string {
	switch {
	case name == ".":
		return string(d)
	case d == "":
		return name
	}
	return filepath.Join(string(d), filepath.FromSlash(name))
}

// PathOf returns the name of a file for errors: in a Dir its path, elsewhere its name.
func PathOf(fsys fs.FS, name string) string {
	if d, ok := orDir(fsys).(Dir); ok {
		return d.path(name)
	}
	return name
}

// folderName returns the path of a Dir after a preposition, and nothing for other file systems.
func folderName(before string, fsys fs.FS) string {
	if d, ok := fsys.(Dir); ok {
		return before + string(d)
	}
	return ""
}

func orDir(fsys fs.FS) fs.FS {
	if fsys == nil {
		return Dir("")
	}
	return fsys
}

// cause is err without the operation and path that package os puts before it.
func cause(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}
