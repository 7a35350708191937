package checkpoint

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// locate returns the regular file that path, as given to Open, means, and the key behind a #.
func locate(path string) (file, key string, info fs.FileInfo, err error) {
	info, err = os.Stat(path) // before opening: opening a pipe would wait
	if i := strings.LastIndexByte(path, '#'); i > 0 && errors.Is(err, fs.ErrNotExist) {
		if s, err2 := os.Stat(path[:i]); err2 == nil {
			path, key, info, err = path[:i], path[i+1:], s, nil
		}
	}
	if err == nil && info.IsDir() {
		if path, err = inFolder(path); err == nil {
			info, err = os.Stat(path)
		}
	}
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s: not a regular file", path)
	}
	return path, key, info, err
}

// inFolder returns the weights file of a folder. As transformers does, it takes model.safetensors before
// pytorch_model.bin, which has the same weights.
func inFolder(folder string) (string, error) {
	list, err := os.ReadDir(folder)
	if err != nil {
		return "", err
	}
	var files []string
	distributed := false
	for _, e := range list {
		if !e.IsDir() && IsWeights(e.Name()) {
			files = append(files, e.Name())
		}
		distributed = distributed || strings.HasSuffix(e.Name(), ".distcp")
	}
	isShard := shardName.MatchString
	if slices.Contains(files, "model.safetensors") {
		files = slices.DeleteFunc(files, func(f string) bool { return f == "pytorch_model.bin" })
	}
	switch {
	case len(files) == 1:
		return filepath.Join(folder, files[0]), nil
	case len(files) > 1 && !slices.ContainsFunc(files, func(f string) bool { return !isShard(f) }):
		return "", unreadable{fmt.Errorf("%s: not a regular file but a folder of weights in %d files (%s, ...), which cannot be read together: merge them into one, with save_pretrained(folder, max_shard_size=...)",
			folder, len(files), Clean(files[0]))}
	case len(files) == 0 && distributed:
		return "", unreadable{fmt.Errorf("%s: not a regular file but a distributed checkpoint: make it one file, with torch.distributed.checkpoint.format_utils.dcp_to_torch_save", folder)}
	case len(files) == 0:
		return "", unreadable{fmt.Errorf("%s: not a regular file but a folder, and no weights (.safetensors, .pth, .pt, .bin, .ckpt) are in it", folder)}
	}
	for i, f := range files {
		files[i] = Clean(f)
	}
	return "", unreadable{fmt.Errorf("%s: not a regular file but a folder of several weights files: state one of %s", folder, firstOf(files))}
}

// IsWeights reports whether a file in a folder may hold weights, by its name: .safetensors, .pth, .pt, .bin, .ckpt or
// .pth.tar, but not hidden and not the training_args.bin of transformers.
func IsWeights(name string) bool {
	name = strings.ToLower(name)
	return !strings.HasPrefix(name, ".") && !strings.HasSuffix(name, "training_args.bin") &&
		slices.ContainsFunc([]string{".safetensors", ".pth", ".pt", ".bin", ".ckpt", ".pth.tar"}, func(end string) bool { return strings.HasSuffix(name, end) })
}

var shardName = regexp.MustCompile(`-0*(\d+)-of-0*(\d+)\.\w+$`)

// Shard returns which of how many files a file is, counted from 1, if its name is that of one of several that
// hold one model's weights together, such as model-00001-of-00003.safetensors. Otherwise it is 1 of 1.
func Shard(path string) (i, of int) {
	if m := shardName.FindStringSubmatch(path); m != nil {
		i, _ = strconv.Atoi(m[1])
		of, _ = strconv.Atoi(m[2])
		return i, of
	}
	return 1, 1
}
