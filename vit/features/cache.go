package features

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/promptcam/promptcam/tensor/checkpoint"
)

// File is where a cache keeps its tokens, such as an opened file or memory. Calls of ReadAt and WriteAt may
// be concurrent, those of WriteAt for different bytes.
type File interface {
	io.ReaderAt
	io.WriterAt
	Size() (int64, error)
	Sync() error
}

// disk is a File at a path.
type disk struct {
	*os.File
	readOnly bool
}

// WriteAt says why it cannot write to a file that was opened to be read alone.
func (d disk) WriteAt(p []byte, at int64) (int, error) {
	if d.readOnly {
		return 0, fmt.Errorf("%s is not complete, and cannot be written", d.Name())
	}
	return d.File.WriteAt(p, at)
}

func (d disk) Size() (int64, error) {
	info, err := d.Stat()
	if err != nil {
		return 0, err
	}
	if !info.Mode().IsRegular() {
		return 0, fmt.Errorf("%s: not a regular file", d.Name())
	}
	return info.Size(), nil
}

// Cache is an open file of tokens. It uses ReadAt and not a memory map: mapped pages count as the process's
// memory, and touching a page of a truncated file ends the process.
type Cache struct {
	path    string // or name
	file    File
	source  Source              // in the file
	records []Record            // asked for
	views   map[string][]view   // of each photograph, in the file
	hashes  map[string][32]byte // of the photographs' files in the last complete Fill
	stats   Stats

	tokens, crc32c, sha256 int64 // where in the file these tensors begin
}

// A view of a photograph is one row of the file's tensors.
type view struct{ number, row int32 }

const version = "features 1" // of the file, in its metadata

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Open opens the file of these records, in any order, and creates it, empty, if there is none. A
// *MismatchError lists every reason why an existing one does not fit: its tokens are made from something
// other than s, or some of the records are not in it; more records than asked for are welcome. A file that is
// truncated, damaged or not a file of tokens is an error too.
func Open(path string, s Source, records []Record) (*Cache, error) {
	return openDisk(path, os.O_RDWR, s, records)
}

// OpenRead is Open for a file that exists and stays as it is: Fill fails where it would have to write.
func OpenRead(path string, s Source, records []Record) (*Cache, error) {
	return openDisk(path, os.O_RDONLY, s, records)
}

