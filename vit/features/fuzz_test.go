package features

import (
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/promptcam/promptcam/data"
	"github.com/promptcam/promptcam/tensor/checkpoint"
)

// Files with a right checksum, whatever source, list and shapes they state: Open takes no more memory than they
// justify, and what it accepts can be read or is refused record by record.
func FuzzSource(f *testing.F) {
	b := backbone(f, 1)
	records := Records(3, []data.Item{{Path: "a.png"}, {Path: "b/c.png"}})
	list, n := listed(records)
	for i, kind := range []checkpoint.DType{checkpoint.F16, checkpoint.F32} {
		text, err := json.Marshal(source(b, kind))
		require.NoError(f, err)
		f.Add(string(text), list, uint8(n), uint8(11), uint8(8), uint8(i), []byte("the last bytes of the tensors"))
		f.Add(strings.Replace(string(text), `"Depth":`, `"Depth":9`, 1), list, uint8(n), uint8(11), uint8(8), uint8(i), []byte{})
		f.Add(strings.Replace(string(text), `"ImageSize":[12,12]`, `"ImageSize":[12288,12288]`, 1), list, uint8(n), uint8(11), uint8(8), uint8(i), []byte{})
		f.Add(string(text), []byte("0 a.png\x000 a.png\x00"), uint8(2), uint8(11), uint8(8), uint8(i), []byte{})
		f.Add(string(text), []byte("2147483647 a.png\x000,1,2 b/c.png"), uint8(4), uint8(11), uint8(8), uint8(i), []byte{})
		f.Add(string(text), list, uint8(n-1), uint8(0), uint8(255), uint8(i), []byte{})
	}
	f.Fuzz(func(t *testing.T, text string, list []byte, n, rows, dim, how uint8, last []byte) {
		kind := []checkpoint.DType{checkpoint.F16, checkpoint.F32}[how%2]
		path := filepath.Join(t.TempDir(), "cache")
		err := checkpoint.Create(path, map[string]checkpoint.Info{
			"tokens": {DType: kind, Shape: []int{int(n), int(rows), int(dim)}}, "sha256": {DType: checkpoint.U8, Shape: []int{int(n), 32}},
			"crc32c": {DType: checkpoint.I32, Shape: []int{int(n)}}, "records": {DType: checkpoint.U8, Shape: []int{len(list)}},
		}, map[string][]byte{"records": list}, map[string]string{"promptcam": version, "source": text, "crc32c": checksum([]byte(text), list)})
		if err != nil {
			return // no file has such a text
		}
		file, err := os.OpenFile(path, os.O_RDWR, 0)
		require.NoError(t, err)
		info, err := file.Stat()
		require.NoError(t, err)
		_, err = file.WriteAt(last, max(0, info.Size()-int64(len(last))))
		require.NoError(t, err)
		require.NoError(t, file.Close())

		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		c, err := Open(path, source(b, kind), records)
		runtime.ReadMemStats(&after)
		require.Less(t, after.TotalAlloc-before.TotalAlloc, 16<<20+1000*uint64(len(text)+len(list)))
		if err != nil {
			return
		}
		defer c.Close() // it is only read
		_, err = c.Loader([]data.Item{{Path: "a.png"}}, LoaderConfig{Views: 3, Batch: 1})
		require.NoError(t, err)
		for _, r := range records {
			row, _ := c.row(r)
			c.numbers(make([]float32, c.Numbers()), row, [32]byte{}, make([]byte, c.source.bytes())) // right, or refused
		}
	})
}

// A file that was opened to be read says so where it would have to be written.
func TestFillOfAReadOnlyFile(t *testing.T) {
	b := backbone(t, 1)
	root, items := photographs(t, 3)
	s := source(b, "")
	path := filled(t, s, b, root, 2, items[:2]).path
	paint(t, root, items[1].Path, 99) // another photograph
	c, err := OpenRead(path, s, Records(2, items[:2]))
	require.NoError(t, err)
	defer c.Close() // it is only read
	_, err = c.Fill(t.Context(), os.DirFS(root), b, FillConfig{})
	require.ErrorContains(t, err, path+" is not complete, and cannot be written")
}
