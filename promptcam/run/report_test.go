package run

import (
	"html"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/promptcam/promptcam/data"
	"github.com/promptcam/promptcam/data/birds"
	"github.com/promptcam/promptcam/data/datatest"
	"github.com/promptcam/promptcam/promptcam"
	"github.com/promptcam/promptcam/vit/pretrained"
)

// The share of the correct predictions that no map explains is the one that ranking each of them finds.
func TestSurvivalIsCountedOverAllCorrectPredictions(t *testing.T) {
	dir, b := photographs(t, 30), backbone(t)
	for _, epochs := range []int{1, 6} {
		r := short()
		r.Epochs = epochs
		j := job(t, dir, r)
		said := new([]string)
		j.Observer, said = lines()
		result, err := j.Train(t.Context(), b)
		require.NoError(t, err)

		correct, survive := 0, 0
		for _, it := range result.Set.Test {
			photo, err := data.ReadImageFS(result.Set.FS, it.Path)
			require.NoError(t, err)
			e, err := result.Model.Explain(photo)
			require.NoError(t, err)
			if e.Predicted() != it.Class {
				continue
			}
			correct++
			without := e.Rank(it.Class, promptcam.BlurPatches).Heads[0].Score
			wins := true
			for class, score := range e.Scores {
				wins = wins && (class == it.Class || score < without)
			}
			if wins {
				survive++
			}
		}
		require.Positive(t, correct)
		want := 100 * float64(survive) / float64(correct)
		test := metrics(t, j)["test"].(map[string]any)
		assert.InDelta(t, want, test["survive_blur"], 1e-9)
		assert.LessOrEqual(t, test["survive_blur_low"], test["survive_blur"])
		assert.Equal(t, correct, result.Survival.N)
		page := read(t, j.path(ReportFile))
		share := strconv.FormatFloat(want, 'f', 1, 64) + " %"
		assert.Contains(t, page, "<b>"+share+"</b> of the "+strconv.Itoa(correct)+" correct predictions (95 % interval ")
		assert.Contains(t, strings.Join(*said, "\n"), share+" (")
		assert.Equal(t, strings.Contains(strings.Join(*said, "\n"), "no map explains those"), survive > 0)
	}
}

// Reports are shown to others: they name files and folders without the paths that lead to them.
func TestReportHasNoPaths(t *testing.T) {
	dir, b := photographs(t, 10), backbone(t)
	for _, relative := range []bool{false, true} {
		if relative {
			t.Chdir(filepath.Dir(dir))
			dir = filepath.Join("..", filepath.Base(filepath.Dir(dir)), filepath.Base(dir))
		}
		j := job(t, dir, short())
		j.Out = t.TempDir()
		j.Program, j.Command = "program 1.2", "program --data photographs"
		result, err := j.Train(t.Context(), b)
		require.NoError(t, err)
		test := job(t, dir, Quick())
		test.ModelDir = j.Out
		_, err = test.Evaluate(t.Context(), result.Model)
		require.NoError(t, err)
		for _, j := range []*Job{j, test} {
			for _, file := range []string{ReportFile, MetricsFile, PredictionsFile} {
				text := read(t, j.path(file))
				for _, secret := range []string{os.TempDir(), filepath.Dir(dir), j.Out} {
					assert.NotContains(t, text, secret, file)
				}
			}
		}
		page := read(t, j.path(ReportFile))
		assert.Contains(t, page, "<td>"+filepath.Base(dir)+", 3 classes</td>")
		for _, fact := range []string{"<td>program 1.2</td>", "<td>program --data photographs</td>", ">date</th>"} {
			assert.Contains(t, page, fact)
		}
	}
	for path, want := range map[string]string{"": "", string(filepath.Separator): "", filepath.Join("a", "b"): "b", filepath.Join("a", "..", "b") + "/": "b"} {
		assert.Equal(t, want, folderName(path), path)
	}
	here, err := os.Getwd()
	require.NoError(t, err)
	assert.Equal(t, filepath.Base(here), folderName("."))
}

