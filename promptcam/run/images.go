package run

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/promptcam/promptcam/data"
	"github.com/promptcam/promptcam/promptcam"
	"github.com/promptcam/promptcam/tensor/machine"
	"github.com/promptcam/promptcam/vit/features"
)

// viewSeed draws the augmented views: the same for any --seed, so that runs share them.
const viewSeed = 1

// images are what a model learns from or is tested on: photographs or, where no training changes them, their
// cached features, the output of the frozen layers.
type images struct {
	*Job
	fsys             fs.FS // in which the items' paths are names
	plain, augmented data.Transform
	cache            *features.Cache // nil: photographs are read
	unreadable       int             // images that were left out
}

// store says where features are.
type store struct {
	path   string // empty: none
	flag   string // out or cache; empty: another run's features, only read, if they are there and fit
	lender string // another file to borrow records from; may be empty
}

// store returns where features are: in Cache or, without it, in a folder, which flag names; in none if that
// is empty.
func (j *Job) store(dir, flag string) store {
	if j.Cache != "" {
		dir, flag = j.Cache, "cache"
	}
	if dir == "" {
		return store{}
	}
	return store{path: filepath.Join(dir, FeaturesFile), flag: flag}
}

// cacheable returns the layer whose features can be cached. Before the first layer there is nothing to save.
func (j *Job) cacheable(m *promptcam.Model) (layer int, ok bool) {
	layer, ok = m.Layer()
	return layer, ok && layer > 0 && j.Cache != noCache
}

// open computes or reads the features of the images in training lists, in all views, and in others, or checks
// that their photographs can be read. Those that cannot leave the lists.
func (im *images) open(ctx context.Context, m *promptcam.Model, s store, training, others []*[]data.Item) (err error) {
	var records []features.Record
	var items []data.Item
	var of []int // views of each list's images
	count := 0   // of records
	lists := slices.Concat(training, others)
	for i, l := range lists {
		views := 1
		if i < len(training) {
			views = im.Views
		}
		of = append(of, views)
		count, items = count+views*len(*l), append(items, *l...)
	}
	if layer, ok := im.cacheable(m); ok {
		b := m.Backbone
		source := features.Source{Backbone: b.SHA256, Arch: b.Config, Layer: layer, Plain: im.plain, Augmented: im.augmented, Seed: viewSeed}
		if err := s.room(source.Size(count)); err != nil {
			return err
		}
		for i, l := range lists {
			records = append(records, features.Records(of[i], *l)...)
		}
		if im.cache, err = im.openCache(s, source, records); err != nil {
			return err
		}
	}
	var bad []data.BadImage
	if im.cache != nil {
		if bad, err = im.fill(ctx, m, s, count); err != nil && s.flag == "" && ctx.Err() == nil {
			im.Observer.say(Warning, "%v: photographs are read in place of another run's features", err)
			im.close()
			im.cache = nil
		}
	}
	if im.cache == nil {
		show := im.Observer.count("checking images", len(items))
		bad, err = data.Check(ctx, im.fsys, items, im.Workers, func(done, _ int) { show(done) })
	}
	if err != nil {
		return err
	}
	return im.leaveOut(bad, len(items), lists)
}

