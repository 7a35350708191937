package run

import (
	"image"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/promptcam/promptcam/data"
	"github.com/promptcam/promptcam/data/birds"
	"github.com/promptcam/promptcam/promptcam"
	"github.com/promptcam/promptcam/vit/heat"
	"github.com/promptcam/promptcam/vit/pretrained"
)

// referred gives a model its reference from the training images of a set.
func referred(t *testing.T, m *promptcam.Model, set *data.Set) {
	t.Helper()
	l, err := data.NewLoader(set.FS, set.Train, data.LoaderConfig{Batch: 4, Transform: m.Transform})
	require.NoError(t, err)
	m.Reference, err = m.Refer(t.Context(), l)
	require.NoError(t, err)
}

func TestSharesOfParts(t *testing.T) {
	region := func(cover ...float64) heat.Region {
		r := heat.Region{W: 4, H: 1, Cover: cover}
		for _, c := range cover {
			r.On = append(r.On, c > 0)
		}
		return r
	}
	h := heat.Map{W: 4, H: 1, Values: []float32{4, 2, -7, 4}}
	head, tail, none := region(0.5, 0.1, 1, 0), region(0, 0.7, 0, 0.05), region(0, 0, 0, 0)
	names := []string{"head", "tail", "legs"}
	got := shares(h, names, []heat.Region{head, tail, none})
	require.Len(t, got, 3)
	assert.Equal(t, []string{"head", "background", "tail"}, []string{got[0].Part, got[1].Part, got[2].Part})
	assert.InDelta(t, 0.425, got[0].Share, 1e-9, "all of the patch that it alone is on, and an eighth of one")
	assert.InDelta(t, 0.4, got[1].Share, 1e-9, "a patch of which parts cover next to nothing")
	assert.InDelta(t, 0.175, got[2].Share, 1e-9)

	h.Values[3] = 0.3 // now the background has too little to be named
	got = shares(h, names, []heat.Region{head, tail, none})
	require.Len(t, got, 2)
	assert.Equal(t, "tail", got[1].Part)
	assert.Nil(t, shares(h, names, []heat.Region{none, none, none}), "an image without annotations")
	assert.Nil(t, shares(h, nil, nil))
	assert.Empty(t, shares(heat.Map{W: 4, H: 1, Values: []float32{0, -1, 0, 0}}, names, []heat.Region{head, tail, none}))
}

func TestSentences(t *testing.T) {
	v := &promptcam.Evidence{Heads: []promptcam.HeadEvidence{
		{Map: heat.Map{W: 4, H: 2, Values: []float32{9, 1, 1, 1, 1, 1, 1, -5}}, Sum: 10}, {Map: heat.Map{W: 4, H: 2, Values: make([]float32, 8)}},
	}}
	assert.Equal(t, "told from a Jay: 87 % of the evidence for it is in 5 of 8 patches", told{Evidence: v}.sentence("a Jay"))
	assert.Equal(t, "told from Jay by: tail (61 % of the evidence for it), wing (20 %)", told{Evidence: v, shares: []share{{"tail", 0.612}, {"wing", 0.2}}}.sentence("Jay"))
	assert.Equal(t, "told from Jay by: tail (61 % of the evidence for it)", told{Evidence: v, shares: []share{{"tail", 0.612}}}.sentence("Jay"))
	v.Heads[0].Sum = -1
	assert.Equal(t, "nothing seen tells it from Jay, for which the patches speak", told{Evidence: v, shares: []share{{"tail", 1}}}.sentence("Jay"))
}