// Each confusion that is listed leads to a photograph of it, and from there back; all wrong predictions are
// listed.
func TestReportShowsTheConfusions(t *testing.T) {
	r := short()
	r.Epochs, r.Schedule.Base, r.Schedule.Min = 1, 1e-9, 0 // nothing is learned
	j := job(t, photographs(t, 40), r)
	j.Samples = 1
	result, err := j.Train(t.Context(), backbone(t))
	require.NoError(t, err)
	confusions := result.Test.Confusions(30)
	require.NotEmpty(t, confusions)
	page := read(t, j.path(ReportFile))
	ways := regexp.MustCompile(`<div class="way"><a href="#(sample-\d+)">.*<b>(\d+)</b> `).FindAllStringSubmatch(page, -1)
	assert.Len(t, ways, len(confusions))
	sum, wrong := 0, len(result.Set.Test)
	for class := range result.Set.Classes {
		wrong -= result.Test.Confusion[class][class]
	}
	for _, w := range ways {
		n, err := strconv.Atoi(w[2])
		require.NoError(t, err)
		sum += n
		_, card, found := strings.Cut(page, `id="`+w[1]+`">`)
		require.True(t, found)
		header, _, _ := strings.Cut(card, "</header>")
		assert.Contains(t, header, "✗ predicted: ")
		assert.Contains(t, header, `href="#pair-`)
	}
	assert.Equal(t, wrong, sum)
	assert.Contains(t, page, "All "+strconv.Itoa(wrong)+" wrong predictions")
	_, list, _ := strings.Cut(page, `id="mistakes"`)
	list, _, _ = strings.Cut(list, "</details>")
	assert.Equal(t, wrong+1, strings.Count(list, "<tr>"))
}

// The predicted class comes first and is called so; the others are what they are shown as.
func TestRowsSayWhichClassIsWhich(t *testing.T) {
	m, err := promptcam.New(backbone(t), short().model(3), rand.New(rand.NewPCG(1, 1)))
	require.NoError(t, err)
	names := []string{"001.Red_eyed_Bird", "鳥", "red"}
	m.Classes = names
	photo := filepath.Join(t.TempDir(), "0.png")
	datatest.Photograph(t, photo, 0, 0)
	img, err := data.ReadImage(photo)
	require.NoError(t, err)
	e, err := m.Explain(img)
	require.NoError(t, err)
	j := NewJob(Quick(), nil, t.TempDir())
	title := map[int]string{0: "Red-eyed Bird", 1: "鳥", 2: "red"}
	for _, what := range []string{"compared with", "true"} {
		for _, others := range [][]int{nil, {0}, {0, 1, 2, 1}, {e.Predicted()}} {
			rows := j.rows(e, names, nil, what, others...)
			assert.Len(t, rows, len(shown(e, others)))
			assert.True(t, strings.HasPrefix(rows[0].Title, "predicted: "+title[e.Predicted()]+", "))
			seen := map[string]bool{}
			for i, row := range rows {
				assert.False(t, seen[row.Title])
				seen[row.Title] = true
				if i > 0 {
					assert.True(t, strings.HasPrefix(row.Title, what+": "), row.Title)
				}
				assert.Equal(t, strings.Contains(row.Title, "鳥"), strings.Contains(row.Plain, "class 2"))
				assert.Positive(t, row.Blurred)
				assert.False(t, i > 0 && row.StillWins, "only what is predicted can still be")
			}
		}
	}
	other := []int{(e.Predicted() + 1) % 3}
	text := j.description("x.jpg", img, tell(e, names, other...), other)
	first, second := strings.Index(text, "heads of the prompt of "+title[e.Predicted()]), strings.LastIndex(text, "heads of the prompt of ")
	assert.Less(t, first, second)
	assert.GreaterOrEqual(t, first, 0)
	assert.NotContains(t, text, "prompts", "prompts attend to patches alone")
}