// openCache opens the file of features; nil if it is another run's and does not fit.
func (im *images) openCache(s store, source features.Source, records []features.Record) (*features.Cache, error) {
	if s.flag == "" {
		if !exists(s.path) {
			return nil, nil
		}
		cache, err := features.OpenRead(s.path, source, records)
		if err != nil && !errors.As(err, new(*features.MismatchError)) {
			im.Observer.say(Warning, "%v: photographs are read instead", err)
		}
		return cache, nil
	}
	if !exists(s.path) {
		dir := filepath.Dir(s.path)
		if err := writable(s.flag, dir); err != nil {
			return nil, err
		}
	}
	cache, err := features.Open(s.path, source, records)
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS) { // complete, it is as good
		read, wrong := features.OpenRead(s.path, source, records)
		if wrong == nil {
			return read, nil
		}
		if s.flag == "cache" && errors.As(wrong, new(*features.MismatchError)) {
			err = wrong
		}
	}
	var other *features.MismatchError
	mismatch := errors.As(err, &other)
	switch {
	case err == nil:
		return cache, nil
	case mismatch && s.flag == "out":
		im.Observer.say(Warning, "cached features in %s are for %s: recomputing %s features", s.path, other.What, thousands(len(records)))
		if err := os.Remove(s.path); err != nil {
			return nil, fmt.Errorf("--out: %w", err)
		}
		return im.openCache(s, source, records)
	case mismatch:
		err = fmt.Errorf("%w: choose another folder, or delete the file", err)
	case !errors.As(err, new(syscall.Errno)): // which is the system's, not about what is in the file
		err = fmt.Errorf("%w: delete the file, and it is made anew", err)
	}
	return nil, fmt.Errorf("--%s: %w", s.flag, err)
}

// room returns an error if a file of so many bytes is more than its disk has room for. A file that is there is
// counted as room: it is used, or replaced.
func (s store) room(bytes int64) error {
	if s.flag == "" {
		return nil
	}
	dir := filepath.Dir(s.path)
	for !exists(dir) && dir != filepath.Dir(dir) {
		dir = filepath.Dir(dir) // which it will be made in
	}
	free, known := machine.FreeSpace(dir)
	if info, err := os.Stat(s.path); err == nil {
		free += info.Size()
	}
	if known && free < bytes {
		return fmt.Errorf("--%s: features need %.0f MB in %s, where %.0f MB are free", s.flag, float64(bytes)/1e6, dir, float64(free)/1e6)
	}
	return nil
}

// fill computes the features that are not there yet.
func (im *images) fill(ctx context.Context, m *promptcam.Model, s store, records int) ([]data.BadImage, error) {
	if s.lender != "" {
		if err := im.cache.Borrow(s.lender); err != nil {
			im.Observer.say(Warning, "%v", err)
		}
	}
	show, began := im.Observer.count("features", records), time.Now()
	bad, err := im.cache.Fill(ctx, im.fsys, m.Backbone, features.FillConfig{Workers: im.Workers, Progress: func(done, _ int) { show(done) }})
	if err != nil {
		return nil, err
	}
	st := im.cache.Stats()
	made := fmt.Sprintf("%s features computed in %.0f s", thousands(st.Made), time.Since(began).Seconds())
	if st.Torn > 0 {
		made += fmt.Sprintf(", %d of them because they were torn", st.Torn)
	}
	if st.Changed > 0 {
		made += fmt.Sprintf(", %d of them because photographs have changed", st.Changed)
	}
	layer, _ := m.Layer()
	im.Observer.say(Note, "%s (%s from cache): output of layer %d, in %s", made, thousands(st.Reused), layer, s.path)
	return bad, nil
}

// thousands writes n with commas.
func thousands(n int) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%s,%03d", thousands(n/1000), n%1000)
}

// A BadImagesError says that images cannot be read. The observer was warned of each.
type BadImagesError struct {
	Bad []data.BadImage
	All int // images in all
}

// Error counts the images and gives the first one's error, which names its file.
func (e *BadImagesError) Error() string {
	return fmt.Sprintf("%d of %d images cannot be read, the first: %v: --skip-bad goes on without them", len(e.Bad), e.All, e.Bad[0].Err)
}

// leaveOut takes unreadable images out of the lists. Without SkipBad they are an error.
func (im *images) leaveOut(bad []data.BadImage, all int, lists []*[]data.Item) error {
	if len(bad) == 0 {
		return nil
	}
	drop := map[string]bool{}
	for _, b := range bad {
		im.Observer.say(Warning, "%v", b.Err)
		drop[b.Item.Path] = true
	}
	if !im.SkipBad {
		return &BadImagesError{bad, all}
	}
	for _, l := range lists {
		*l = slices.DeleteFunc(slices.Clone(*l), func(it data.Item) bool { return drop[it.Path] })
	}
	im.unreadable = len(bad)
	im.Observer.say(Note, "going on without %d of %d images, which cannot be read", len(bad), all)
	return nil
}

