package figure

import (
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/promptcam/promptcam/promptcam"
	"github.com/promptcam/promptcam/vit/heat"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func count(m *image.RGBA, c color.RGBA) int {
	n := 0
	for y := range m.Rect.Dy() {
		for x := range m.Rect.Dx() {
			if m.RGBAAt(x, y) == c {
				n++
			}
		}
	}
	return n
}

func TestSheet(t *testing.T) {
	blue := color.RGBA{20, 40, 220, 255}
	photo := plain(300, 200, blue)
	panel := Panel{Heat: spot(0.3), Head: 7, Share: promptcam.Share{Patches: 0.3, Prompts: 0.7}}
	trait := panel
	trait.Sufficient = true

	one := Sheet(photo, "", []Row{{Title: "true: Scott Oriole, 61.2 %", Panels: []Panel{panel, panel}}}, Style{})
	two := Sheet(photo, "", []Row{
		{Title: "true: Scott Oriole, 12.3 %", Panels: []Panel{panel, panel}},
		{Title: "predicted: Hooded Oriole, 45.1 %", Panels: []Panel{panel, panel}},
	}, Style{})
	assert.Equal(t, one.Rect.Dx(), two.Rect.Dx())
	assert.Greater(t, two.Rect.Dy(), one.Rect.Dy()+149, "a second row of maps")
	assert.Equal(t, blue, one.RGBAAt(margin+50, margin+line+50), "the photograph keeps its colours")
	assert.Greater(t, count(one, blue), 2*224*149, "the photograph and what is free of attention")

	framedSheet := Sheet(photo, "", []Row{{Title: "true: Scott Oriole, 61.2 %", Panels: []Panel{trait, panel}}}, Style{})
	assert.Zero(t, count(one, framed))
	assert.Greater(t, count(framedSheet, framed), 2*3*(224+149)-100)

	titled := Sheet(photo, "a title", nil, Style{Panel: 100})
	assert.Equal(t, color.RGBA{255, 255, 255, 255}, titled.RGBAAt(0, 0))
	assert.Positive(t, count(titled, ink))
}

func TestSheetSharesOneScale(t *testing.T) {
	photo := plain(224, 224, color.RGBA{128, 128, 128, 255})
	heats := []heat.Map{spot(0.4), spot(0.01)}
	at := func(s Style, i int) color.RGBA {
		var panels []Panel
		for _, h := range heats {
			panels = append(panels, Panel{Heat: h})
		}
		m := Sheet(photo, "", []Row{{Panels: panels}}, s)
		return m.RGBAAt(margin+(1+i)*(224+margin)+3*16+8, margin+line+10*16+8)
	}
	assert.NotEqual(t, at(Style{}, 0), at(Style{}, 1))
	assert.Equal(t, at(Style{Scale: Relative}, 0), at(Style{Scale: Relative}, 1))
}

func TestLongTextIsCut(t *testing.T) {
	m := plain(300, 40, color.White)
	newText(m).write(10, 20, 100, strings.Repeat("Württemberg \xff ", 40), newText(m).bold, ink)
	for y := range 40 {
		for x := 110; x < 300; x++ {
			require.Equal(t, color.RGBA{255, 255, 255, 255}, m.RGBAAt(x, y))
		}
	}
}

func TestTicks(t *testing.T) {
	assert.InDeltaSlice(t, []float64{0, 0.02, 0.04, 0.06}, ticks(0.07), 1e-12)
	assert.InDeltaSlice(t, []float64{0, 0.1, 0.2, 0.3, 0.4}, ticks(0.4), 1e-12)
	assert.InDeltaSlice(t, []float64{0, 0.005, 0.01}, ticks(0.012), 1e-12)
	for limit := 1e-6; limit < 1; limit *= 1.03 {
		n := len(ticks(limit))
		assert.True(t, n >= 3 && n <= 6, "%g: %d", limit, n)
	}
	assert.Equal(t, []float64{0}, ticks(0))
	assert.Equal(t, "0.51 %", percent(1.0/196))
	assert.Equal(t, "0 %", percent(0))
}

func TestWritePNG(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "sheet.png")
	require.NoError(t, WritePNG(path, plain(5, 4, color.RGBA{1, 2, 3, 255})))

	err := WritePNG(path, image.NewRGBA(image.Rectangle{})) // PNG knows no empty pictures
	require.Error(t, err)
	assert.Contains(t, err.Error(), path)

	f, err := os.Open(path)
	require.NoError(t, err)
	defer f.Close()
	m, err := png.Decode(f)
	require.NoError(t, err, "the first picture is still there")
	assert.Equal(t, image.Rect(0, 0, 5, 4), m.Bounds())

	files, err := os.ReadDir(folder)
	require.NoError(t, err)
	assert.Len(t, files, 1, "no temporary file is left")

	err = WritePNG(filepath.Join(folder, "missing", "sheet.png"), m)
	require.ErrorIs(t, err, os.ErrNotExist)
	assert.Contains(t, err.Error(), "missing")
}
