package run

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/promptcam/promptcam/data/datatest"
	"github.com/promptcam/promptcam/promptcam"
	"github.com/promptcam/promptcam/tensor/checkpoint"
	"github.com/promptcam/promptcam/vit"
)

// twoClasses draws photographs of blue and green, and those of red in a folder elsewhere.
func twoClasses(t *testing.T) (dir, red string) {
	t.Helper()
	dir, red = photographs(t, 10), t.TempDir()
	require.NoError(t, os.Rename(filepath.Join(dir, "red"), filepath.Join(red, "red")))
	return dir, filepath.Join(red, "red")
}

// trained trains a model that can be extended, and returns the job of adding a class to it as well.
func trained(t *testing.T, b *vit.Model, dir string, change func(*Recipe)) (*promptcam.Model, *Job, *Job) {
	t.Helper()
	r := short()
	if change != nil {
		change(&r)
	}
	j := job(t, dir, r)
	j.Samples = 0
	done, err := j.Train(t.Context(), b)
	require.NoError(t, err)
	add := job(t, dir, Quick())
	add.ModelDir = j.Out
	return done.Model, j, add
}

func TestAddClass(t *testing.T) {
	dir, red := twoClasses(t)
	b := backbone(t)
	for name, change := range map[string]func(*Recipe){
		"last": nil,
		"deep": func(r *Recipe) {
			*r = Deep()
			r.Agnostic, r.PatchesOnly, r.Epochs = 2, true, 6
		},
	} {
		t.Run(name, func(t *testing.T) {
			m, trained, add := trained(t, b, dir, change)
			before := read(t, trained.path(ModelFile))
			said := new([]string)
			add.Observer, said = lines()
			done, err := add.AddClass(t.Context(), m, red)
			require.NoError(t, err)
			assert.Equal(t, before, read(t, trained.path(ModelFile)))
			all := strings.Join(*said, "\n")
			assert.Contains(t, all, "red, class 3: 8 photographs to train on, 2 to test; 16 images of the 2 classes before it")
			// 16 old training images in two views and 4 test images have features beside the model; 10 new photographs
			// are to be made in two views.
			assert.Equal(t, name == "last", regexp.MustCompile(`\b20 features computed in \d+ s \(36 from cache\)`).MatchString(all), all)
			assert.Contains(t, all, "of 2 photographs that were held out are recognised")
			assert.Contains(t, all, "model: "+add.path(ModelFile))
			want := []string{"features.safetensors", "images.csv", "metrics.json", "model.safetensors"}
			if name == "deep" {
				want = want[1:]
			}
			assert.Equal(t, want, files(t, add))

			old, err := checkpoint.Open(trained.path(ModelFile))
			require.NoError(t, err)
			defer old.Close()
			extended, err := checkpoint.Open(add.path(ModelFile))
			require.NoError(t, err)
			defer extended.Close()
			info, err := promptcam.ReadInfo(extended)
			require.NoError(t, err)
			assert.Equal(t, []string{"blue", "green", "red"}, info.Classes)
			assert.Equal(t, 3, info.Config.Classes)
			assert.Equal(t, old.Names(), extended.Names())
			for _, tensor := range old.Names() {
				if strings.HasPrefix(tensor, "reference.") {
					continue // the new class may be a look-alike
				}
				a, err := old.Tensor(tensor)
				require.NoError(t, err)
				b, err := extended.Tensor(tensor)
				require.NoError(t, err)
				assert.Equal(t, a.Data(), b.Data()[:a.Len()], tensor)
			}

			was, is := metrics(t, trained), metrics(t, add)
			for name, value := range is["before"].(map[string]any) {
				assert.Equal(t, was["test"].(map[string]any)[name], value, "the same images, the same scores")
			}
			assert.EqualValues(t, 4, is["test_images"])
			assert.EqualValues(t, 2, is["held_images"])
			assert.EqualValues(t, 100, is["recognised"])
			assert.LessOrEqual(t, is["after"].(map[string]any)["top1"], is["before"].(map[string]any)["top1"])

			// The new model is one like others.
			again := load(t, add, b)
			assert.Equal(t, done.Model.Tensors(), again.Tensors())
			test := job(t, photographs(t, 10), Quick())
			_, err = test.Evaluate(t.Context(), again)
			require.NoError(t, err)
			for e, err := range test.Explain(t.Context(), again, []string{filepath.Join(red, "0.jpg")}, "red") {
				require.NoError(t, err)
				assert.Contains(t, e.Text, "heads of the prompt of red")
			}

			bits := read(t, add.path(ModelFile))
			_, err = add.AddClass(t.Context(), m, red)
			require.NoError(t, err)
			assert.Equal(t, bits, read(t, add.path(ModelFile)), "again")
		})
	}
}

func TestAddClassWithoutTheOldImages(t *testing.T) {
	dir, red := twoClasses(t)
	m, _, add := trained(t, backbone(t), dir, nil)
	add.Set = nil
	said := new([]string)
	add.Observer, said = lines()
	done, err := add.AddClass(t.Context(), m, red)
	require.NoError(t, err)
	assert.Contains(t, *said, "! no set: without images of the other classes red will take some of theirs; with them it learns where to stop")
	assert.Nil(t, done.Before)
	assert.Nil(t, done.After)
	assert.GreaterOrEqual(t, done.Recognised, 50.0)
}

