package promptcam

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/promptcam/promptcam/autograd"
	"github.com/promptcam/promptcam/data"
	"github.com/promptcam/promptcam/nn"
	"github.com/promptcam/promptcam/tensor"
	"github.com/promptcam/promptcam/tensor/checkpoint"
)

// Reference holds what class prompts usually read: the mean output of the heads of a class's prompt in the last
// block, before the projection, over images of one class. Evidence compares with it what a prompt reads in one
// image. Its numbers are those of float16, in which they are saved: 2·D·(2+K) bytes a class for K look-alikes, 2.7
// kB for a ViT-Ti and 11 kB for a ViT-B.
type Reference struct {
	// LookAlikes are, for each class, the few whose images its own resemble most, the nearest first.
	LookAlikes [][]LookAlike // [C][K]

	own    *tensor.Tensor // [C, D], read by each class's prompt in images of the class
	all    *tensor.Tensor // [C, D], in images of any class
	across *tensor.Tensor // [C, K, D], in images of its look-alikes

	least *tensor.Tensor // [C], of the strongest patches' evidence in images of the class: see leastEvidence; may be nil
}

// LookAlike is a class that another one resembles. Two classes are alike if the prompts read the same in their
// images: Distance is the Euclidean distance between the mean readings in the images of the one and of the other,
// averaged over prompts.
type LookAlike struct {
	Class    int
	Distance float64
}

// lookAlikes is how many look-alikes of a class a Reference has, if there are as many classes.
const lookAlikes = 5

// mostReadings bounds the mean readings in memory at once, in numbers: 128 MB.
const mostReadings = 1 << 25

// Refer returns the Reference of m from labelled images, such as the training images, or their tokens. Five
// images of each class are enough; more than twenty change little. An image counts by its class, and each class
// as much as another. The images are read twice or, if there are many classes, three times; once or twice if no class has
// the nineteen images that [Explanation.Doubtful] needs. Errors are those of Evaluate, and a
// class without an image. It changes nothing in m: assign the result to m.Reference.
func (m *Model) Refer(ctx context.Context, l Batches) (*Reference, error) {
	return m.refer(ctx, l, mostReadings)
}

// refer is Refer with at most so many numbers in the mean readings at once, but at least two prompts'.
func (m *Model) refer(ctx context.Context, l Batches, most int) (*Reference, error) {
	classes, d := m.Config.Classes, m.Backbone.Config.Dim
	k := min(lookAlikes, classes-1)
	// Of very many classes, a part of the prompts says which are alike.
	prompts := make([]int, min(classes, max(2, most/(classes*d))))
	for i := range prompts {
		prompts[i] = i * classes / len(prompts)
	}
	means := tensor.New(len(prompts), classes, d) // readings of prompt i in images of class o
	images := make([]int, classes)
	err := m.readings(ctx, l, func(class int, read *tensor.Tensor) {
		images[class]++
		for i, p := range prompts {
			add(means.Select(0, i).Select(0, class).Data(), read.Select(0, p).Data(), 1)
		}
	})
	if err != nil {
		return nil, err
	}
	for class, n := range images {
		if n == 0 {
			return nil, fmt.Errorf("promptcam: a reference needs images of every class, and there is none of %s", m.Classes[class])
		}
		for i := range prompts {
			mean := means.Select(0, i).Slice(0, class, class+1)
			tensor.ScaleTo(mean, 1/float32(n), mean)
		}
	}
	r := &Reference{LookAlikes: nearest(means, k), own: tensor.New(classes, d), all: tensor.New(classes, d), across: tensor.New(classes, k, d)}
	if len(prompts) == classes {
		for c := range classes {
			of := means.Select(0, c) // [C, D]
			for o := range classes {
				r.add(c, o, of.Select(0, o).Data(), 1, 1/float32(classes))
			}
		}
	} else {
		err := m.readings(ctx, l, func(o int, read *tensor.Tensor) {
			n := 1 / float32(images[o])
			for c := range classes {
				r.add(c, o, read.Select(0, c).Data(), n, n/float32(classes))
			}
		})
		if err != nil {
			return nil, err
		}
	}
	for name, t := range r.tensors() { // the same numbers now as from a file
		dtype, numbers := savedAs(name, t), t.Data()
		saved := make([]byte, dtype.Size()*len(numbers))
		dtype.Encode(saved, numbers)
		dtype.Decode(numbers, saved)
	}
	if r.least, err = m.leastEvidence(ctx, l, r, images); err != nil {
		return nil, err
	}
	return r, nil
}