// close ends the use of the features, which were only read since they were computed.
func (im *images) close() {
	if im.cache != nil {
		im.cache.Close()
	}
}

// forTraining returns shuffled batches of all views of items.
func (im *images) forTraining(items []data.Item) (promptcam.Batches, error) {
	return im.batches(items, im.augmented, features.LoaderConfig{Views: im.Views, Batch: im.Batch, Shuffle: true, Seed: im.Seed})
}

// asTheyAre returns batches of items in their order.
func (im *images) asTheyAre(items []data.Item) (promptcam.Batches, error) {
	return im.batches(items, im.plain, features.LoaderConfig{Views: 1, Batch: im.Batch, Seed: im.Seed})
}

// referred returns how many images of each class say what its prompt usually reads. Five are enough, but which of
// two classes is the nearer look-alike can be close. Without cached features each runs through the backbone.
func (im *images) referred(classes int) int {
	all := 1000
	if im.cache != nil {
		all = 4000
	}
	return min(max(5, all/classes), 100)
}

// refer gives a model its Reference, from some of the images of each class. Where a class has none, the model gets
// none.
func (im *images) refer(ctx context.Context, m *promptcam.Model, items []data.Item) error {
	of := make([][]data.Item, m.Config.Classes)
	for _, item := range items {
		of[item.Class] = append(of[item.Class], item)
	}
	var some []data.Item
	for _, items := range of {
		n := min(im.referred(len(of)), len(items))
		if n == 0 {
			return nil
		}
		for i := range n {
			some = append(some, items[i*len(items)/n])
		}
	}
	batches, err := im.asTheyAre(some)
	if err == nil {
		const times = 2 // that Refer reads them; of very many classes three
		m.Reference, err = m.Refer(ctx, &counted{loader: batches, show: im.Observer.count("look-alikes", times*len(some))})
	}
	return err
}

// counted shows how many images of batches have been read, in all epochs.
type counted struct {
	loader
	show func(done int)
	done int
}

type loader interface{ promptcam.Batches }

func (c *counted) Epoch(ctx context.Context, p data.Plan) iter.Seq2[*data.Batch, error] {
	return func(yield func(*data.Batch, error) bool) {
		for b, err := range c.loader.Epoch(ctx, p) {
			if !yield(b, err) {
				return
			}
			if err == nil {
				c.done += len(b.Labels)
				c.show(c.done)
			}
		}
	}
}

func (im *images) batches(items []data.Item, t data.Transform, c features.LoaderConfig) (promptcam.Batches, error) {
	if err := im.affordable(min(c.Batch, len(items)), t); err != nil {
		return nil, err
	}
	if im.cache != nil {
		return im.cache.Loader(items, c)
	}
	return data.NewLoader(im.fsys, items, data.LoaderConfig{Transform: t, Batch: c.Batch, Shuffle: c.Shuffle, Seed: c.Seed, Workers: im.Workers})
}

// affordable returns an error if batches of so many images are more than the machine's memory: a loader holds
// three at a time.
func (im *images) affordable(batch int, t data.Transform) error {
	each := 3 * t.Height * t.Width // numbers
	if im.cache != nil {
		each = im.cache.Numbers()
	}
	need := 3 * 4 * float64(batch) * float64(each)
	if all, known := machine.Memory(); known && need > float64(all) {
		return fmt.Errorf("--batch %d: batches of %d images take at least %.1f GB of memory, the machine has %.1f GB", im.Batch, batch, need/1e9, float64(all)/1e9)
	}
	return nil
}
