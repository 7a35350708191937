package checkpoint_test

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/promptcam/promptcam/tensor/checkpoint"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// allocated returns the bytes that work allocates, whether or not they are freed.
func allocated(work func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	work()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// justified asserts that opening a file and reading all that it holds allocates in proportion to its size. It
// returns the first error.
func justified(t *testing.T, name string, raw []byte) (err error) {
	const mb = 1 << 20
	n := allocated(func() {
		var f *checkpoint.File
		if f, err = decode(raw); err != nil {
			return
		}
		for _, name := range f.Names() {
			f.Info(name)
			if _, e := f.Tensor(name); e != nil && err == nil {
				err = e
			}
		}
		f.Metadata()
	})
	// A limit of 16 times the file and 16 MB for each of table and tensors; growing slices and maps double it.
	assert.Less(t, n, uint64(64*mb+64*len(raw)), "%s: %d bytes allocated for %d", name, n, len(raw))
	return err
}

// formats are a pickle as zip archive, deflated archive and legacy stream.
func formats(t testing.TB, object string, storages ...string) map[string][]byte {
	stored := torchZip(t, object, storages...)
	return map[string][]byte{"zip": stored, "deflated zip": deflate(t, stored), "legacy": torchLegacy(object, 4, storages...)}
}

func TestPicklesTakeMemoryInProportion(t *testing.T) {
	long := strings.Repeat("a", 1<<20)
	script := "__torch__." + long
	// fetch repeats opcodes on two strings in the memo, and drops what they leave.
	fetch := func(a, b, ops string, times int) string {
		return "}" + str(a) + "q\x00" + str(b) + "q\x01" + "00" + strings.Repeat(ops, times)
	}
	rebuild := storage("Float", "0", 4) + "q\x00" + nums(make([]int, 64)) + "q\x01" + glob("torch._utils", "_rebuild_tensor_v2") + "q\x02000"
	for name, object := range map[string]string{
		"class of a long module":           fetch(script, "b", "h\x00h\x01\x930", 50_000),
		"class of a long name":             fetch("__torch__", long, "h\x00h\x01\x930", 50_000),
		"unknown class of a long module":   fetch(long, "b", "h\x00h\x01\x930", 50_000),
		"class named by one string twice":  fetch(script, "b", "h\x00h\x00\x930", 50_000),
		"class of 500 bytes":               fetch(script[:500], "b", "h\x00h\x01\x930", 200_000),
		"unknown class of 500 bytes":       fetch(long[:500], "b", "h\x00h\x01\x930", 200_000),
		"object of a class of 500 bytes":   fetch(long[:500], "b", "h\x00h\x01\x93)\x810", 200_000),
		"GLOBAL of 500 bytes":              "}" + strings.Repeat(glob(long[:500], "b")+"0", 2000),
		"GLOBAL without an end":            "}c" + long,
		"GLOBAL whose second line is long": "}c__torch__\n" + long + "\n",
		"a long string under many keys":    "}" + str(long) + "q\x000" + manyKeys("h\x00", 20_000),
		"a long key again and again":       fetch(long[:4096], "b", "h\x00Ns", 200_000),
		"dicts of one item":                "}" + str("k") + "q\x000](" + strings.Repeat("}h\x00Ns", 200_000) + "e0",
		"objects of one item":              "}" + str("k") + "q\x00" + glob("a", "B") + "q\x0100](" + strings.Repeat("h\x01)\x81h\x00Ns", 200_000) + "e0",
		"a memo of everything":             "}" + strings.Repeat("N\x940", 300_000),
		"a memo of scattered places":       "}" + strings.Repeat("Nr\xff\xff\xff\x7f0Nr\xff\xff\xff\x3f0", 100_000),
		"nothing but marks":                "}" + strings.Repeat("(", 1_000_000),
		"nothing but empty lists":          strings.Repeat("]", 1_000_000),
		"nested tuples":                    "N" + strings.Repeat("\x85", 1_000_000),
		"nested lists":                     strings.Repeat("]", 300_000) + strings.Repeat("a", 299_999),
		"nested dicts":                     "}" + strings.Repeat(str("model")+"}", 100_000) + strings.Repeat("s", 100_000),
		"one dict under many keys":         "}" + one("w") + "q\x000" + manyKeys("h\x00", 50_000),
		"a million laughs":                 laughs(20, "(", "t"),
		"a million laughs in lists":        laughs(20, "](", "e"),
		"views of 64 dimensions":           rebuild + "}" + str("a") + "](" + strings.Repeat("h\x02(h\x00K\x00h\x01h\x01tR", 100_000) + "es",
		"persistent ids of a long key":     "}" + tup(str("storage"), glob("torch", "FloatStorage"), str(long[:4096]), str("cpu"), num(4)) + "q\x000" + strings.Repeat("h\x00Q0", 200_000),
		"views by way of a type":           rebuild + glob("torch._tensor", "_rebuild_from_type_v2") + "q\x030}" + str("a") + "](" + strings.Repeat("h\x03(h\x02N(h\x00K\x00h\x01h\x01ttR", 100_000) + "es",
		"long integers":                    "}" + strings.Repeat("\x8b\x00\x10\x00\x00"+long[:4096]+"0", 500),
		"lengths of what is not there":     "}\x8b\xff\xff\xff\x7f",
		"bytes that are not there":         "}\x8e\xff\xff\xff\xff\xff\xff\xff\x7f",
	} {
		for format, raw := range formats(t, object, "0123456789abcdef") {
			if err := justified(t, name+", "+format, raw); err != nil {
				assert.True(t, errors.Is(err, checkpoint.ErrTooLarge) != errors.Is(err, checkpoint.ErrFormat), "%s: %v", name, err)
				assert.Less(t, len(err.Error()), 400)
			}
		}
	}
}

// manyKeys sets a value under n keys of the dict on the stack.
func manyKeys(value string, n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString("\x8c\x04" + le(i, 4) + value + "s")
	}
	return b.String()
}

