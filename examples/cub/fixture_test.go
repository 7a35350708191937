package main

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/promptcam/promptcam/data/datatest"
	"github.com/promptcam/promptcam/tensor"
	"github.com/promptcam/promptcam/tensor/checkpoint"
	"github.com/promptcam/promptcam/vit"
	"github.com/stretchr/testify/require"
)

// tiny is a backbone small enough to train in a moment.
var tiny = vit.Config{
	Name: "tiny", ImageSize: [2]int{32, 32}, PatchSize: 8, Dim: 24, Depth: 3, Heads: 3, Hidden: 48, Eps: 1e-6,
	Mean: [3]float32{0.5, 0.5, 0.5}, Std: [3]float32{0.5, 0.5, 0.5},
}

type tensors = map[string]*tensor.Tensor

// tinyBackbone writes random weights of tiny in timm's names, changed by change,
// and its config; it returns both paths.
func tinyBackbone(t *testing.T, change func(tensors)) (weights, arch string) {
	t.Helper()
	rng := rand.New(rand.NewPCG(1, 2))
	all := map[string]*tensor.Tensor{}
	random := func(name string, shape ...int) {
		x := tensor.New(shape...)
		for i := range x.Data() {
			x.Data()[i] = float32(rng.NormFloat64() * 0.2)
		}
		all[name] = x
	}
	norm := func(name string) {
		random(name+".bias", tiny.Dim)
		all[name+".weight"] = tensor.New(tiny.Dim)
		all[name+".weight"].Fill(1)
	}
	linear := func(name string, in, out int) {
		random(name+".weight", out, in)
		random(name+".bias", out)
	}
	d := tiny.Dim
	random("cls_token", 1, 1, d)
	random("pos_embed", 1, 17, d)
	random("patch_embed.proj.weight", d, 3, tiny.PatchSize, tiny.PatchSize)
	random("patch_embed.proj.bias", d)
	for i := range tiny.Depth {
		block := fmt.Sprintf("blocks.%d.", i)
		norm(block + "norm1")
		linear(block+"attn.qkv", d, 3*d)
		linear(block+"attn.proj", d, d)
		norm(block + "norm2")
		linear(block+"mlp.fc1", d, tiny.Hidden)
		linear(block+"mlp.fc2", tiny.Hidden, d)
	}
	norm("norm")
	if change != nil {
		change(all)
	}
	dir := t.TempDir()
	weights, arch = filepath.Join(dir, "tiny.safetensors"), filepath.Join(dir, "tiny.json")
	require.NoError(t, checkpoint.Save(weights, all, nil))
	text, err := json.Marshal(tiny)
	require.NoError(t, err)
	write(t, arch, string(text))
	return weights, arch
}

func write(t *testing.T, path, text string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
}

// lists draws n training and m test pictures of each class in CUB's layout.
func lists(t *testing.T, dir string, n, m int) string {
	t.Helper()
	var images, classes, labels, split strings.Builder
	id := 0
	for class, name := range datatest.Classes {
		folder := fmt.Sprintf("%03d.%s", class+1, name)
		fmt.Fprintf(&classes, "%d %s\n", class+1, folder)
		for i := range n + m {
			id++
			datatest.Photograph(t, filepath.Join(dir, "images", folder, fmt.Sprintf("%d.jpg", i)), class, i)
			fmt.Fprintf(&images, "%d %s/%d.jpg\n", id, folder, i)
			fmt.Fprintf(&labels, "%d %d\n", id, class+1)
			fmt.Fprintf(&split, "%d %d\n", id, map[bool]int{true: 1, false: 0}[i < n])
		}
	}
	for name, text := range map[string]*strings.Builder{
		"images.txt": &images, "classes.txt": &classes, "image_class_labels.txt": &labels, "train_test_split.txt": &split,
	} {
		write(t, filepath.Join(dir, name), text.String())
	}
	return dir
}

// cub runs the program.
func cub(t *testing.T, ctx context.Context, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	var out, warnings strings.Builder
	err = command(ctx, args, &out, &warnings)
	return out.String(), warnings.String(), err
}

// must runs the program, which must succeed.
func must(t *testing.T, args ...string) string {
	t.Helper()
	stdout, stderr, err := cub(t, t.Context(), args...)
	require.NoError(t, err, stderr)
	return stdout
}

// fails runs the program, which must fail with one line that has all of words.
func fails(t *testing.T, args []string, words ...string) {
	t.Helper()
	_, stderr, err := cub(t, t.Context(), args...)
	require.Error(t, err)
	for _, word := range words {
		require.Contains(t, err.Error()+"\n"+stderr, word)
	}
	require.NotContains(t, err.Error(), "goroutine")
}

func read(t *testing.T, path ...string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(path...))
	require.NoError(t, err)
	return string(b)
}

// table reads a CSV file.
func table(t *testing.T, path ...string) [][]string {
	t.Helper()
	rows, err := csv.NewReader(strings.NewReader(read(t, path...))).ReadAll()
	require.NoError(t, err)
	return rows
}

// readMetrics reads metrics.json as whoever uses it would.
func readMetrics(t *testing.T, out string) map[string]any {
	t.Helper()
	var m map[string]any
	require.NoError(t, json.Unmarshal([]byte(read(t, out, "metrics.json")), &m))
	return m
}

// files lists the files below dir.
func files(t *testing.T, dir string) []string {
	t.Helper()
	var all []string
	require.NoError(t, filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			rel, _ := filepath.Rel(dir, path)
			all = append(all, filepath.ToSlash(rel))
		}
		return err
	}))
	return all
}
