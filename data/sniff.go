package data

import (
	"bytes"
	"slices"
	"strings"
)

// A stranger is a kind of file that people have among their photographs and that is not read.
type stranger struct{ magic, name, advice string }

const (
	saveAs  = "save it as JPEG"
	convert = "develop it to JPEG or TIFF"
)

// strangers are told by their first bytes, where ? is any byte. Those with the advice saveAs or convert are
// pictures. HEIC, AVIF and other kinds in ISO boxes are told by their brand.
var strangers = []stranger{
	{"FUJIFILMCCD-RAW", "a camera RAW photograph (Fujifilm RAF)", convert},
	{"IIRO", "a camera RAW photograph (Olympus ORF)", convert},
	{"IIRS", "a camera RAW photograph (Olympus ORF)", convert},
	{"MMOR", "a camera RAW photograph (Olympus ORF)", convert},
	{"IIU\x00", "a camera RAW photograph (Panasonic RW2)", convert},
	{"FOVb", "a camera RAW photograph (Sigma X3F)", convert},
	{"\x00MRM", "a camera RAW photograph (Minolta MRW)", convert},
	{"II\x1a\x00\x00\x00HEAPCCDR", "a camera RAW photograph (Canon CRW)", convert},
	{"\x00\x00\x00\x0cjP  \r\n\x87\n", "a JPEG 2000 image", saveAs},
	{"\xff\x4f\xff\x51", "a JPEG 2000 image", saveAs},
	{"\x00\x00\x00\x0cJXL \r\n\x87\n", "a JPEG XL image", saveAs},
	{"\xff\x0a", "a JPEG XL image", saveAs},
	{"II\xbc\x01", "a JPEG XR image", saveAs},
	{"8BPS", "a Photoshop document", saveAs},
	{"gimp xcf", "a GIMP document", saveAs},
	{"v/1\x01", "an OpenEXR image", saveAs},
	{"#?RADIANCE", "a Radiance HDR image", saveAs},
	{"\x00\x00\x01\x00", "a Windows icon", saveAs},
	{"DDS ", "a DDS texture", saveAs},
	{"AT&TFORM", "a DjVu document", saveAs},
	{"%PDF-", "a PDF document", saveAs},
	{"%!PS", "a PostScript document", saveAs},
	{"RIFF????AVI ", "an AVI video", ""},
	{"RIFF????WAVE", "a sound", ""},
	{"\x1aE\xdf\xa3", "a Matroska or WebM video", ""},
	{"PK\x03\x04", "a ZIP archive", "unpack it"},
	{"Rar!", "a RAR archive", "unpack it"},
	{"7z\xbc\xaf\x27\x1c", "a 7z archive", "unpack it"},
	{"\x1f\x8b", "a gzip file", "unpack it"},
	{"\x93NUMPY", "a NumPy array", ""},
	{"\x89HDF", "an HDF5 file", ""},
	{"SQLite format 3\x00", "an SQLite database", ""},
	{"\x00\x05\x16\x07", "macOS metadata (AppleDouble), of which the photograph is the file without ._ in its name", ""},
	{"L\x00\x00\x00\x01\x14\x02\x00", "a Windows shortcut", ""},
	{"version https://git-lfs", "a Git LFS pointer", "run git lfs pull"},
	{"{", "JSON text", ""},
}

// short returns the name without article and kind: "HEIC" of "an HEIC photograph".
func (s *stranger) short() string {
	name := strings.TrimPrefix(strings.TrimPrefix(s.name, "a "), "an ")
	name, _, _ = strings.Cut(name, " (")
	return strings.TrimSuffix(strings.TrimSuffix(name, " photograph"), " image")
}