// laughs is a container of ten containers of ten containers and so on.
func laughs(levels int, begin, end string) string {
	object := "Nq\x000"
	for i := range levels {
		object += begin + strings.Repeat("h"+string(rune(i)), 10) + end + "q" + string(rune(i+1)) + "0"
	}
	return object + "}" + str("a") + "h" + string(rune(levels)) + "s"
}

func one(name string) string {
	return dict(str(name), view(storage("Float", "0", 2), 0, []int{2}, []int{1}))
}

// sharing is a dict of tensors which all view a storage of n elements.
func sharing(n, tensors, offset int, shape, stride []int) string {
	var b strings.Builder
	b.WriteString(storage("Float", "0", n) + "q\x000" + glob("torch._utils", "_rebuild_tensor_v2") + "q\x010" + nums(shape) + "q\x020" + nums(stride) + "q\x030}")
	b.WriteString(manyKeys("h\x01(h\x00"+num(offset)+"h\x02h\x03tR", tensors))
	return b.String()
}

func TestTensorsTakeMemoryInProportion(t *testing.T) {
	const n = 1 << 18
	zeros := strings.Repeat("\x00", 4*n)
	for _, test := range []struct {
		name          string
		tensors       int
		offset        int
		shape, stride []int
	}{
		{"one storage", 1000, 0, []int{n}, []int{1}},
		{"one storage, expanded", 1000, 0, []int{64, n}, []int{0, 1}},
		{"one element, expanded", 1000, 3, []int{64}, []int{0}},
		{"transposed", 1000, 0, []int{512, 512}, []int{1, 512}},
		{"ends of the storage", 10_000, n - 1, []int{1}, []int{1}},
		{"first and last element", 10_000, 0, []int{2}, []int{n - 1}},
		{"a column", 3000, 0, []int{512}, []int{512}},
		{"two columns", 3000, 0, []int{512, 2}, []int{512, 1}},
		{"overlapping rows", 100, 0, []int{1000, 1000}, []int{1, 1}},
	} {
		for format, raw := range formats(t, sharing(n, test.tensors, test.offset, test.shape, test.stride), zeros) {
			if err := justified(t, test.name+", "+format, raw); err != nil {
				assert.ErrorIs(t, err, checkpoint.ErrTooLarge, "%s, %s", test.name, format)
			}
		}
	}

	// One tensor under many names, at the end of a deflated storage.
	object := "}" + view(storage("Float", "0", n), n-1, []int{1}, []int{1}) + "q\x000" + manyKeys("h\x00", 5000)
	assert.NoError(t, justified(t, "tied", deflate(t, torchZip(t, object, zeros))))
}

func TestUsualWeightsStayWithinLimits(t *testing.T) {
	const n = 3 << 20 // elements
	half := strings.Repeat("\x00\x3c\x01\x38", n/2)
	tied := view(storage("Half", "0", n), 0, []int{n}, []int{1}) + "q\x00"
	object := dict(str("a"), tied, str("b"), "h\x00", str("c"), "h\x00")
	for format, raw := range formats(t, object, half) {
		if format == "legacy" {
			raw = torchLegacy(object, 2, half)
		}
		if format == "deflated zip" { // of data that deflate does not pack
			raw = archive(t, member{"a/data.pkl", proto + object + ".", zip.Deflate}, member{name: "a/data/0", data: half})
		}
		assert.NoError(t, justified(t, format, raw), format)
	}
	assert.NoError(t, justified(t, "bytes", safe(fmt.Sprintf(`{"a":{"dtype":"U8","shape":[%d],"data_offsets":[0,%d]}}`, n, n), n)))
}