// readings calls f with the class of each image of l and what each prompt reads in it, [C, D], which is valid
// until f returns.
func (m *Model) readings(ctx context.Context, l Batches, f func(class int, read *tensor.Tensor)) error {
	tape := m.tape(ctx)
	defer m.done(tape)
	for b, err := range m.accepted(ctx, l, data.Plan{}) {
		if err != nil {
			return err
		}
		last := m.enter(m.joint(m.tokensOf(tape, b), m.prompts(tape, m.Class)))
		read := autograd.Attend(last.q, m.last.Heads, last.kv...).Value() // [B, C, D]
		if err := tape.Err(); err != nil {
			return err
		}
		for i, class := range b.Labels {
			of := read.Select(0, i)
			if err := finiteReading(b.Index[i], class, of); err != nil {
				return err
			}
			f(class, of)
		}
		tape.Reset()
	}
	return nil
}

func finiteReading(index, class int, read *tensor.Tensor) error {
	for _, v := range read.Data() {
		if !(math.Abs(float64(v)) <= math.MaxFloat32) {
			return &ScoreError{index, class, v}
		}
	}
	return nil
}

// add adds c's reading in an image of class o, or a mean of several, with weight w to the readings in images of
// o, and with weight any to those in images of any class.
func (r *Reference) add(c, o int, read []float32, w, any float32) {
	add(r.all.Select(0, c).Data(), read, any)
	if c == o {
		add(r.own.Select(0, c).Data(), read, w)
	}
	if k := r.rank(c, o); k >= 0 {
		add(r.across.Select(0, c).Select(0, k).Data(), read, w)
	}
}

// add adds w times x to sum.
func add(sum, x []float32, w float32) {
	for i, v := range x {
		sum[i] += w * v
	}
}

// rank returns the position of o among c's look-alikes, -1 if it is none.
func (r *Reference) rank(c, o int) int {
	return slices.IndexFunc(r.LookAlikes[c], func(a LookAlike) bool { return a.Class == o })
}

// reading returns what c's prompt usually reads in images of class o: [D]. Where o is neither c nor one of its
// look-alikes, or -1, it is that in images of any class.
func (r *Reference) reading(c, o int) []float32 {
	if c == o {
		return r.own.Select(0, c).Data()
	}
	if k := r.rank(c, o); k >= 0 {
		return r.across.Select(0, c).Select(0, k).Data()
	}
	return r.all.Select(0, c).Data()
}

// nearest returns the k classes nearest to each, by the mean readings [P, C, D] of some prompts in the images of
// each class.
func nearest(means *tensor.Tensor, k int) [][]LookAlike {
	prompts, classes, d := means.Dim(0), means.Dim(1), means.Dim(2)
	sum := make([]float64, classes*classes)
	centred := tensor.New(classes, d)
	for p := range prompts {
		// What all classes share says nothing, and would cost digits: |x-y|² is |x|² + |y|² - 2xy.
		centre(centred, means.Select(0, p))
		products := centred.MatMul(centred.Transpose()).Data() // [C, C]
		for i := range classes {
			for j := range classes {
				square := float64(products[i*classes+i]) + float64(products[j*classes+j]) - 2*float64(products[i*classes+j])
				sum[i*classes+j] += math.Sqrt(max(0, square)) / float64(prompts)
			}
		}
	}
	all := make([][]LookAlike, classes)
	for i := range all {
		for j := range classes {
			if j != i {
				all[i] = append(all[i], LookAlike{j, float64(float32(sum[i*classes+j]))})
			}
		}
		slices.SortStableFunc(all[i], func(a, b LookAlike) int { return cmp.Compare(a.Distance, b.Distance) })
		all[i] = slices.Clone(all[i][:k])
	}
	return all
}