// sniff returns the format of a file with these contents.
func sniff(data []byte) (*format, error) {
	if len(data) == 0 {
		return nil, faultf(ErrNotImage, "empty file (0 bytes)")
	}
	for i := range formats {
		if matches(data, formats[i].magic) {
			return &formats[i], nil
		}
	}
	if s := strange(data); s != nil {
		switch s.advice {
		case saveAs, convert:
			return nil, faultf(ErrUnsupported, "it is %s, which cannot be read: %s", s.name, s.advice)
		case "":
			return nil, faultf(ErrNotImage, "not an image, but %s", s.name)
		}
		return nil, faultf(ErrNotImage, "not an image, but %s: %s", s.name, s.advice)
	}
	return nil, faultf(ErrNotImage, "not an image: starts with %q, want JPEG, PNG, GIF, BMP, TIFF or WebP", data[:min(9, len(data))])
}

// strange returns what a file that is not of our formats is; nil if unknown.
func strange(data []byte) *stranger {
	if len(data) >= 12 && string(data[4:8]) == "ftyp" {
		return boxed(data)
	}
	for i := range strangers {
		if matches(data, strangers[i].magic) {
			return &strangers[i]
		}
	}
	if len(data) >= 3 && data[0] == 'P' && data[1] >= '1' && data[1] <= '7' && bytes.IndexByte([]byte(" \t\r\n"), data[2]) >= 0 {
		return &stranger{"", "a Netpbm image", saveAs}
	}
	if len(data) >= 132 && string(data[128:132]) == "DICM" {
		return &stranger{"", "a DICOM image", saveAs}
	}
	if len(bytes.Trim(data[:min(512, len(data))], "\x00")) == 0 {
		return &stranger{"", "zero bytes, as an interrupted copy or a failing disk leaves them", ""}
	}
	text := bytes.ToLower(bytes.TrimSpace(bytes.TrimPrefix(data[:min(1024, len(data))], []byte("\xef\xbb\xbf"))))
	markup := bytes.HasPrefix(text, []byte("<?xml")) || bytes.HasPrefix(text, []byte("<!--")) || bytes.HasPrefix(text, []byte("<!doctype svg"))
	switch {
	case bytes.HasPrefix(text, []byte("<svg")), markup && bytes.Contains(text, []byte("<svg")):
		return &stranger{"", "an SVG drawing", saveAs}
	case bytes.HasPrefix(text, []byte("<!doctype html")), bytes.HasPrefix(text, []byte("<html")), markup && bytes.Contains(text, []byte("<html")):
		return &stranger{"", "a web page", "download the photograph anew"}
	case bytes.HasPrefix(text, []byte("<?xml")):
		return &stranger{"", "XML text", ""}
	}
	return nil
}

// boxed tells files of ISO base media boxes by their brands: the major one and those that it is compatible
// with (ISO/IEC 14496-12, 4.3; ISO/IEC 23008-12, 10).
func boxed(data []byte) *stranger {
	brands := []string{string(data[8:12])}
	size := int(data[2])<<8 | int(data[3])
	for p := 16; p+4 <= min(size, len(data)); p += 4 {
		brands = append(brands, string(data[p:p+4]))
	}
	for _, known := range []struct {
		name, advice string
		brands       []string
	}{
		{"a camera RAW photograph (Canon CR3)", convert, []string{"crx "}},
		{"an AVIF photograph", saveAs, []string{"avif", "avis"}},
		{"an HEIC photograph", saveAs, []string{"heic", "heix", "heim", "heis", "hevc", "hevx"}},
		{"a JPEG XL image", saveAs, []string{"jxl "}},
		{"a JPEG 2000 image", saveAs, []string{"jp2 ", "jpx "}},
		{"an HEIF photograph", saveAs, []string{"mif1", "msf1", "mif2", "miaf"}},
	} {
		if slices.ContainsFunc(brands, func(b string) bool { return slices.Contains(known.brands, b) }) {
			return &stranger{"", known.name, known.advice}
		}
	}
	return &stranger{"", "a video", ""}
}

// matches reports whether a file begins with magic, where ? is any byte.
func matches(data []byte, magic string) bool {
	for i, c := range []byte(magic) {
		if i >= len(data) || c != '?' && c != data[i] {
			return false
		}
	}
	return true
}