// A view reads what it needs of its storage, wherever that is.
func TestViewsReadWhatTheyNeed(t *testing.T) {
	const n = 1 << 20
	data := strings.Repeat("\x00\x00\x80?", n)
	for _, test := range []struct{ shape, stride []int }{{[]int{2}, []int{n - 1}}, {[]int{3, 2}, []int{1 << 18, 1}}, {[]int{1}, []int{1}}} {
		object := dict(str("w"), view(storage("Float", "0", n), 0, test.shape, test.stride))
		files := formats(t, object, data)
		files["deflated zip"] = archive(t, member{"a/data.pkl", proto + object + ".", zip.Deflate}, member{"a/data/0", data, zip.Deflate}, member{name: "a/pad", data: data[:1<<16]})
		for format, raw := range files {
			if format == "deflated zip" && test.shape[0] > 1 {
				continue // which can only be read from its beginning
			}
			f := decoded(t, raw)
			got := allocated(func() {
				x, err := f.Tensor("w")
				require.NoError(t, err)
				for _, v := range x.Data() {
					assert.Equal(t, float32(1), v)
				}
			})
			assert.Less(t, got, uint64(256<<10), "%s of %v", format, test.shape)
		}
	}
}

func TestSafetensorsTakeMemoryInProportion(t *testing.T) {
	var tensors, metadata strings.Builder
	for i := range 30_000 {
		fmt.Fprintf(&tensors, `"%d":{"dtype":"U8","shape":[],"data_offsets":[%d,%d]},`, i, i, i+1)
		fmt.Fprintf(&metadata, `"%d":"",`, i)
	}
	trim := func(b *strings.Builder) string { return strings.TrimSuffix(b.String(), ",") }
	for name, raw := range map[string][]byte{
		"tensors":  safe("{"+trim(&tensors)+"}", 30_000),
		"metadata": safe(`{"__metadata__":{`+trim(&metadata)+"}}", 0),
		"sizes":    safe(`{"a":{"dtype":"U8","shape":[`+strings.Repeat("1,", 500_000)+`1],"data_offsets":[0,1]}}`, 1),
		"depth":    safe(`{"a":{"x":`+strings.Repeat("[", 100_000), 0),
		"string":   safe(`{"__metadata__":{"k":"`+strings.Repeat(`\u0041`, 500_000)+`"}}`, 0),
	} {
		err := justified(t, name, raw)
		assert.True(t, err == nil || errors.Is(err, checkpoint.ErrFormat) || errors.Is(err, checkpoint.ErrTooLarge), "%v", err)
	}
}

// More tensors than any model has take long, here and in whatever looks at their names.
func TestFarTooManyTensorsAreRefused(t *testing.T) {
	var tensors, metadata strings.Builder
	for i := range 1<<16 + 1 {
		fmt.Fprintf(&tensors, `,"%d":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}`, i)
		fmt.Fprintf(&metadata, `,"%d":""`, i)
	}
	many := view(storage("Float", "0", 4), 0, []int{4}, []int{1}) + "q\x000}" + manyKeys("h\x00", 1<<16+1)
	for what, raw := range map[string][]byte{
		"tensors":            safe("{"+tensors.String()[1:]+"}", 0),
		"values of metadata": safe(`{"__metadata__":{`+metadata.String()[1:]+"}}", 0),
		"65536 tensors":      torchZip(t, many, "0123456789abcdef"),
	} {
		_, err := decode(raw)
		assert.ErrorIs(t, err, checkpoint.ErrTooLarge)
		assert.ErrorContains(t, err, what)
	}
}

