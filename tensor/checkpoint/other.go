package checkpoint

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
)

// others are kinds of files that come in place of weights, by how they begin, and what to do.
var others = []struct{ begins, what string }{
	{"version https://git-lfs.", "a Git LFS pointer in place of the weights: fetch them with git lfs pull, or download the file itself"},
	{"\xff\xd8\xff", "a JPEG image"},
	{"\x89PNG\r\n\x1a\n", "a PNG image"},
	{"GIF8", "a GIF image"},
	{"II*\x00", "a TIFF image"},
	{"MM\x00*", "a TIFF image"},
	{"%PDF-", "a PDF document"},
	{"\x1f\x8b", "a gzip archive: unpack it, with gunzip or tar -xzf"},
	{"BZh", "a bzip2 archive: unpack it, with bunzip2 or tar -xjf"},
	{"\xfd7zXZ\x00", "an xz archive: unpack it, with unxz or tar -xJf"},
	{"\x28\xb5\x2f\xfd", "a Zstandard archive: unpack it, with unzstd"},
	{"7z\xbc\xaf\x27\x1c", "a 7-Zip archive: unpack it"},
	{"Rar!", "a RAR archive: unpack it"},
	{"PK\x05\x06", "an empty zip archive"},
	{"\x89HDF\r\n\x1a\n", "an HDF5 file, as Keras and TensorFlow save: convert it to safetensors"},
	{"\x93NUMPY", "a NumPy array: convert the weights to safetensors"},
	{"GGUF", "a GGUF file of llama.cpp: use the safetensors that it was made of"},
	{"\x80", "a Python pickle, but not one of torch.save: read it in Python and torch.save its weights"},
}

// other is the error for a file that begins with head, at most 512 bytes, and is neither safetensors nor
// PyTorch's.
func other(head []byte, name string) error {
	if what := whatIs(head, name); what != "" {
		return fmt.Errorf("neither safetensors nor a PyTorch file but %s", what)
	}
	return fmt.Errorf("neither safetensors nor a PyTorch file: it begins with %s", beginning(head))
}

// whatIs names a kind of file and what to do, or returns "".
func whatIs(head []byte, name string) string {
	text := string(head)
	for _, o := range others {
		if strings.HasPrefix(text, o.begins) {
			return o.what
		}
	}
	switch trimmed := strings.ToLower(strings.TrimLeft(strings.TrimPrefix(text, "\ufeff"), " \t\r\n")); {
	case strings.Trim(text, "\x00") == "":
		return "zeros, as an unfinished download leaves: download it again"
	case strings.HasPrefix(text, "RIFF") && len(text) >= 12 && text[8:12] == "WEBP":
		return "a WebP image"
	case len(text) >= 12 && text[4:8] == "ftyp":
		return "a HEIC or AVIF image, or a video"
	case len(text) >= 8 && text[4:8] == "TFL3":
		return "a TensorFlow Lite model: use the PyTorch weights or safetensors that it was made of"
	case len(text) > 262 && text[257:262] == "ustar":
		return "a tar archive: unpack it, with tar -xf"
	case strings.HasPrefix(trimmed, "<!doctype html") || strings.HasPrefix(trimmed, "<html") || strings.HasPrefix(trimmed, "<head"):
		return "an HTML page: the download gave a page of the web site, such as a log-in or an error; it begins with " + beginning(head)
	case strings.HasPrefix(trimmed, "<"):
		return "XML or HTML, as a failed download leaves; it begins with " + beginning(head)
	case strings.HasSuffix(name, ".index.json") || strings.HasPrefix(trimmed, "{") && (strings.Contains(trimmed, `"weight_map"`) || strings.Contains(trimmed, `"total_size"`)):
		return "the index of weights in several files, which cannot be read: merge them into one, with save_pretrained(folder, max_shard_size=...)"
	case strings.HasPrefix(trimmed, "{"):
		return "JSON, such as a model's config: state the weights file beside it; it begins with " + beginning(head)
	case isONNX(head):
		return "an ONNX model: use the PyTorch weights or safetensors that it was made of"
	case !bytes.ContainsFunc(head, func(r rune) bool { return r < ' ' && r != '\n' && r != '\r' && r != '\t' || r == '\ufffd' }):
		return "text: it begins with " + beginning(head)
	}
	return ""
}

func beginning(head []byte) string { return fmt.Sprintf("%q", head[:min(32, len(head))]) }

// isONNX reports whether head begins a ModelProto of onnx.proto: ir_version (field 1), then a producer's name
// (2) or another of its first fields.
func isONNX(head []byte) bool {
	return len(head) > 3 && head[0] == 0x08 && head[1] > 0 && head[1] < 32 && slices.Contains([]byte{0x12, 0x1a, 0x22, 0x3a, 0x42}, head[2])
}

// otherZip is the error for a zip archive that is not PyTorch's.
func otherZip(members []*zip.File) error {
	has := func(end string) bool {
		return slices.ContainsFunc(members, func(m *zip.File) bool { return strings.HasSuffix(m.Name, end) })
	}
	switch {
	case has(".npy"):
		return errors.New("neither safetensors nor a PyTorch file but NumPy's .npz (a zip archive without data.pkl), as JAX's ViTs are published: use a conversion to safetensors, such as timm's")
	case has("model.weights.h5"):
		return errors.New("neither safetensors nor a PyTorch file but a Keras model (a zip archive without data.pkl): convert it to safetensors")
	case has("[Content_Types].xml"):
		return errors.New("neither safetensors nor a PyTorch file but an Office document")
	}
	for _, m := range members {
		if IsWeights(path.Base(m.Name)) {
			return fmt.Errorf("zip archive without data.pkl: not a PyTorch file, but %s is in it: unpack it", Clean(m.Name))
		}
	}
	return errors.New("zip archive without data.pkl: not a PyTorch file")
}