func TestAddClassRefuses(t *testing.T) {
	dir, red := twoClasses(t)
	b := backbone(t)
	m, first, _ := trained(t, b, dir, nil)
	seeing, _, _ := trained(t, b, dir, func(r *Recipe) {
		*r = preset(promptcam.Shallow, "adamw", "quick")
		r.Epochs = 1
	})
	folder := func(name string, photos int, more ...string) string {
		dir := filepath.Join(t.TempDir(), name)
		require.NoError(t, os.MkdirAll(dir, 0o755))
		for i := range photos {
			datatest.Photograph(t, filepath.Join(dir, string(rune('a'+i))+".png"), 2, i)
		}
		for _, path := range more {
			write(t, filepath.Join(dir, path), "no photograph")
		}
		return dir
	}
	half := t.TempDir()
	write(t, filepath.Join(half, StateFile), "")
	numbered := t.TempDir()
	require.NoError(t, os.CopyFS(numbered, os.DirFS(dir)))
	require.NoError(t, os.Rename(filepath.Join(numbered, "green"), filepath.Join(numbered, "002.green")))
	birds, others, _ := trained(t, b, numbered, nil)

	for name, c := range map[string]struct {
		change func(j *Job)
		model  *promptcam.Model // nil: m
		photos string           // empty: red
		want   string
	}{
		"known class":    {photos: folder("green", 3), want: "the model has a class green already"},
		"known name":     {model: birds, photos: folder("green", 3), want: "the model has a class 002.green already"},
		"known number":   {model: birds, photos: folder("002", 3), want: "the model has a class 002.green already"},
		"trained in out": {change: func(j *Job) { j.Out = others.Out }, want: "whose report would stay beside the new model"},
		"no folder":      {photos: filepath.Join(t.TempDir(), "none"), want: "no such file or directory"},
		"a file":         {photos: filepath.Join(red, "0.jpg"), want: "add a class: open "},
		"empty":          {photos: folder("empty", 0, ".hidden"), want: "photographs that can be read: 0, need at least 2"},
		"one":            {photos: folder("one", 1), want: "read: 1, need at least 2, one to train on and one to test"},
		"folders":        {photos: filepath.Dir(red), want: "holds the folder red, want the photographs of one class"},
		"unreadable":     {photos: folder("bad", 3, "bad.jpg", "notes.txt"), want: "1 of 24 images cannot be read, the first: data: bad/bad.jpg: not an image"},
		"too few left":   {change: func(j *Job) { j.SkipBad = true }, photos: folder("bad", 1, "b.png"), want: "read: 1, need at least 2"},
		"out is in it":   {change: func(j *Job) { j.Out = filepath.Join(red, "out") }, want: "want a folder outside"},
		"the model's":    {change: func(j *Job) { j.Out = first.Out }, want: "is the folder of the model"},
		"unfinished run": {change: func(j *Job) { j.Out = half }, want: "holds an unfinished run"},
		"other classes": {change: func(j *Job) {
			var err error
			j.Set, err = OpenSet(photographs(t, 3), Quick())
			require.NoError(t, err)
		}, want: "are not among them"},
		"shallow": {model: seeing, want: "in mode shallow class prompts see each other"},
	} {
		t.Run(name, func(t *testing.T) {
			j := job(t, dir, Quick())
			j.ModelDir = first.Out
			if c.model == birds {
				j = job(t, numbered, Quick())
			}
			j.Out = filepath.Join(t.TempDir(), "out")
			out := j.Out
			model, photos := m, red
			if c.model != nil {
				model = c.model
			}
			if c.photos != "" {
				photos = c.photos
			}
			if c.change != nil {
				c.change(j)
			}
			_, err := j.AddClass(t.Context(), model, photos)
			assert.ErrorContains(t, err, c.want)
			assert.NoFileExists(t, filepath.Join(out, ModelFile))
			assert.NoFileExists(t, filepath.Join(out, MetricsFile))
		})
	}

	j := job(t, dir, Quick())
	j.SkipBad = true
	done, err := j.AddClass(t.Context(), m, folder("bad", 3, "bad.jpg", "Thumbs.db"))
	require.NoError(t, err)
	assert.Equal(t, 1, done.Skipped)
}

// Whenever it is interrupted, no half result is left, and the same again ends as if nothing had happened.
func TestAddClassInterrupted(t *testing.T) {
	dir, red := twoClasses(t)
	m, _, want := trained(t, backbone(t), dir, nil)
	_, err := want.AddClass(t.Context(), m, red)
	require.NoError(t, err)

	j := job(t, dir, Quick())
	ctx, cancel := context.WithCancel(t.Context())
	j.Observer.Line = func(_ LineKind, line string) {
		if strings.HasPrefix(line, "red, class 3") {
			cancel()
		}
	}
	for range 2 {
		_, err = j.AddClass(ctx, m, red)
		require.ErrorIs(t, err, context.Canceled)
	}
	assert.Equal(t, []string{FeaturesFile}, files(t, j), "which are reused")
	_, err = j.AddClass(t.Context(), m, red)
	require.NoError(t, err)
	assert.Equal(t, files(t, want), files(t, j))
	assert.Equal(t, read(t, want.path(ModelFile)), read(t, j.path(ModelFile)))
}