func TestLimitsAreTheCallers(t *testing.T) {
	raw := torchZip(t, dict(str("a"), view(storage("Float", "0", 1000), 0, []int{1000}, []int{1}), str("b"), view(storage("Float", "0", 1000), 0, []int{1000}, []int{1})),
		strings.Repeat("\x00", 4000))
	open := func(raw []byte, l checkpoint.Limits) (*checkpoint.File, error) {
		return checkpoint.DecodeContext(t.Context(), bytes.NewReader(raw), int64(len(raw)), "w.pth", l)
	}
	_, err := open(raw, checkpoint.Limits{Table: 1000})
	assert.ErrorIs(t, err, checkpoint.ErrTooLarge)
	assert.ErrorContains(t, err, "checkpoint: w.pth: a/data.pkl: pickle: opcode 0x74 at byte")
	assert.ErrorContains(t, err, fmt.Sprintf("too large: the table of contents would take more than 1000 bytes of memory, the limit for this file of %d bytes", len(raw)))
	_, err = open(safe(`{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}`, 2), checkpoint.Limits{Table: 100})
	assert.ErrorIs(t, err, checkpoint.ErrTooLarge)

	f, err := open(raw, checkpoint.Limits{Tensors: 4000})
	require.NoError(t, err)
	for range 3 { // the same again is free
		_, err = f.Tensor("a")
		require.NoError(t, err)
	}
	_, err = f.Tensor("b")
	assert.ErrorIs(t, err, checkpoint.ErrTooLarge)
	assert.NotErrorIs(t, err, checkpoint.ErrFormat)
	assert.ErrorContains(t, err, "checkpoint: w.pth: tensor b: too large: the tensors would take more than 4000 bytes")

	// Ratio: 16 MiB is always there.
	const n = 2 << 20
	big := torchZip(t, dict(str("a"), view(storage("Byte", "0", n), 0, []int{n}, []int{1}), str("b"), view(storage("Byte", "0", n), 0, []int{4, n}, []int{0, 1})), strings.Repeat("\x00", n))
	for ratio, fine := range map[int64]bool{1: false, 9: false, 13: true, 0: true, 1 << 62: true} {
		f, err := open(big, checkpoint.Limits{Ratio: ratio})
		require.NoError(t, err)
		_, err1 := f.Tensor("a")
		_, err2 := f.Tensor("b")
		assert.NoError(t, err1)
		assert.Equal(t, fine, err2 == nil, "%d: %v", ratio, err2)
	}
}

// hearing is a reader that calls done once so many bytes have been read.
type hearing struct {
	io.ReaderAt
	left int
	done func()
}

func (h *hearing) ReadAt(p []byte, at int64) (int, error) {
	if h.left -= len(p); h.left <= 0 && h.done != nil {
		h.done()
	}
	return h.ReaderAt.ReadAt(p, at)
}

// Wherever a file is being read when the context ends, reading ends soon after.
func TestContextIsHeard(t *testing.T) {
	var tensors strings.Builder
	tensors.WriteString("{")
	for i := range 5000 {
		fmt.Fprintf(&tensors, `"%d":{"dtype":"U8","shape":[1],"data_offsets":[%d,%d]},`, i, i, i+1)
	}
	files := formats(t, "}"+manyKeys("N", 20_000)+str("w")+view(storage("Float", "0", 1<<20), 0, []int{1 << 10, 1 << 10}, []int{1, 1 << 10})+"s", strings.Repeat("\x00\x00\x80?", 1<<20))
	files["safetensors"] = safe(tensors.String()+`"w":{"dtype":"F32","shape":[1024,1024],"data_offsets":[5000,4199304]}}`, 5000+4<<20)
	for name, raw := range files {
		for _, after := range []int{0, 1000, 50_000} {
			ctx, cancel := context.WithCancel(t.Context())
			r := &hearing{bytes.NewReader(raw), after, cancel}
			_, err := checkpoint.DecodeContext(ctx, r, int64(len(raw)), "w.pth", checkpoint.Limits{})
			if after == 0 || name != "deflated zip" {
				require.ErrorIs(t, err, context.Canceled, "%s after %d", name, after)
			}
			assert.NotErrorIs(t, err, checkpoint.ErrFormat)
			cancel()
		}
		ctx, cancel := context.WithCancel(t.Context())
		r := &hearing{ReaderAt: bytes.NewReader(raw)}
		f, err := checkpoint.DecodeContext(ctx, r, int64(len(raw)), "w.pth", checkpoint.Limits{})
		require.NoError(t, err, name)
		r.left, r.done = 1000, cancel
		_, err = f.Tensor("w")
		assert.ErrorIs(t, err, context.Canceled, name)
		assert.NotErrorIs(t, err, checkpoint.ErrFormat)
		assert.Greater(t, r.left, -200_000, "bytes are read on")
		cancel()
	}
}

var errDisk = errors.New("input/output error")

type broken struct{}

func (broken) ReadAt([]byte, int64) (int, error) { return 0, errDisk }

func TestErrorsOfTheDiskAreNotTheFiles(t *testing.T) {
	_, err := checkpoint.Decode(broken{}, 100, "w.pth")
	assert.ErrorIs(t, err, errDisk)
	assert.NotErrorIs(t, err, checkpoint.ErrFormat)
	assert.NotErrorIs(t, err, checkpoint.ErrTooLarge)
	assert.EqualError(t, err, "checkpoint: w.pth: read: input/output error")
}
