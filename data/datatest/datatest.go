// Package datatest draws folders of photographs for tests of programs that read them.
package datatest

import (
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Classes are the classes of Photographs, in the order of their numbers.
var Classes = []string{"blue", "green", "red"}

// Photograph draws a noisy picture of 40x36 pixels in the colour of a class from 0 to 2 and makes its folder.
// It is a PNG if path ends so, else a JPEG. Class and number together are the seed.
func Photograph(t testing.TB, path string, class, number int) {
	t.Helper()
	rng := rand.New(rand.NewPCG(uint64(class), uint64(number)))
	m := image.NewRGBA(image.Rect(0, 0, 40, 36))
	for y := range 36 {
		for x := range 40 {
			v := [3]uint8{uint8(rng.IntN(90)), uint8(rng.IntN(90)), uint8(rng.IntN(90))}
			v[2-class] += 150
			m.SetRGBA(x, y, color.RGBA{v[0], v[1], v[2], 255})
		}
	}
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	f, err := os.Create(path)
	require.NoError(t, err)
	if strings.HasSuffix(path, ".png") {
		require.NoError(t, png.Encode(f, m))
	} else {
		require.NoError(t, jpeg.Encode(f, m, nil))
	}
	require.NoError(t, f.Close())
}

// Photographs draws n pictures of each class in dir/CLASS, JPEG and PNG in turn, and returns dir.
func Photographs(t testing.TB, dir string, n int) string {
	t.Helper()
	for class, name := range Classes {
		for i := range n {
			Photograph(t, filepath.Join(dir, name, fmt.Sprintf("%d%s", i, []string{".jpg", ".png"}[i%2])), class, i)
		}
	}
	return dir
}