// centre writes the rows of x [C, D] less their mean to dst.
func centre(dst, x *tensor.Tensor) {
	mean := make([]float64, x.Dim(1))
	rows := x.Dim(0)
	for i, v := range x.Data() {
		mean[i%len(mean)] += float64(v) / float64(rows)
	}
	for i, v := range x.Data() {
		dst.Data()[i] = float32(float64(v) - mean[i%len(mean)])
	}
}

// referencePrefix begins the names of a Reference's tensors in a model's file.
const referencePrefix = "reference."

// tensors returns what is saved of r.
func (r *Reference) tensors() nn.Tensors {
	k := len(r.LookAlikes[0])
	alike, distance := tensor.New(len(r.LookAlikes), k), tensor.New(len(r.LookAlikes), k)
	for c, of := range r.LookAlikes {
		for i, a := range of {
			alike.Data()[c*k+i], distance.Data()[c*k+i] = float32(a.Class), float32(a.Distance)
		}
	}
	all := nn.Tensors{
		referencePrefix + "own": r.own, referencePrefix + "all": r.all, referencePrefix + "across": r.across,
		referencePrefix + "alike": alike, referencePrefix + "distance": distance,
	}
	if r.least != nil {
		all[referencePrefix+"least"] = r.least
	}
	return all
}

// mostRead is more than any prompt reads, and little enough for its square to be a float32.
const mostRead = 1e15

// readReference returns the Reference in the file of a model of so many classes and width d, or nil if it has
// none.
func readReference(f *checkpoint.File, classes, d int) (*Reference, error) {
	info, ok := f.Info(referencePrefix + "across")
	if !ok {
		return nil, nil
	}
	if most := min(classes-1, 64); len(info.Shape) != 3 || info.Shape[1] < 1 || info.Shape[1] > most {
		return nil, fmt.Errorf("%sacross is %v, want [%d, K, %d] with K from 1 to %d", referencePrefix, info.Shape, classes, d, most)
	}
	k := info.Shape[1]
	r := &Reference{LookAlikes: make([][]LookAlike, classes)}
	var alike, distance *tensor.Tensor
	for _, part := range []struct {
		name  string
		to    **tensor.Tensor
		shape []int
	}{
		{"own", &r.own, []int{classes, d}}, {"all", &r.all, []int{classes, d}}, {"across", &r.across, []int{classes, k, d}},
		{"alike", &alike, []int{classes, k}}, {"distance", &distance, []int{classes, k}}, {"least", &r.least, []int{classes}},
	} {
		name := referencePrefix + part.name
		if _, ok := f.Info(name); !ok && part.name == "least" {
			continue // it is not known
		}
		if info, _ := f.Info(name); !slices.Equal(info.Shape, part.shape) {
			return nil, fmt.Errorf("%s is %v, want %v", name, info.Shape, part.shape)
		}
		t, err := f.Tensor(name)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(t.Data(), func(v float32) bool { return !(math.Abs(float64(v)) <= math.MaxFloat32) }) {
			return nil, fmt.Errorf("%s holds NaN or infinity", name)
		}
		if t.Rank() > 1 && slices.ContainsFunc(t.Data(), func(v float32) bool { return v > mostRead || v < -mostRead }) {
			return nil, fmt.Errorf("%s holds numbers beyond %g", name, float64(mostRead))
		}
		*part.to = t
	}
	for c := range classes {
		for i := range k {
			o := alike.Data()[c*k+i]
			if o != float32(int(o)) || o < 0 || int(o) >= classes || int(o) == c || r.rank(c, int(o)) >= 0 {
				return nil, fmt.Errorf("%salike gives class %d the look-alike %v, want others from 0 to %d, each once", referencePrefix, c, o, classes-1)
			}
			r.LookAlikes[c] = append(r.LookAlikes[c], LookAlike{int(o), float64(distance.Data()[c*k+i])})
		}
	}
	return r, nil
}

// savedAs returns F16 for readings that it holds, F32 for larger ones and for all else.
func savedAs(name string, t *tensor.Tensor) checkpoint.DType {
	const most = 65504 // of float16
	tooLarge := func(v float32) bool { return v > most || v < -most }
	if name == referencePrefix+"alike" || name == referencePrefix+"distance" || name == referencePrefix+"least" || slices.ContainsFunc(t.Data(), tooLarge) {
		return checkpoint.F32
	}
	return checkpoint.F16
}
