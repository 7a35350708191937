package download

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// An entry of an archive; one without a type is a file.
type entry struct {
	name, text string
	kind       byte
}

// tgz makes an archive.
func tgz(t testing.TB, entries ...entry) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	for _, e := range entries {
		h := &tar.Header{Name: e.name, Typeflag: e.kind, Mode: 0o7777, Size: int64(len(e.text))}
		switch e.kind {
		case 0:
			h.Typeflag = tar.TypeReg
		case tar.TypeSymlink, tar.TypeLink:
			h.Linkname, h.Size = e.text, 0
		case tar.TypeXGlobalHeader:
			h = &tar.Header{Typeflag: e.kind, PAXRecords: map[string]string{"comment": e.text}}
		}
		require.NoError(t, w.WriteHeader(h), e.name)
		if h.Size > 0 {
			_, err := io.WriteString(w, e.text)
			require.NoError(t, err)
		}
	}
	require.NoError(t, w.Close())
	require.NoError(t, z.Close())
	return b.Bytes()
}

var small = Limits{Files: 10, Bytes: 1000}

// unpacked unpacks an archive into the folder new of an empty one, which it returns.
func unpacked(t testing.TB, archive []byte, l Limits) (dir string, err error) {
	dir = t.TempDir()
	path := filepath.Join(t.TempDir(), "a.tgz")
	require.NoError(t, os.WriteFile(path, archive, 0o644))
	return dir, Unpack(t.Context(), path, filepath.Join(dir, "new"), l, nil)
}

// tree lists the files and folders below dir with what is in the files.
func tree(t testing.TB, dir string) map[string]string {
	all := map[string]string{}
	require.NoError(t, filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		require.NoError(t, err)
		name, err := filepath.Rel(dir, path)
		require.NoError(t, err)
		info, err := e.Info()
		require.NoError(t, err)
		switch name = filepath.ToSlash(name); {
		case name == ".":
		case e.IsDir():
			all[name+"/"] = ""
		default:
			require.True(t, info.Mode().IsRegular(), name)
			require.Zero(t, info.Mode()&(os.ModeSetuid|os.ModeSetgid|0o111), name)
			b, err := os.ReadFile(path)
			require.NoError(t, err)
			all[name] = string(b)
		}
		return nil
	}))
	return all
}

func TestUnpack(t *testing.T) {
	archive := tgz(t, entry{"", "by git", tar.TypeXGlobalHeader}, entry{"./", "", tar.TypeDir}, entry{name: "list.txt", text: "1 a.jpg\n"},
		entry{"birds/", "", tar.TypeDir}, entry{"birds/", "", tar.TypeDir}, entry{name: "birds/a.jpg", text: "photo"}, entry{name: "./x/y/z.txt"}, entry{name: "x/..z"})
	want := map[string]string{
		"new/": "", "new/list.txt": "1 a.jpg\n", "new/birds/": "", "new/birds/a.jpg": "photo", "new/x/": "", "new/x/y/": "", "new/x/y/z.txt": "", "new/x/..z": "",
	}
	dir, err := unpacked(t, archive, small)
	require.NoError(t, err)
	assert.Equal(t, want, tree(t, dir))

	path := filepath.Join(t.TempDir(), "a.tgz")
	require.NoError(t, os.WriteFile(path, append(archive, "zeros or whatever"...), 0o644))
	err = Unpack(t.Context(), path, filepath.Join(dir, "new"), small, nil)
	require.ErrorContains(t, err, "new is there already")

	require.NoError(t, os.MkdirAll(filepath.Join(dir, "2.part", "left by a run that was killed"), 0o755))
	var done, total int64
	require.NoError(t, Unpack(t.Context(), path, filepath.Join(dir, "2"), small, func(d, all int64) { done, total = d, all }))
	assert.Equal(t, total, done)
	assert.NoDirExists(t, filepath.Join(dir, "2.part"))
	assert.FileExists(t, filepath.Join(dir, "2", "birds", "a.jpg"))

	require.NoError(t, UnpackFrom(t.Context(), bytes.NewReader(archive), filepath.Join(dir, "5"), small))
	assert.Equal(t, "photo", tree(t, dir)["5/birds/a.jpg"])
	err = UnpackFrom(t.Context(), bytes.NewReader(archive[:30]), filepath.Join(dir, "6"), small)
	assert.EqualError(t, err, "the archive is cut off")

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, Unpack(ctx, path, filepath.Join(dir, "3"), small, nil), context.Canceled)
	assert.NoDirExists(t, filepath.Join(dir, "3.part"))
	assert.Panics(t, func() { Unpack(ctx, path, filepath.Join(dir, "3"), Limits{}, nil) })
	require.ErrorContains(t, Unpack(t.Context(), filepath.Join(dir, "none.tgz"), filepath.Join(dir, "4"), small, nil), "none.tgz")
}

