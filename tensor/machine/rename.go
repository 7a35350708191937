package machine

import (
	"os"
	"path/filepath"
)

// Rename renames a file, or a folder with all that is in it, once it is on the disk, so that after a power cut
// no empty file stands under the new name. Both names are in the same folder.
func Rename(old, name string) error {
	info, err := os.Stat(old)
	if err != nil {
		return err
	}
	if info.IsDir() {
		err = syncTree(old)
	} else {
		err = syncFile(old, os.O_WRONLY) // some systems flush only what can be written
	}
	if err != nil {
		return err
	}
	return rename(old, name)
}

// rename renames what is on the disk.
func rename(old, name string) error {
	if err := os.Rename(old, name); err != nil {
		return err
	}
	// Flushing the folder makes the name durable. Not every system can, and the contents are whole either way.
	_ = syncFile(filepath.Dir(name), os.O_RDONLY)
	return nil
}

// syncFile flushes a file, or a folder's list of names.
func syncFile(path string, flag int) error {
	f, err := os.OpenFile(path, flag, 0)
	if err != nil {
		return err
	}
	defer f.Close() // nothing was written
	return f.Sync()
}