func openDisk(path string, mode int, s Source, records []Record) (*Cache, error) {
	tensors, contents, metadata, err := layout(&s, records)
	if err != nil {
		return nil, fmt.Errorf("features: open %s: %w", path, err)
	}
	f, err := os.OpenFile(path, mode, 0)
	if mode == os.O_RDWR && errors.Is(err, fs.ErrNotExist) {
		if err = checkpoint.Create(path, tensors, contents, metadata); err == nil {
			f, err = os.OpenFile(path, mode, 0)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("features: open: %w", err)
	}
	c, err := existing(disk{f, mode == os.O_RDONLY}, path, s, records)
	if err != nil {
		f.Close()
	}
	return c, err
}

// OpenFile is Open for a file of any kind, which errors call name. The caller closes it. A File of size 0
// becomes an empty cache; bytes never written must read as zero.
func OpenFile(f File, name string, s Source, records []Record) (*Cache, error) {
	tensors, contents, metadata, err := layout(&s, records)
	n := int64(0)
	if err == nil {
		n, err = f.Size()
	}
	if err == nil && n == 0 {
		err = checkpoint.CreateAt(f, tensors, contents, metadata)
	}
	if err != nil {
		return nil, fmt.Errorf("features: open %s: %w", name, err)
	}
	return existing(f, name, s, records)
}

// existing opens a file that exists.
func existing(f File, path string, s Source, records []Record) (*Cache, error) {
	c := &Cache{path: path, file: f, records: slices.Clone(records)}
	if err := c.decode(); err != nil {
		return nil, fmt.Errorf("features: open: %w", err)
	}
	reasons := c.source.differences(s, augmented(records))
	missing := slices.DeleteFunc(slices.Clone(records), func(r Record) bool { _, ok := c.row(r); return ok })
	if len(missing) > 0 {
		reasons = append(reasons, difference{"other photographs", fmt.Sprintf("%d of %d records are not there, such as %s", len(missing), len(records), missing[0])})
	}
	if len(reasons) > 0 {
		return nil, mismatch(path, reasons)
	}
	return c, nil
}

// augmented reports whether any of the records depends on Source.Augmented.
func augmented(records []Record) bool {
	return slices.ContainsFunc(records, func(r Record) bool { return r.View > 1 })
}

// Close closes the file that Open opened.
func (c *Cache) Close() error {
	if d, ok := c.file.(disk); ok {
		if err := d.Close(); err != nil {
			return fmt.Errorf("features: %w", err)
		}
	}
	return nil
}

// Numbers returns how many numbers the tokens of one record are.
func (c *Cache) Numbers() int {
	rows, dim := c.source.shape()
	return rows * dim
}

// row returns where a record is in the file.
func (c *Cache) row(r Record) (row int, ok bool) {
	for _, v := range c.views[r.Path] {
		if int(v.number) == r.View {
			return int(v.row), true
		}
	}
	return 0, false
}

// layout returns what checkpoint.Create makes a file of, with every record missing. It completes s, and
// checks the arguments of Open.
func layout(s *Source, records []Record) (tensors map[string]checkpoint.Info, contents map[string][]byte, metadata map[string]string, err error) {
	s.Type = cmp.Or(s.Type, checkpoint.F16)
	for _, r := range records {
		if r.Path == "" || strings.Contains(r.Path, "\x00") || r.View < 0 || r.View > math.MaxInt32 {
			return nil, nil, nil, fmt.Errorf("a record of path %q, view %d", r.Path, r.View)
		}
	}
	if len(records) == 0 || len(records) > math.MaxInt32 {
		return nil, nil, nil, fmt.Errorf("%d records, want at least 1 and at most %d", len(records), math.MaxInt32)
	}
	if err := s.validate(augmented(records)); err != nil {
		return nil, nil, nil, err
	}
	list, n := listed(records)
	of := *s
	if !augmented(records) {
		of.Augmented, of.Seed = of.Plain, 0 // nothing depends on them
	}
	source, err := json.Marshal(of)
	if err != nil {
		panic(err) // s is valid, so its numbers are finite
	}
	tensors = s.tensors(n)
	tensors["records"] = checkpoint.Info{DType: checkpoint.U8, Shape: []int{len(list)}}
	metadata = map[string]string{"promptcam": version, "source": string(source), "crc32c": checksum(source, list)}
	return tensors, map[string][]byte{"records": list}, metadata, nil
}

// tensors returns the tensors of n records.
func (s Source) tensors(n int) map[string]checkpoint.Info {
	rows, dim := s.shape()
	return map[string]checkpoint.Info{
		"tokens": {DType: s.Type, Shape: []int{n, rows, dim}},
		"sha256": {DType: checkpoint.U8, Shape: []int{n, 32}},
		"crc32c": {DType: checkpoint.I32, Shape: []int{n}},
	}
}

// listed returns the list of records as the file holds it, and how many there are.
func listed(records []Record) (list []byte, n int) {
	for _, p := range photos(records) {
		for i, v := range p.views {
			if i > 0 {
				list = append(list, ',')
			}
			list = strconv.AppendInt(list, int64(v), 10)
		}
		list = append(append(append(list, ' '), p.path...), 0)
		n += len(p.views)
	}
	for (len(list)+36*n)%8 != 0 { // aligns tokens, the last of the file's tensors
		list = append(list, 0)
	}
	return list, n
}

// parse undoes listed.
func parse(list string) (views map[string][]view, n int, err error) {
	views = map[string][]view{}
	for line := range strings.SplitSeq(strings.TrimRight(list, "\x00"), "\x00") {
		numbers, path, ok := strings.Cut(line, " ")
		if !ok || views[path] != nil {
			return nil, 0, fmt.Errorf("its list of records has %.60q after record %d", line, n)
		}
		for number := range strings.SplitSeq(numbers, ",") {
			v, err := strconv.ParseUint(number, 10, 31)
			if err != nil {
				return nil, 0, fmt.Errorf("its list of records has a view %.20q after record %d", number, n)
			}
			views[path] = append(views[path], view{int32(v), int32(n)})
			n++
		}
	}
	return views, n, nil
}

func checksum(source, list []byte) string {
	return fmt.Sprintf("%08x", crc32.Update(crc32.Checksum(source, castagnoli), castagnoli, list))
}

// decode reads all but the records.
func (c *Cache) decode() error {
	size, err := c.file.Size()
	if err != nil {
		return err
	}
	f, err := checkpoint.Decode(c.file, size, c.path)
	if err != nil {
		return err
	}
	fail := func(format string, a ...any) error {
		return fmt.Errorf("%s: not a file of tokens, or damaged: %w", c.path, fmt.Errorf(format, a...))
	}
	meta := f.Metadata()
	if v := meta["promptcam"]; v != version {
		return fail("its metadata says promptcam %.20q, want %q", v, version)
	}
	offset, size, ok := f.Place("records")
	if d, _ := f.Info("records"); !ok || d.DType != checkpoint.U8 || size > math.MaxInt32 {
		return fail("no tensor records of U8")
	}
	list := make([]byte, size)
	if _, err := c.file.ReadAt(list, offset); err != nil && err != io.EOF {
		return err
	}
	source := []byte(meta["source"])
	if have, want := checksum(source, list), meta["crc32c"]; have != want {
		return fail("its source and list of records have checksum %s, want %.20s", have, want)
	}
	if err := json.Unmarshal(source, &c.source); err != nil {
		return fail("source: %w", err)
	}
	if err := c.source.validate(true); err != nil {
		return fail("source: %w", err)
	}
	n := 0
	if c.views, n, err = parse(string(list)); err != nil {
		return fail("%w", err)
	}
	want := c.source.tensors(n)
	for name, begin := range map[string]*int64{"tokens": &c.tokens, "sha256": &c.sha256, "crc32c": &c.crc32c} {
		have, _ := f.Info(name)
		if t := want[name]; have.DType != t.DType || !slices.Equal(have.Shape, t.Shape) {
			return fail("tensor %s is %s %v, want %s %v", name, have.DType, have.Shape, t.DType, t.Shape)
		}
		if *begin, _, ok = f.Place(name); !ok {
			return fail("tensor %s does not lie in one piece", name)
		}
	}
	return nil
}
