package promptcam

import (
	"math"
	"math/bits"
	"math/rand/v2"
)

// Estimate is a value with its standard error, which is 0 where the value is exact. An estimate from about a hundred
// samples or more is within four standard errors of the exact value, but for about one in ten thousand.
type Estimate struct{ Value, StdErr float64 }

// Shapley returns the Shapley value of each head [H]: its mean contribution to the score, or margin, over all orders in
// which the heads can come to those that are all blurred (Shapley, 1953). They sum to the value with no head blurred
// minus that with all blurred. Beyond 16 heads they are means over random orders (Castro et al., Computers & Operations
// Research 36, 2009), whose sum is the same.
func (s *Subsets) Shapley() []Estimate {
	if !s.Exact() {
		return sampledShapley(s.heads, s.orders)
	}
	values := make([]Estimate, s.heads)
	weight := weights(s.heads)
	for b, value := range s.Values {
		for h := range values {
			if b>>h&1 == 0 {
				values[h].Value += weight[bits.OnesCount(uint(b))] * (value - s.Values[b|1<<h])
			}
		}
	}
	return values
}

// Interactions returns the Shapley interaction index of each pair of heads [H, H], symmetric, with a diagonal of zeros:
// by how much two heads contribute more together than the sum of what each does alone, in the mean over orders in which
// the pair comes as one (Grabisch and Roubens, International Journal of Game Theory 28, 1999). It is positive for heads
// that need each other and negative for those of which one can replace the other. Beyond 16 heads each is a mean over
// some 2/H of the random orders; its StdErr is infinite if there were fewer than two.
func (s *Subsets) Interactions() [][]Estimate {
	if !s.Exact() {
		return sampledInteractions(s.heads, s.orders)
	}
	values := squareOf(s.heads)
	weight := weights(s.heads - 1)
	for b, value := range s.Values {
		for i := range values {
			for j := range i {
				if b>>i&1 == 1 || b>>j&1 == 1 {
					continue
				}
				together := value - s.Values[b|1<<i] - s.Values[b|1<<j] + s.Values[b|1<<i|1<<j]
				values[i][j].Value += weight[bits.OnesCount(uint(b))] * together
				values[j][i] = values[i][j]
			}
		}
	}
	return values
}

// weights returns for k = 0, ..., n-1 how likely one of n players is to find a given set of k players in a random order
// before it: 1 / (n·C(n-1, k)).
func weights(n int) []float64 {
	w := make([]float64, max(n, 0))
	sets := 1. // C(n-1, k)
	for k := range w {
		w[k] = 1 / (float64(n) * sets)
		sets *= float64(n-1-k) / float64(k+1)
	}
	return w
}

func squareOf(n int) [][]Estimate {
	square := make([][]Estimate, n)
	for i := range square {
		square[i] = make([]Estimate, n)
	}
	return square
}

// order is a random order in which heads are blurred, and the values of the 2H subsets that Shapley values and
// interactions need of it.
type order struct {
	place  []int     // [H], of each head
	heads  []int     // [H], the head at each place
	values []float64 // [2H]: of subset i for blurs
}

// blurs reports whether subset i has a head blurred. The first H+1 have the heads at places before i blurred, so that
// neighbours differ by one head. Of the other H-1, the j-th has those before j and the one after the next, j+1.
func (o order) blurs(i, head int) bool {
	at, j := o.place[head], i-len(o.place)-1
	if j < 0 {
		return at < i
	}
	return at < j || at == j+1
}

// randomOrders draws n orders, at least two, and sets their values.
func randomOrders(heads, n int, rng *rand.Rand, values func(n int, blurred choice) []float64) []order {
	orders := make([]order, max(2, n))
	for i := range orders {
		o := order{heads: rng.Perm(heads), place: make([]int, heads)}
		for k, h := range o.heads {
			o.place[h] = k
		}
		orders[i] = o
	}
	all := values(len(orders)*2*heads, func(i, head int) bool { return orders[i/(2*heads)].blurs(i%(2*heads), head) })
	for i := range orders {
		orders[i].values = all[i*2*heads:][:2*heads]
	}
	return orders
}

func sampledShapley(heads int, orders []order) []Estimate {
	means := make([]mean, heads)
	for _, o := range orders {
		for k, h := range o.heads {
			means[h].add(o.values[k] - o.values[k+1])
		}
	}
	values := make([]Estimate, heads)
	for h := range values {
		values[h] = means[h].estimate()
	}
	return values
}

func sampledInteractions(heads int, orders []order) [][]Estimate {
	means := make([]mean, heads*heads)
	for _, o := range orders {
		for k := range heads - 1 {
			i, j := max(o.heads[k], o.heads[k+1]), min(o.heads[k], o.heads[k+1])
			means[i*heads+j].add(o.values[k] - o.values[k+1] - o.values[heads+1+k] + o.values[k+2])
		}
	}
	values := squareOf(heads)
	for i := range values {
		for j := range i {
			values[i][j] = means[i*heads+j].estimate()
			values[j][i] = values[i][j]
		}
	}
	return values
}

// mean is the mean of samples, and the sum of their squared deviations from it (Welford, Technometrics 4, 1962).
type mean struct{ n, value, squares float64 }

func (m *mean) add(x float64) {
	m.n++
	off := x - m.value
	m.value += off / m.n
	m.squares += off * (x - m.value)
}

func (m *mean) estimate() Estimate {
	if m.n < 2 {
		return Estimate{m.value, math.Inf(1)}
	}
	return Estimate{m.value, math.Sqrt(m.squares / (m.n - 1) / m.n)}
}
