package checkpoint_test

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/promptcam/promptcam/tensor/checkpoint"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestPickleIsRefused(t *testing.T) {
	marker := filepath.Join(t.TempDir(), "called")
	command := str("touch " + marker)
	for object, want := range map[string]string{
		call(glob("os", "system"), command):                         "pickle asks for os.system: refused",
		call(glob("posix", "system"), command):                      "pickle asks for posix.system: refused",
		str("nt") + str("system") + "\x93" + tup(command) + "R":     "pickle asks for nt.system: refused",
		dict(str("args"), call(glob("builtins", "eval"), str("1"))): "pickle asks for builtins.eval: refused",
		glob("builtins", "exec"):                                    "pickle asks for builtins.exec: refused",
		glob("subprocess", "Popen") + tup(list(command)) + "\x81":   "pickle asks for subprocess.Popen: refused",
		call(glob("builtins", "getattr"), str("os"), str("system")): "pickle asks for builtins.getattr: refused",
		call(glob("__builtin__", "getattr")):                        "pickle asks for __builtin__.getattr: refused",
		"(" + command + "ios\nsystem\n":                             "pickle asks for os.system: refused",
		glob("torch.nn.modules.linear", "Linear"):                   "the file holds torch.nn.modules.linear.Linear, want a dict of tensors",
		call(glob("torch._utils", "_rebuild_sparse_tensor")):        "pickle asks for torch._utils._rebuild_sparse_tensor: refused",
		glob("a\x1b[2J", strings.Repeat("b", 1000)):                 `pickle asks for a\x1b[2J.bbb`,
		call(dict(), command):                                       "calls a dict",
		call(call(glob("argparse", "Namespace")), command):          "the file holds an object of class argparse.Namespace, want a dict of tensors",
		call(glob("torch", "FloatStorage"), command):                "calls torch.FloatStorage, which is no function",
		glob("argparse", "Namespace") + "NR":                        "calls argparse.Namespace with None, want a tuple",
		call(glob("torch._utils", "_rebuild_tensor_v2")):            "0 arguments, want at least 4",
		tup(str("storage"), none, none, none, none) + "Q":           "type of a storage is None",
		none + "Q":                "persistent id is None",
		storage("Float", "0", -1): "size of storage 0 is not possible",
		storage("Float", "0", 1) + storage("Half", "0", 2) + "0": "storage 0 is F32 of 4 bytes and F16 of 4 bytes",
		"I1\n":                                 "torch.save does not write this one",
		"X\xff\xff\xff\x7f":                    "wants 2147483647 bytes of the",
		"\x8d\xff\xff\xff\xff\xff\xff\xff\xff": "wants 18446744073709551615 bytes of the",
		"0":                                    "the stack is empty",
		"t":                                    "no mark on the stack",
		"h\x07":                                "nothing in the memo at 7",
		"}(Nu":                                 "a key without a value",
		"NNa":                                  "appends to None",
		"N(NNu":                                "sets items of None",
		"NN\x93":                               "the name of a global is not a string",
		"\x80\x07":                             "protocol 7, want 2 to 5",
		"NN":                                   "pickle ends with 2 values and 0 marks",
		"(N":                                   "pickle ends with 1 values and 1 marks",
		call(glob("torch._utils", "_rebuild_parameter"), none):              "want a tensor",
		call(glob("collections", "OrderedDict"), list()):                    "made of items, want none",
		dict(str(strings.Repeat("k", 4097)), none):                          "a key of 4097 bytes, want at most 4096",
		storage("Float", strings.Repeat("k", 4097), 1):                      "want a string of at most 4096 bytes",
		view(storage("Float", "0", 1), 0, make([]int, 65), make([]int, 65)): "65 dimensions, want at most 64",
		call(glob("torch", "Size"), none):                                   "want a tuple",
	} {
		for _, raw := range [][]byte{torchZip(t, object), torchLegacy(object, 4)} {
			_, err := decode(raw)
			assert.ErrorContains(t, err, "checkpoint: w.pth: ")
			assert.ErrorContains(t, err, want)
			assert.NotContains(t, err.Error(), "\n")
			assert.Less(t, len(err.Error()), 400)
		}
	}
	assert.NoFileExists(t, marker)
}

