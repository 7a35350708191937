package checkpoint_test

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"github.com/promptcam/promptcam/tensor/checkpoint"
	"github.com/stretchr/testify/require"
)

// A pickler of a few functions, each of which returns the opcodes that leave
// one value on the stack, to write the files that torch.save never would.

const (
	none   = "N"
	yes    = "\x88"
	proto  = "\x80\x02"
	magic  = proto + "\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."
	header = magic + proto + "M\xe9\x03." // the protocol's number, 1001
)

func le(n int, bytes int) string {
	return string(binary.LittleEndian.AppendUint64(nil, uint64(n))[:bytes])
}

func str(s string) string          { return "X" + le(len(s), 4) + s }
func num(n int) string             { return "\x8a\x08" + le(n, 8) }
func tup(items ...string) string   { return "(" + strings.Join(items, "") + "t" }
func list(items ...string) string  { return "](" + strings.Join(items, "") + "e" }
func dict(pairs ...string) string  { return "}(" + strings.Join(pairs, "") + "u" }
func glob(module, n string) string { return "c" + module + "\n" + n + "\n" }
func call(f string, args ...string) string {
	return f + tup(args...) + "R"
}

// scripted is an object of a TorchScript class.
func scripted(name string, attrs ...string) string {
	return glob("__torch__", name) + ")\x81" + dict(attrs...) + "b"
}

func nums(ns []int) string {
	out := ""
	for _, n := range ns {
		out += num(n)
	}
	return "(" + out + "t"
}

// storage is a persistent id, of a type such as Float.
func storage(typ, key string, elements int) string {
	return tup(str("storage"), glob("torch", typ+"Storage"), str(key), str("cpu"), num(elements)) + "Q"
}

func view(storage string, offset int, shape, stride []int) string {
	return call(glob("torch._utils", "_rebuild_tensor_v2"), storage, num(offset), nums(shape), nums(stride), yes, none)
}

// member is a file of an archive.
type member struct {
	name, data string
	method     uint16
}

func archive(t testing.TB, members ...member) []byte {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, m := range members {
		w, err := z.CreateHeader(&zip.FileHeader{Name: m.name, Method: m.method})
		require.NoError(t, err)
		_, err = w.Write([]byte(m.data))
		require.NoError(t, err)
	}
	require.NoError(t, z.Close())
	return b.Bytes()
}

// torchZip is what torch.save writes for an object and the bytes of storages 0, 1, ...
func torchZip(t testing.TB, object string, storages ...string) []byte {
	members := []member{{name: "a/data.pkl", data: proto + object + "."}}
	for i, s := range storages {
		members = append(members, member{name: fmt.Sprint("a/data/", i), data: s})
	}
	return archive(t, members...)
}

// torchLegacy is the same as a legacy stream, with elements of width bytes.
func torchLegacy(object string, width int, storages ...string) []byte {
	out := header + proto + dict(str("protocol_version"), num(1001), str("little_endian"), yes) + "." + proto + object + "."
	keys, data := "", ""
	for i, s := range storages {
		keys += str(fmt.Sprint(i))
		data += le(len(s)/width, 8) + s
	}
	return []byte(out + proto + "](" + keys + "e." + data)
}

func decode(raw []byte) (*checkpoint.File, error) {
	return checkpoint.Decode(bytes.NewReader(raw), int64(len(raw)), "w.pth")
}

func decoded(t testing.TB, raw []byte) *checkpoint.File {
	f, err := decode(raw)
	require.NoError(t, err)
	return f
}
