package features

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// Borrow copies from the file at path the records that were asked for and are not in c, as far as it has
// them. A file that is not there, or whose tokens are made from something else, has none. Fill then
// checks that they are of the same photographs. Errors are a file that is none of this package's and
// what happens to both.
func (c *Cache) Borrow(path string) error {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("features: borrow: %w", err)
	}
	defer f.Close() // it is only read
	other := &Cache{path: path, file: disk{f}}
	if err := other.decode(); err != nil {
		return fmt.Errorf("features: borrow: %w", err)
	}
	if len(other.source.differences(c.source, augmented(c.records))) > 0 {
		return nil
	}
	buf := make([]byte, c.source.bytes())
	for _, r := range c.records {
		from, ok := other.row(r)
		if !ok {
			continue
		}
		to, _ := c.row(r)
		mine, err := c.load(to, buf)
		if err == nil && mine.hash == [32]byte{} {
			var theirs sums
			if theirs, err = other.load(from, buf); err == nil && theirs.hash != [32]byte{} && theirs.crc == sum(theirs.hash, buf) {
				err = c.put(to, theirs.hash, buf)
			}
		}
		if err != nil {
			return fmt.Errorf("features: borrow %s: %s: %w", path, r, err)
		}
	}
	return nil
}