func TestViewsBeyondTheirStorageAreRefused(t *testing.T) {
	const huge = 1 << 62
	for _, test := range []struct {
		offset        int
		shape, stride []int
		want          string
	}{
		{0, []int{5}, []int{1}, "shape [5], strides [1] from element 0 on reach beyond storage 0 of 4 elements"},
		{1, []int{4}, []int{1}, "reach beyond"},
		{4, []int{1}, []int{1}, "reach beyond"},
		{huge, []int{1}, []int{1}, "reach beyond"},
		{-1, []int{1}, []int{1}, "offset an integer, 1 sizes, 1 strides do not fit"},
		{0, []int{2}, []int{huge}, "reach beyond"},
		{0, []int{2, 2}, []int{2, 2}, "reach beyond"},
		{0, []int{3, 3}, []int{huge, huge}, "reach beyond"},
		{0, []int{-1}, []int{1}, "a size or stride is not a whole number"},
		{0, []int{2}, []int{-1}, "a size or stride is not a whole number"},
		{0, []int{2}, []int{1, 1}, "1 sizes, 2 strides do not fit"},
		{0, []int{huge, huge}, []int{0, 0}, "is not possible"},
		{0, []int{0, huge}, []int{1, 1}, "is not possible"},
		{0, []int{65}, []int{0}, "expand 1 elements to more than 64 times as many"},
		{0, []int{1 << 40}, []int{0}, "expand 1 elements to more than 64 times as many"},
		{3, []int{64}, []int{0}, ""},
		{0, []int{2, 2}, []int{2, 1}, ""},
		{0, []int{1, 4}, []int{huge, 1}, ""},
		{9, []int{0}, []int{1}, ""},
	} {
		object := dict(str("w"), view(storage("Float", "0", 4), test.offset, test.shape, test.stride))
		data := strings.Repeat("\x00\x00\x80?", 4)
		for _, raw := range [][]byte{torchZip(t, object, data), torchLegacy(object, 4, data)} {
			f, err := decode(raw)
			if test.want != "" {
				assert.ErrorContains(t, err, test.want, "%v", test)
				continue
			}
			require.NoError(t, err, "%v", test)
			x, err := f.Tensor("w")
			require.NoError(t, err)
			for _, v := range x.Data() {
				assert.Equal(t, float32(1), v)
			}
		}
	}
}

func TestBadArchives(t *testing.T) {
	object := proto + dict(str("w"), view(storage("Float", "0", 2), 0, []int{2}, []int{1})) + "."
	pickle := member{name: "a/data.pkl", data: object}
	data := member{name: "a/data/0", data: "\x00\x00\x80?\x00\x00\x80?"}
	bomb := func(n int) string {
		object := proto + dict(str("w"), view(storage("Float", "0", n), 0, []int{n}, []int{1})) + "."
		return string(archive(t, member{name: "a/data.pkl", data: object}, member{"a/data/0", strings.Repeat("\x00", 4*n), zip.Deflate}))
	}
	for want, raw := range map[string][]byte{
		"zip archive without data.pkl":                       archive(t, data),
		"zip archive: storage 0 has no member":               archive(t, pickle),
		"zip archive: both a/data.pkl and b/data.pkl":        archive(t, pickle, member{name: "b/data.pkl"}),
		"zip archive: two members a/data/0":                  archive(t, pickle, data, data),
		"zip archive: member a/data/0 holds 7 bytes":         archive(t, pickle, member{name: "a/data/0", data: "1234567"}),
		`a/byteorder: byte order "big", want little`:         archive(t, pickle, data, member{name: "a/byteorder", data: "big"}),
		"members take more than 100 times the archive's":     []byte(bomb(8 << 20)),
		"pickle ends early: wants 1 bytes of the 0 left":     archive(t, member{name: "a/data.pkl"}, data),
		"a/data.pkl: pickle: opcode 0x58 at byte 3: wants 1": archive(t, member{name: "a/data.pkl", data: proto + "}X\x01\x00\x00\x00"}, data),
		"zip archive cut short or damaged: ":                 archive(t, pickle, data)[:100],
		"packing method 12, want stored or deflated":         method(archive(t, pickle, data), 12),
		"pickle of more than 4194304 opcodes":                archive(t, member{"a/data.pkl", proto + strings.Repeat("N0", 3<<20), zip.Store}),
		"pickle of more than 66":                             archive(t, member{"a/data.pkl", proto + strings.Repeat("}", 1<<20), zip.Deflate}),
	} {
		_, err := decode(raw)
		assert.ErrorContains(t, err, "checkpoint: w.pth: ")
		assert.ErrorContains(t, err, want)
	}
	decoded(t, archive(t, pickle, data, member{name: "a/byteorder", data: "little"}))
	decoded(t, []byte(bomb(1<<17)))
}

