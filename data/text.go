package data

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"unicode/utf16"
)

// MaxText is the length, in bytes, of the longest text that ReadText reads. The longest of CUB-200-2011's lists
// has 6 MB.
const MaxText = 1 << 27

// ReadText returns the contents of a text file, such as a list of a data set, as UTF-8 with lines that end in
// \n, whatever Windows, PowerShell or an old Mac made of it: a byte order mark is cut off, UTF-16 that begins
// with one is decoded. It refuses, with an error that names the file, what is not a regular file or longer than
// MaxText. A nil file system means that name is a path.
func ReadText(fsys fs.FS, name string) ([]byte, error) {
	fsys = orDir(fsys)
	text, err := readText(fsys, name)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", PathOf(fsys, name), cause(err))
	}
	switch {
	case bytes.HasPrefix(text, []byte("\xff\xfe")):
		text = fromUTF16(binary.LittleEndian, text[2:])
	case bytes.HasPrefix(text, []byte("\xfe\xff")):
		text = fromUTF16(binary.BigEndian, text[2:])
	}
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	if bytes.IndexByte(text, '\r') < 0 {
		return text, nil
	}
	text = bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n"))
	return bytes.ReplaceAll(text, []byte("\r"), []byte("\n")), nil
}

func readText(fsys fs.FS, name string) ([]byte, error) {
	n, err := regularSize(fsys, name)
	if err == nil && n > MaxText {
		err = fmt.Errorf("%d bytes, want a text of at most %d", n, MaxText)
	}
	if err != nil {
		return nil, err
	}
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()                               // it is only read
	return io.ReadAll(io.LimitReader(f, MaxText)) // it may have grown
}

// regularSize returns a file's size. It is asked for before Open, which waits for a pipe's other end.
func regularSize(fsys fs.FS, name string) (int64, error) {
	info, err := fs.Stat(fsys, name)
	switch {
	case err != nil:
		return 0, err
	case info.IsDir():
		return 0, errors.New("not a file, but a folder")
	case !info.Mode().IsRegular():
		return 0, errors.New("not a file, but a device, pipe or socket")
	}
	return info.Size(), nil
}

func fromUTF16(order binary.ByteOrder, text []byte) []byte {
	units := make([]uint16, len(text)/2)
	for i := range units {
		units[i] = order.Uint16(text[2*i:])
	}
	return []byte(string(utf16.Decode(units)))
}
