package autograd_test

import (
	"math"

	"github.com/promptcam/promptcam/tensor"
)

// array is a row-major array of float64, for the obvious loops that the
// operations are compared with.
type array struct {
	shape []int
	data  []float64
}

func arrayOf(t *tensor.Tensor) array {
	a := array{shape: t.Shape()}
	for _, v := range t.Contig().Data() {
		a.data = append(a.data, float64(v))
	}
	return a
}

// each returns the array of the given shape whose element at index is f(index).
func each(shape []int, f func(index []int) float64) array {
	a := array{shape: shape}
	index := make([]int, len(shape))
	for {
		a.data = append(a.data, f(index))
		d := len(shape) - 1
		for ; d >= 0; d-- {
			if index[d]++; index[d] < shape[d] {
				break
			}
			index[d] = 0
		}
		if d < 0 {
			return a
		}
	}
}

// at returns an element of a, broadcast: leading indices that a has no
// dimensions for do not matter, and neither does that of a dimension of size one.
func (a array) at(index ...int) float64 {
	o := 0
	for i, x := range index[len(index)-len(a.shape):] {
		o *= a.shape[i]
		if a.shape[i] > 1 {
			o += x
		}
	}
	return a.data[o]
}

// with returns index with its last element replaced.
func with(index []int, last int) []int {
	return append(append([]int(nil), index[:len(index)-1]...), last)
}

func refLinear(x, w array, b *array) array {
	out, in := w.shape[0], w.shape[1]
	return each(with(x.shape, out), func(i []int) float64 {
		o := i[len(i)-1]
		var s float64
		if b != nil {
			s = b.at(o)
		}
		for k := range in {
			s += x.at(with(i, k)...) * w.at(o, k)
		}
		return s
	})
}

func refLayerNorm(x, weight, bias array, eps float64) array {
	d := x.shape[len(x.shape)-1]
	return each(x.shape, func(i []int) float64 {
		var mean, variance float64
		for k := range d {
			mean += x.at(with(i, k)...) / float64(d)
		}
		for k := range d {
			variance += math.Pow(x.at(with(i, k)...)-mean, 2) / float64(d)
		}
		k := i[len(i)-1]
		return (x.at(i...)-mean)/math.Sqrt(variance+eps)*weight.at(k) + bias.at(k)
	})
}

func refGELU(x array) array {
	return each(x.shape, func(i []int) float64 {
		v := x.at(i...)
		return v * (1 + math.Erf(v/math.Sqrt2)) / 2
	})
}

func refQuickGELU(x array) array {
	return each(x.shape, func(i []int) float64 {
		v := x.at(i...)
		return v / (1 + math.Exp(-1.702*v))
	})
}

// refWeights returns the attention weights [B, H, R, A] of q to all rows of ks.
func refWeights(batch, heads int, q array, ks ...array) array {
	n := len(q.shape)
	rows, width := q.shape[n-2], q.shape[n-1]/heads
	cols := 0
	for _, k := range ks {
		cols += k.shape[len(k.shape)-2]
	}
	score := func(b, h, r, c int) float64 {
		for _, k := range ks {
			if a := k.shape[len(k.shape)-2]; c >= a {
				c -= a
				continue
			}
			var s float64
			for d := h * width; d < (h+1)*width; d++ {
				s += q.at(b, r, d) * k.at(b, c, d)
			}
			return s / math.Sqrt(float64(width))
		}
		panic("no such column")
	}
	return each([]int{batch, heads, rows, cols}, func(i []int) float64 {
		var sum float64
		for c := range cols {
			sum += math.Exp(score(i[0], i[1], i[2], c))
		}
		return math.Exp(score(i[0], i[1], i[2], i[3])) / sum
	})
}

// refAttention returns what q gathers: kv is keys and values in turn.
func refAttention(shape []int, heads int, q array, kv ...array) array {
	batch := 1
	if len(shape) == 3 {
		batch = shape[0]
	}
	var ks []array
	for i := 0; i < len(kv); i += 2 {
		ks = append(ks, kv[i])
	}
	weights := refWeights(batch, heads, q, ks...)
	width := shape[len(shape)-1] / heads
	return each(shape, func(i []int) float64 {
		b, r, d := 0, i[len(i)-2], i[len(i)-1]
		if len(i) == 3 {
			b = i[0]
		}
		var s float64
		col := 0
		for j := 1; j < len(kv); j += 2 {
			v := kv[j]
			for a := range v.shape[len(v.shape)-2] {
				s += weights.at(b, d/width, r, col) * v.at(b, a, d)
				col++
			}
		}
		return s
	})
}