// The evidence for the predicted class is against its look-alike, or against whatever it is compared with, and a
// photograph of that stands beside where there is one.
func TestExplainAsksTheQuestion(t *testing.T) {
	j := job(t, photographs(t, 6), short())
	result, err := j.Train(t.Context(), backbone(t))
	require.NoError(t, err)
	m := result.Model
	photo := filepath.Join(t.TempDir(), "x.png")
	item := result.Set.Test[0]
	img, err := data.ReadImageFS(result.Set.FS, item.Path)
	require.NoError(t, err)
	f, err := os.Create(photo)
	require.NoError(t, err)
	require.NoError(t, png.Encode(f, img))
	require.NoError(t, f.Close())

	explained := func(set *data.Set, compare ...string) (*Explained, image.Config) {
		for e, err := range (&Job{Out: t.TempDir(), Set: set}).Explain(t.Context(), m, []string{photo}, compare...) {
			require.NoError(t, err)
			f, err := os.Open(e.Picture)
			require.NoError(t, err)
			defer f.Close()
			size, err := png.DecodeConfig(f)
			require.NoError(t, err)
			return e, size
		}
		panic("nothing")
	}
	m.Reference = nil
	e, _ := explained(nil)
	runnerUp := m.Classes[e.Explanation.Top(2)[1]]
	assert.Contains(t, e.Text, " "+runnerUp+": ", "without a reference it is the runner-up")
	assert.Contains(t, e.Text, "evidence against the image's mean")

	referred(t, m, result.Set)
	e, alone := explained(nil)
	c := e.Explanation.Predicted()
	alike := m.Classes[m.Reference.LookAlikes[c][0].Class]
	other := m.Classes[m.Reference.LookAlikes[c][1].Class]
	assert.Contains(t, e.Text, "for what images of "+alike+" usually show")
	assert.Contains(t, e.Text, "of "+m.Classes[c]+" against "+alike+"\n")
	assert.Less(t, strings.Index(e.Text, " against "+alike), strings.Index(e.Text, "heads of the prompt of "), "the paper's view comes after")
	_, beside := explained(result.Set)
	assert.Greater(t, beside.Width, alone.Width)
	shouted := *result.Set
	shouted.Classes = nil
	for _, class := range result.Set.Classes {
		shouted.Classes = append(shouted.Classes, strings.ToUpper(class))
	}
	_, spelled := explained(&shouted)
	assert.Equal(t, beside.Width, spelled.Width, "the same class in capitals")

	e, _ = explained(nil, other)
	assert.Contains(t, e.Text, "of "+m.Classes[c]+" against "+other+"\n")
	assert.NotContains(t, e.Text, "against "+alike+"\n")
	e, _ = explained(nil, other, alike, m.Classes[c])
	assert.Less(t, strings.Index(e.Text, "against "+other+"\n"), strings.Index(e.Text, "against "+alike+"\n"))
	e, _ = explained(nil, m.Classes[c])
	assert.Contains(t, e.Text, "against "+alike+"\n", "with itself there is nothing to compare")
}

// The report leads with the evidence, says which parts it is on, and lists the look-alikes.
func TestReportSaysWhatTellsLookAlikesApart(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "birds")
	require.NoError(t, birds.Write(t.Context(), dir, birds.Config{Species: birds.AllSpecies()[:3], Train: 4, Test: 4, Size: 96, Seed: 1}))
	r := DrawnBirds()
	r.Epochs = 1
	trained, err := job(t, dir, r).Train(t.Context(), pretrained.Birds())
	require.NoError(t, err)
	m := trained.Model
	for _, with := range []bool{false, true} {
		m.Reference = nil
		if with {
			referred(t, m, trained.Set)
		}
		j := job(t, dir, r)
		j.Notes, err = OpenNotes(dir)
		require.NoError(t, err)
		_, err = j.Evaluate(t.Context(), m)
		require.NoError(t, err)
		page := read(t, j.path(ReportFile))
		cards := strings.Split(page, "<article ")[1:]
		require.NotEmpty(t, cards)
		for _, card := range cards {
			lead, _, found := strings.Cut(card, `<details class="more">`)
			require.True(t, found)
			assert.Regexp(t, `(told from [^<]* by: (body|head|bill|eye|wing|tail|legs|background) \(\d+ % of the evidence for it\)|nothing seen tells it)`, lead)
			assert.Regexp(t, map[bool]string{true: `(look-alike|true class): `, false: `(runner-up|true class): `}[with], lead)
			assert.Regexp(t, `as annotated, the two differ in: (eye ring|crown)`, lead)
			assert.Equal(t, !with, strings.Contains(lead, "evidence against the image&#39;s mean"))
		}
		assert.Equal(t, with, strings.Contains(page, `id="look-alikes"`))
		assert.Equal(t, with, strings.Contains(page, "its nearest look-alike: "))
		assert.Equal(t, !with, strings.Contains(page, "the runner-up as long as no look-alikes are known"))
	}
}