// method changes the packing method that the directory says of every member.
func method(raw []byte, m uint16) []byte {
	for i := range raw {
		if bytes.HasPrefix(raw[i:], []byte("PK\x01\x02")) {
			binary.LittleEndian.PutUint16(raw[i+10:], m)
		}
	}
	return raw
}

func TestBadStreams(t *testing.T) {
	object := dict(str("w"), view(storage("Float", "0", 2), 0, []int{2}, []int{1}))
	good := string(torchLegacy(object, 4, "\x00\x00\x80?\x00\x00\x80?"))
	decoded(t, []byte(good))
	decoded(t, []byte("\x80\x04\x95\x0d\x00\x00\x00\x00\x00\x00\x00"+good[2:])) // as protocol 4 begins
	for want, raw := range map[string]string{
		"legacy stream: protocol is not 1001":           strings.Replace(good, "M\xe9\x03.", "M\xea\x03.", 1),
		"legacy stream: byte order is not little":       strings.Replace(good, "little_endian"+yes, "little_endian\x89", 1),
		"legacy stream: storage 0 holds 3 elements":     strings.Replace(good, le(2, 8)+"\x00\x00\x80?", le(3, 8)+"\x00\x00\x80?", 1),
		"storage 0: 7 of 8 bytes are there":             good[:len(good)-1],
		"legacy stream: storage 0: EOF":                 good[:len(good)-16],
		"legacy stream: storage 0 is not in the file":   string(torchLegacy(object, 4)),
		"key 0 of a storage is unknown or given twice":  string(torchLegacy(dict(), 4, "1234")),
		"keys of storages are a dict, want a list":      strings.Replace(good, proto+"]("+str("0")+"e.", proto+"}.", 1),
		"storage 0 is a view of another: not supported": strings.Replace(good, "tQ", num(1)+"tQ", 1),
	} {
		_, err := decode([]byte(raw))
		assert.ErrorContains(t, err, "checkpoint: w.pth: ")
		assert.ErrorContains(t, err, want)
	}
}

// readAll reads every tensor of a file that may be damaged.
func readAll(f *checkpoint.File) error {
	for _, name := range f.Names() {
		if _, err := f.Tensor(name); err != nil {
			return err
		}
	}
	return nil
}

var fixtures = []string{
	"testdata/dtypes.pt", "testdata/views.pt", "testdata/views_legacy.pt", "testdata/views_protocol4.pt", "testdata/full.pt",
	"testdata/script.pt", "testdata/trace.pt",
	"testdata/golden/clip/model.safetensors", "testdata/golden/clip/model.pt", "testdata/golden/clip/model_legacy.pt",
}

func TestTruncatedFilesAreErrors(t *testing.T) {
	for _, path := range fixtures {
		raw, err := os.ReadFile(path)
		require.NoError(t, err)
		for n := 0; n < len(raw); n += 1 + min(n, len(raw)-n)/25 { // every byte near both ends
			_, err := decode(raw[:n])
			require.Error(t, err, "%s, %d of %d bytes", path, n, len(raw))
			// Lost while open: the size is right, the bytes are not there. What
			// is lost may be padding, so that there need not be an error.
			if f, err := checkpoint.Decode(bytes.NewReader(raw[:n]), int64(len(raw)), path); err == nil {
				_ = readAll(f)
			}
		}
	}
}

func TestFlippedBitsNeverPanic(t *testing.T) {
	for _, path := range fixtures {
		raw, err := os.ReadFile(path)
		require.NoError(t, err)
		for i := 0; i < len(raw); i += 1 + min(i, len(raw)-i)/8 {
			for bit := range 8 {
				raw[i] ^= 1 << bit
				if f, err := decode(raw); err == nil {
					_ = readAll(f) // an element may differ, or a name
				}
				raw[i] ^= 1 << bit
			}
		}
	}
}
