package data

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// utf16Of is what PowerShell writes.
func utf16Of(text string, big bool) string {
	var b strings.Builder
	for _, u := range utf16.Encode([]rune("\ufeff" + text)) {
		if big {
			b.Write([]byte{byte(u >> 8), byte(u)})
		} else {
			b.Write([]byte{byte(u), byte(u >> 8)})
		}
	}
	return b.String()
}

func TestReadText(t *testing.T) {
	for _, text := range []string{"1 Häher\n2 x\n", "\ufeff1 Häher\r\n2 x\r\n", "1 Häher\r2 x\r", utf16Of("1 Häher\r\n2 x\r\n", false), utf16Of("1 Häher\n2 x\n", true)} {
		dir := write(t, map[string][]byte{"list.txt": []byte(text)})
		got, err := ReadText(Dir(dir), "list.txt")
		require.NoError(t, err)
		assert.Equal(t, "1 Häher\n2 x\n", string(got))
	}
	dir := write(t, map[string][]byte{"a/list.txt": nil})
	_, err := ReadText(Dir(dir), "a")
	assert.EqualError(t, err, filepath.Join(dir, "a")+": not a file, but a folder")
	_, err = ReadText(nil, filepath.Join(dir, "none"))
	assert.ErrorIs(t, err, os.ErrNotExist)
	long := filepath.Join(dir, "a", "list.txt")
	require.NoError(t, os.Truncate(long, MaxText+1)) // sparse
	_, err = ReadText(nil, long)
	assert.EqualError(t, err, long+": 134217729 bytes, want a text of at most 134217728")
	if _, err := os.Stat("/dev/zero"); err == nil {
		require.NoError(t, os.Symlink("/dev/zero", filepath.Join(dir, "images.txt")))
		_, err = Open(dir, Options{})
		assert.ErrorContains(t, err, "1 class found (a)", "images.txt alone is no CUB")
		require.NoError(t, os.Mkdir(filepath.Join(dir, "images"), 0o755))
		_, err = Open(dir, Options{})
		assert.ErrorContains(t, err, "not a file, but a device, pipe or socket")
		_, err = OpenAnnotations(dir)
		assert.ErrorContains(t, err, "not a file, but a device, pipe or socket")
	}
}

// CUB's lists may have been through Windows, a spreadsheet or PowerShell, or be NABirds'.
func TestOpenCUBVariants(t *testing.T) {
	want, err := Open(cubFolder(t, cubText), Options{})
	require.NoError(t, err)
	each := func(change func(list int, text string) string) [4]string {
		text := cubText
		for i := range text {
			text[i] = change(i, text[i])
		}
		return text
	}
	uuid := func(id string) string {
		return "0000139e-21dc-4d0c-bfe1-4cae3c85c8" + strings.Repeat("0", 2-len(id)) + id
	}
	for name, text := range map[string][4]string{
		"backslashes": each(func(_ int, text string) string { return strings.ReplaceAll(text, "/", `\`) }),
		"tabs": each(func(_ int, text string) string {
			var b strings.Builder
			for l := range strings.Lines(text) {
				b.WriteString(strings.Replace(l, " ", "\t", 1))
			}
			return b.String()
		}),
		"UTF-16":   each(func(_ int, text string) string { return utf16Of(text, false) }),
		"old Macs": each(func(_ int, text string) string { return strings.ReplaceAll(text, "\n", "\r") }),
		"UUIDs": each(func(list int, text string) string {
			if list == 1 {
				return text
			}
			var b strings.Builder
			for l := range strings.Lines(text) {
				id, rest, _ := strings.Cut(l, " ")
				b.WriteString(uuid(id) + " " + rest)
			}
			return b.String()
		}),
	} {
		s, err := Open(cubFolder(t, text), Options{})
		require.NoError(t, err, name)
		assert.Equal(t, want.Train, s.Train, name)
		assert.Equal(t, want.Test, s.Test, name)
		assert.Equal(t, want.Classes, s.Classes, name)
	}
	text := cubText
	text[1] += "0 Birds\n3 Owls\n"
	dir := cubFolder(t, text)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "hierarchy.txt"), []byte("1 0\n2 0\n3 0\n"), 0o644))
	s, err := Open(dir, Options{})
	require.NoError(t, err)
	assert.Equal(t, want.Classes, s.Classes, "groups of classes have no images")

	text = cubText
	text[0] += "11 001.Auk\\a.jpg\n"
	text[2] += "11 2\n"
	text[3] += "11 1\n"
	_, err = Open(cubFolder(t, text), Options{})
	assert.ErrorContains(t, err, `images.txt:5: 001.Auk\a.jpg was given on line 1 already`)
}