// What an archive must not do is refused by name, and nothing is left of it anywhere.
func TestUnpackRefuses(t *testing.T) {
	good := entry{name: "good.txt", text: "good"}
	whole := tgz(t, good, entry{name: "random", text: string(contents(900))})
	spoilt := bytes.Clone(whole)
	spoilt[len(spoilt)-6] ^= 1 // in the checksum
	bomb := tgz(t, entry{name: "zeros", text: strings.Repeat("\x00", 1<<20)})
	require.Less(t, len(bomb), 5000)
	many := make([]entry, 11)
	for i := range many {
		many[i].name = string(rune('a' + i))
	}
	for name, c := range map[string]struct {
		archive []byte
		want    string
	}{
		"a path to the outside":    {tgz(t, good, entry{name: "../evil", text: "x"}), `"../evil": it would lie outside the folder`},
		"one that looks local":     {tgz(t, good, entry{name: "a/../../evil", text: "x"}), "outside"},
		"an absolute path":         {tgz(t, good, entry{name: "/evil", text: "x"}), `"/evil": it would lie outside`},
		"a folder outside":         {tgz(t, good, entry{"../evil/", "", tar.TypeDir}), "outside"},
		"a backslash":              {tgz(t, good, entry{name: `..\evil`}), "a character"},
		"a symbolic link":          {tgz(t, good, entry{"link", "/etc", tar.TypeSymlink}, entry{name: "link/evil"}), `"link": it is a link to "/etc"`},
		"a hard link":              {tgz(t, good, entry{"link", "good.txt", tar.TypeLink}), "it is a link"},
		"a device":                 {tgz(t, good, entry{"null", "", tar.TypeChar}), "it is of type '3'"},
		"a pipe":                   {tgz(t, good, entry{"pipe", "", tar.TypeFifo}), "it is of type '6'"},
		"a name twice":             {tgz(t, good, good), `"good.txt": its name is taken`},
		"a file as folder":         {tgz(t, good, entry{name: "good.txt/a"}), "its name is taken"},
		"a folder as file":         {tgz(t, entry{name: "a/b"}, entry{name: "a"}), "its name is taken"},
		"itself":                   {tgz(t, entry{name: "."}), "its name is taken"},
		"a long name":              {tgz(t, entry{name: strings.Repeat("a/", 600) + "b"}), "1201 bytes, want at most 1024"},
		"too many files":           {tgz(t, many...), "more than 10 files and folders"},
		"too many folders":         {tgz(t, entry{name: strings.Repeat("a/", 10) + "b"}), "more than 10 files and folders"},
		"the same folder for ever": {tgz(t, repeat(entry{"a/", "", tar.TypeDir}, 11)...), "more than 10 files and folders"},
		"a large file":             {tgz(t, entry{name: "a", text: strings.Repeat("a", 1001)}), `"a": with it there are more than 1000 bytes`},
		"large files together":     {tgz(t, entry{name: "a", text: strings.Repeat("a", 600)}, entry{name: "b", text: strings.Repeat("b", 600)}), `"b": with it there are more than 1000 bytes`},
		"a bomb":                   {bomb, "more than 1000 bytes"},
		"a bomb behind the end":    {zipped(t, append(plain(t, whole), make([]byte, 1<<24)...)), "it unpacks to more bytes than the limit"},
		"no file":                  {tgz(t, entry{"a/", "", tar.TypeDir}), "no file in it"},
		"no entry":                 {tgz(t), "no file in it"},
		"a wrong checksum":         {spoilt, "checksum"},
		"no archive":               {[]byte("<html>not found</html>"), "gzip: invalid header"},
		"no tar":                   {zipped(t, bytes.Repeat([]byte("text"), 1000)), "archive/tar: invalid tar header"},
		"empty":                    {nil, "cut off"},
		"a cut tar":                {zipped(t, plain(t, whole)[:1800]), "cut off"},
	} {
		t.Run(name, func(t *testing.T) {
			dir, err := unpacked(t, c.archive, small)
			require.ErrorContains(t, err, c.want)
			require.ErrorContains(t, err, "a.tgz")
			assert.Empty(t, tree(t, dir))
		})
	}
	t.Run("cut off anywhere", func(t *testing.T) {
		dir, path := t.TempDir(), filepath.Join(t.TempDir(), "a.tgz")
		for n := range whole {
			require.NoError(t, os.WriteFile(path, whole[:n], 0o644))
			err := Unpack(t.Context(), path, filepath.Join(dir, "new"), small, nil)
			require.ErrorContains(t, err, "the archive is cut off", "after %d of %d bytes", n, len(whole))
			require.Empty(t, tree(t, dir))
		}
	})
}