func refCrossEntropy(scores array, labels []int) array {
	var loss float64
	for i, label := range labels {
		var sum float64
		for c := range scores.shape[1] {
			sum += math.Exp(scores.at(i, c))
		}
		loss += (math.Log(sum) - scores.at(i, label)) / float64(len(labels))
	}
	return array{nil, []float64{loss}}
}

func refBinaryCrossEntropy(scores array, labels []int) array {
	var loss float64
	classes := scores.shape[1]
	for i, label := range labels {
		for c := range classes {
			p := 1 / (1 + float64(classes-1)*math.Exp(-scores.at(i, c)))
			if c != label {
				p = 1 - p
			}
			loss -= math.Log(p) / float64(len(labels))
		}
	}
	return array{nil, []float64{loss}}
}

// refDistill follows the formula in the comment of Distill.
func refDistill(scores, teacher array, temperature float64) array {
	images, classes := scores.shape[0], scores.shape[1]
	softmax := func(x array, image int) []float64 {
		var mean, variance, sum float64
		for c := range classes {
			mean += x.at(image, c) / float64(classes)
		}
		for c := range classes {
			variance += math.Pow(x.at(image, c)-mean, 2) / float64(classes)
		}
		p := make([]float64, classes)
		for c := range p {
			p[c] = math.Exp((x.at(image, c) - mean) / math.Sqrt(variance+1e-6) / temperature)
			sum += p[c]
		}
		for c := range p {
			p[c] /= sum
		}
		return p
	}
	var loss float64
	for i := range images {
		q := softmax(scores, i)
		for c, p := range softmax(teacher, i) {
			loss += temperature * temperature * p * math.Log(p/q[c]) / float64(images)
		}
	}
	return array{nil, []float64{loss}}
}

func refGather(x array, rows []int) array {
	n := len(rows) / x.shape[0]
	return each([]int{x.shape[0], n, x.shape[2]}, func(i []int) float64 { return x.at(i[0], rows[i[0]*n+i[1]], i[2]) })
}

// refCat puts arrays [B, R, D], or [1, R, D] for all images, after one another along R.
func refCat(batch int, xs ...array) array {
	rows := 0
	for _, x := range xs {
		rows += x.shape[1]
	}
	return each([]int{batch, rows, xs[0].shape[2]}, func(i []int) float64 {
		r := i[1]
		for _, x := range xs {
			if r < x.shape[1] {
				return x.at(i[0], r, i[2])
			}
			r -= x.shape[1]
		}
		panic("no such row")
	})
}

// refCrossViews follows the formula in the comment of CrossViews.
func refCrossViews(scores, targets array, temperature float64) array {
	views, images, classes := scores.shape[0], scores.shape[1], scores.shape[2]
	var loss, pairs float64
	for v := range views {
		for g := range targets.shape[0] {
			if g == v {
				continue
			}
			pairs++
			for i := range images {
				var sum float64
				for c := range classes {
					sum += math.Exp(scores.at(v, i, c) / temperature)
				}
				for c := range classes {
					loss -= targets.at(g, i, c) * (scores.at(v, i, c)/temperature - math.Log(sum))
				}
			}
		}
	}
	return array{nil, []float64{loss / pairs / float64(images)}}
}

func refNormalize(x array) array {
	d := x.shape[len(x.shape)-1]
	return each(x.shape, func(i []int) float64 {
		var sum float64
		for k := range d {
			sum += math.Pow(x.at(with(i, k)...), 2)
		}
		return x.at(i...) / math.Sqrt(sum)
	})
}

// refStandardize adds 0.1 to the variance.
func refStandardize(x []array) array {
	d := x[0].shape[len(x[0].shape)-1]
	rows := len(x[0].data) / d
	return each(x[0].shape, func(i []int) float64 {
		var mean, variance float64
		for r := range rows {
			mean += x[0].data[r*d+i[len(i)-1]] / float64(rows)
		}
		for r := range rows {
			variance += math.Pow(x[0].data[r*d+i[len(i)-1]]-mean, 2) / float64(rows)
		}
		return (x[0].at(i...) - mean) / math.Sqrt(variance+0.1)
	})
}

func refCombine(x []array) array {
	w := arrayOf(weights)
	shape := append([]int(nil), x[0].shape...)
	shape[len(shape)-2] = w.shape[0]
	return each(shape, func(i []int) float64 {
		var sum float64
		from := append([]int(nil), i...)
		for m := range w.shape[1] {
			from[len(from)-2] = m
			sum += w.at(i[len(i)-2], m) * x[0].at(from...)
		}
		return sum
	})
}