// The head that the table names is marked on each card of its class, wherever it ranks.
func TestCardsMarkTheBestHead(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "birds")
	require.NoError(t, birds.Write(t.Context(), dir, birds.Config{Species: birds.AllSpecies()[:3], Train: 4, Test: 4, Size: 96, Seed: 1}))
	r := DrawnBirds()
	r.Epochs = 1
	j := job(t, dir, r)
	var err error
	j.Notes, err = OpenNotes(dir)
	require.NoError(t, err)
	j.Top = 1
	result, err := j.Train(t.Context(), pretrained.Birds())
	require.NoError(t, err)
	page := read(t, j.path(ReportFile))
	cards := strings.Split(page, "<article ")[1:]
	require.NotEmpty(t, cards)
	byName := map[string]int{}
	for i, name := range result.Set.Classes {
		byName[name] = i
	}
	for _, card := range cards {
		folder := filepath.Base(filepath.Dir(regexp.MustCompile(`<header><b>([^<]*)</b>`).FindStringSubmatch(card)[1]))
		best := result.Traits.Classes[byName[folder]].BestHead
		if best < 0 {
			continue
		}
		assert.Regexp(t, `\d+\. head `+strconv.Itoa(best)+`( · needed)? · best head</b>`, card)
		assert.Contains(t, page, "<td>head "+strconv.Itoa(best)+"</td>")
	}
}

// A picture's name is its photograph's, but short enough for every file system, valid, and its own.
func TestPictureNames(t *testing.T) {
	out, taken := t.TempDir(), map[string]bool{}
	name := func(photo string) string { return filepath.Base(pictureName(out, photo, nil, taken)) }
	assert.Equal(t, "oriole-maps.png", name("a/oriole.jpg"))
	assert.Equal(t, "oriole-maps-2.png", name("b/oriole.png"))
	assert.Equal(t, "Oriole-maps-3.png", name("c/Oriole.jpg"), "other letters, but to some file systems one name")
	assert.Equal(t, "\u00e9-maps.png", name("\u00e9.jpg"))
	assert.Equal(t, "e\u0301-maps-2.png", name("e\u0301.jpg"))
	assert.Equal(t, "鳥-maps.png", name("鳥.jpg"))
	assert.Equal(t, "a_-maps.png", name("a\xff.jpg"))
	for _, long := range []string{strings.Repeat("x", 247), strings.Repeat("鳥", 82), "é" + strings.Repeat("🐦", 61)} {
		seen := map[string]bool{}
		for range 12 {
			n := name(long + ".jpg")
			assert.LessOrEqual(t, len(n), 180)
			assert.True(t, utf8.ValidString(n))
			assert.True(t, strings.HasPrefix(n, long[:100]))
			assert.False(t, seen[n])
			seen[n] = true
		}
	}
	m, err := promptcam.New(backbone(t), short().model(2), rand.New(rand.NewPCG(1, 1)))
	require.NoError(t, err)
	m.Classes = []string{"鳥", "a\x1b[31m\u202e<b>"}
	photo := filepath.Join(t.TempDir(), strings.Repeat("鳥", 83)+".png") // 253 bytes
	datatest.Photograph(t, photo, 0, 0)
	for e, err := range (&Job{Out: out}).Explain(t.Context(), m, []string{photo}, "1", "2") {
		require.NoError(t, err)
		assert.FileExists(t, e.Picture)
	}
}

// Names of classes and files harm no page.
func TestReportOfStrangeNames(t *testing.T) {
	dir := t.TempDir()
	for i, class := range []string{"a\x1b[31mred", "b\u202eeulb", "<script>alert(1)<", strings.Repeat("鳥", 84)} {
		for n := range 6 {
			datatest.Photograph(t, filepath.Join(dir, class, strconv.Itoa(n)+"\u2066\x07.png"), i%3, n)
		}
	}
	r := short()
	r.Epochs = 1
	j := job(t, dir, r)
	_, err := j.Train(t.Context(), backbone(t))
	require.NoError(t, err)
	page := read(t, j.path(ReportFile))
	assert.NotRegexp(t, "[\x00-\x08\x0b-\x1f\u202a-\u202e\u2066-\u2069]", page)
	assert.NotContains(t, page, "<script>alert")
	assert.Contains(t, page, strings.Repeat("鳥", 79)+"…", "cut to be shown")
	assert.Contains(t, html.UnescapeString(page), "<script>alert(1)<")
}