func repeat(e entry, n int) (all []entry) {
	for range n {
		all = append(all, e)
	}
	return all
}

func zipped(t testing.TB, b []byte) []byte {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	_, err := z.Write(b)
	require.NoError(t, err)
	require.NoError(t, z.Close())
	return out.Bytes()
}

func plain(t testing.TB, archive []byte) []byte {
	z, err := gzip.NewReader(bytes.NewReader(archive))
	require.NoError(t, err)
	b, err := io.ReadAll(z)
	require.NoError(t, err)
	return b
}

// Whatever a tar archive says, nothing is written outside the folder, no more than the limits
// inside, and nothing but files and folders.
func FuzzUnpack(f *testing.F) {
	for _, e := range [][]entry{
		{{name: "a/b", text: "text"}, {name: "c"}},
		{{"a", "..", tar.TypeSymlink}, {name: "a/b"}},
		{{"a", "b", tar.TypeLink}, {"dev", "", tar.TypeBlock}},
		{{name: "../a"}, {name: "/b"}, {name: `..\c`}},
		{{name: strings.Repeat("long/", 60) + "a", text: "x"}},
		{{"", "comment", tar.TypeXGlobalHeader}, {"d/", "", tar.TypeDir}},
	} {
		f.Add(plain(f, tgz(f, e...)))
	}
	f.Fuzz(func(t *testing.T, archive []byte) {
		dir, err := unpacked(t, zipped(t, archive), small)
		all := tree(t, dir)
		if err != nil {
			require.Empty(t, all)
			return
		}
		bytes := 0
		for name, text := range all {
			require.True(t, strings.HasPrefix(name, "new/"), name)
			bytes += len(text)
		}
		require.LessOrEqual(t, len(all), small.Files+1)
		require.LessOrEqual(t, bytes, int(small.Bytes))
	})
}

// The compressed layer too must not be able to do more than fail.
func FuzzUnpackCompressed(f *testing.F) {
	f.Add(tgz(f, entry{name: "a/b", text: "text"}))
	f.Add(tgz(f, entry{name: "zeros", text: strings.Repeat("\x00", 900)}))
	f.Fuzz(func(t *testing.T, archive []byte) {
		dir, err := unpacked(t, archive, small)
		if err != nil {
			require.Empty(t, tree(t, dir))
		}
	})
}
