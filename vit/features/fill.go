package features

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"runtime"
	"slices"
	"sync"

	"github.com/promptcam/promptcam/autograd"
	"github.com/promptcam/promptcam/data"
	"github.com/promptcam/promptcam/tensor"
	"github.com/promptcam/promptcam/vit"
)

// FillConfig configures Fill. It changes no bit of the file.
type FillConfig struct {
	Batch    int                   // images in a forward pass; 0 means 8
	Workers  int                   // photographs decoded at a time; 0 means GOMAXPROCS
	Progress func(done, total int) // unless nil, called after records are done, one call at a time
}

// Stats counts the records that a Fill found and made.
type Stats struct {
	Reused  int // from before
	Made    int
	Torn    int // made again, because the old one did not match its checksum
	Changed int // made again, because the photograph at this path has changed
}

// Stats returns the counts of the last Fill.
func (c *Cache) Stats() Stats { return c.stats }

// Fill makes the records that Open asked for and that are missing, torn or of a changed photograph. It reads
// photographs from fsys. It may end at any moment, by ctx or by force; the next call continues, and the file
// gets the same bytes. Bad photographs, as data.IsBad says, do not stop it: Fill returns them, each once, in
// the order of the records, with the Index of their first record and without a class.
//
// b must be the backbone of the cache's Source. It is faster if frozen. Errors: another backbone, a fault of
// the file, a photograph that the system cannot read, the end of ctx, a token that is not finite or too large for the file's type.
func (c *Cache) Fill(ctx context.Context, fsys fs.FS, b *vit.Model, config FillConfig) (bad []data.BadImage, err error) {
	fail := func(err error) error { return fmt.Errorf("features: fill %s: %w", c.path, err) }
	if config.Batch < 0 || config.Workers < 0 {
		return nil, fail(fmt.Errorf("batches of %d images, %d workers: want none negative", config.Batch, config.Workers))
	}
	given := c.source
	given.Backbone, given.Arch = b.SHA256, b.Config
	if reasons := c.source.differences(given, true); len(reasons) > 0 {
		return nil, mismatch(c.path, reasons)
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	f := &filling{Cache: c, fsys: fsys, config: config, stop: stop, photos: photos(c.records), tape: autograd.Tape{NoGrad: true, Context: ctx}, seen: map[string][32]byte{}}
	c.stats = Stats{}
	for _, p := range f.photos {
		f.total += len(p.views)
	}
	f.run(ctx, b, cmp.Or(config.Batch, 8), min(cmp.Or(config.Workers, runtime.GOMAXPROCS(0)), len(f.photos)))
	slices.SortFunc(f.bad, func(a, b data.BadImage) int { return cmp.Compare(a.Index, b.Index) })
	if err := context.Cause(ctx); err != nil {
		return f.bad, fail(err)
	}
	c.hashes = f.seen
	if c.stats.Made > 0 {
		if err := c.file.Sync(); err != nil {
			return f.bad, fail(err)
		}
	}
	return f.bad, nil
}

// A photo is a photograph and those of its views that records ask for.
type photo struct {
	path  string
	index int   // of the first record that asks for it
	views []int // sorted, so that a view and its mirror image are neighbours
}

// photos groups records by photograph.
func photos(records []Record) []*photo {
	var all []*photo
	of := map[string]*photo{}
	for i, r := range records {
		p := of[r.Path]
		if p == nil {
			p = &photo{path: r.Path, index: i}
			of[r.Path], all = p, append(all, p)
		}
		p.views = append(p.views, r.View)
	}
	for _, p := range all {
		slices.Sort(p.views)
		p.views = slices.Compact(p.views)
	}
	return all
}

// A filling is a Fill at work.
type filling struct {
	*Cache
	fsys     fs.FS
	config   FillConfig
	stop     context.CancelCauseFunc // with the error that ends it
	photos   []*photo
	pictures chan picture

	// Memory of forward passes.
	tape    autograd.Tape
	images  []float32 // [B, 3, H, W]
	batch   []picture
	records [][]byte

	mu    sync.Mutex // of all below, and of stats
	done  int        // records
	total int
	seen  map[string][32]byte // hashes of photographs
	bad   []data.BadImage
}

// A picture is an input of the network, and the destination of its tokens.
type picture struct {
	pixels []float32 // [3, H, W], normalised
	record Record
	row    int      // of the record
	hash   [32]byte // of the photograph's file
}

// run decodes photographs in workers and passes them through the network, in batches as they come: no record
// depends on another.
func (f *filling) run(ctx context.Context, b *vit.Model, batch, workers int) {
	size := f.source.Arch.ImageSize
	n := 3 * size[0] * size[1]
	f.pictures = make(chan picture, batch)
	go func() {
		defer close(f.pictures)
		memory := make([]worker, workers)
		err := data.Each(ctx, len(f.photos), workers, func(w, i int) error { return f.photo(ctx, &memory[w], f.photos[i], n) })
		if err != nil {
			f.stop(err)
		}
	}()
	for p := range f.pictures { // to the end, so that every worker ends
		if ctx.Err() != nil {
			continue
		}
		f.batch, f.images = append(f.batch, p), append(f.images, p.pixels...)
		if len(f.batch) == batch {
			f.forward(b)
		}
	}
	if len(f.batch) > 0 && ctx.Err() == nil {
		f.forward(b)
	}
}

// note counts n records as done.
func (f *filling) note(n int, count func(*Stats)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	count(&f.stats)
	if f.done += n; n > 0 && f.config.Progress != nil {
		f.config.Progress(f.done, f.total)
	}
}

// A worker is memory, reused for each photograph.
type worker struct{ file, record []byte }

// photo checks the records of a photograph and sends a picture for each that must be made. Errors are the
// cache's; those of the photograph go to f.bad.
func (f *filling) photo(ctx context.Context, w *worker, p *photo, n int) error {
	refuse := func(views int, err error) {
		f.note(views, func(*Stats) {
			f.bad = append(f.bad, data.BadImage{Index: p.index, Item: data.Item{Path: p.path}, Err: err})
		})
	}
	file, err := data.ReadFile(f.fsys, p.path, w.file)
	if err != nil && !data.IsBad(err) {
		return err
	}
	if err != nil {
		refuse(len(p.views), err)
		return nil
	}
	w.file = file
	hash := sha256.Sum256(file)
	f.mu.Lock()
	f.seen[p.path] = hash
	f.mu.Unlock()
	w.record = slices.Grow(w.record[:0], f.source.bytes())[:f.source.bytes()]
	var todo []picture
	for _, v := range p.views {
		pic := picture{record: Record{p.path, v}, hash: hash}
		pic.row, _ = f.row(pic.record)
		s, err := f.load(pic.row, w.record)
		if err != nil {
			return err
		}
		switch s.state(hash) {
		case whole:
			f.note(1, func(s *Stats) { s.Reused++ })
			continue
		case torn:
			f.note(0, func(s *Stats) { s.Torn++ })
		case changed:
			f.note(0, func(s *Stats) { s.Changed++ })
		}
		todo = append(todo, pic)
	}
	if len(todo) == 0 {
		return nil
	}
	decoded, err := data.Limits{}.Decode(ctx, file, data.PathOf(f.fsys, p.path))
	if ctx.Err() != nil {
		return nil
	}
	if err != nil {
		refuse(len(todo), err)
		return nil
	}
	var seen *data.RGB
	var t data.Transform
	pair := -1
	for _, pic := range todo {
		v := pic.record.View
		if even := v &^ 1; even != pair {
			seen, t = f.source.see(decoded, p.path, even)
			pair = even
		}
		if ctx.Err() != nil {
			return nil
		}
		pic.pixels = make([]float32, n)
		t.Normalise(pic.pixels, seen)
		if v%2 == 1 {
			for row := range slices.Chunk(pic.pixels, t.Width) {
				slices.Reverse(row)
			}
		}
		f.pictures <- pic // received to the end
	}
	return nil
}

// forward makes the records of f.batch and empties it.
func (f *filling) forward(b *vit.Model) {
	defer f.tape.Reset()
	n, size := len(f.batch), f.source.Arch.ImageSize
	images := f.tape.Const(tensor.FromSlice(f.images, n, 3, size[0], size[1]))
	tokens := b.Tokens(images, f.source.Layer).Value().Data() // [B, R, D]
	if f.tape.Err() != nil {
		return // they are not the block's
	}
	for len(f.records) < n {
		f.records = append(f.records, make([]byte, f.source.bytes()))
	}
	err := data.Each(context.Background(), n, 0, func(_, i int) error {
		pic := f.batch[i]
		if err := f.write(pic.row, pic.hash, tokens[i*len(tokens)/n:(i+1)*len(tokens)/n], f.records[i]); err != nil {
			return fmt.Errorf("%s: %w", pic.record, err)
		}
		return nil
	})
	if err != nil {
		f.stop(err)
		return
	}
	f.note(n, func(s *Stats) { s.Made += n })
	f.batch, f.images = f.batch[:0], f.images[:0]
}
