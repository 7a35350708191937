package promptcam

import (
	"fmt"
	"math"
	"math/bits"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
)

// gameOf returns a game of n heads, given the value of each set of heads that are not blurred.
func gameOf(n int, value func(sharp int) float64) *Subsets {
	s := &Subsets{heads: n, Values: make([]float64, 1<<n)}
	for b := range s.Values {
		s.Values[b] = value(len(s.Values) - 1 - b)
	}
	return s
}

func randomGame(n int, seed uint64) *Subsets {
	rng := rand.New(rand.NewPCG(seed, 7))
	return gameOf(n, func(int) float64 { return rng.NormFloat64() })
}

// The definition: each head's contribution in all n! orders.
func TestShapleyIsTheMeanOverOrders(t *testing.T) {
	for n := 1; n <= 6; n++ {
		s := randomGame(n, uint64(n))
		want, orders := make([]float64, n), 0.
		permutations(tensorRange(n), func(order []int) {
			orders++
			blurred := 1<<n - 1
			for _, h := range order {
				want[h] -= s.Values[blurred]
				blurred &^= 1 << h
				want[h] += s.Values[blurred]
			}
		})
		sum := 0.
		for h, v := range s.Shapley() {
			assert.InDelta(t, want[h]/orders, v.Value, 1e-12)
			assert.Zero(t, v.StdErr)
			sum += v.Value
		}
		assert.InDelta(t, s.Values[0]-s.Values[1<<n-1], sum, 1e-12, "efficiency")
	}
}

func permutations(rest []int, f func([]int)) {
	var extend func(order, rest []int)
	extend = func(order, rest []int) {
		if len(rest) == 0 {
			f(order)
		}
		for i, x := range rest {
			extend(append(slices.Clone(order), x), slices.Delete(slices.Clone(rest), i, i+1))
		}
	}
	extend(nil, rest)
}

// The definition (Grabisch and Roubens): the sum over the sets S without i and j of |S|!(n-|S|-2)!/(n-1)! times
// v(S+i+j) - v(S+i) - v(S+j) + v(S).
func TestInteractionsAgainstTheDefinition(t *testing.T) {
	for n := 1; n <= 6; n++ {
		s := randomGame(n, uint64(n))
		v := func(sharp int) float64 { return s.Values[1<<n-1-sharp] }
		got := s.Interactions()
		for i := range n {
			assert.Equal(t, Estimate{}, got[i][i])
			for j := range i {
				want := 0.
				for set := range 1 << n {
					if set>>i&1+set>>j&1 == 0 {
						size := bits.OnesCount(uint(set))
						weight := math.Gamma(float64(size+1)) * math.Gamma(float64(n-size-1)) / math.Gamma(float64(n))
						want += weight * (v(set|1<<i|1<<j) - v(set|1<<i) - v(set|1<<j) + v(set))
					}
				}
				assert.InDelta(t, want, got[i][j].Value, 1e-12)
				assert.Equal(t, got[i][j], got[j][i])
			}
		}
	}
}

// What each head adds, and each pair beyond that, are what the game was made of; of three heads that only count
// together each pair has half.
func TestShapleyAndInteractionsOfKnownGames(t *testing.T) {
	adds, pairs := []float64{1, -2, 0, 0.5, 0}, map[int]float64{0b00011: 3, 0b01001: -1}
	s := gameOf(5, func(sharp int) (v float64) {
		for h, a := range adds {
			v += a * float64(sharp>>h&1)
		}
		for pair, a := range pairs {
			if sharp&pair == pair {
				v += a
			}
		}
		return v
	})
	shapley, interactions := s.Shapley(), s.Interactions()
	for i := range adds {
		want := adds[i]
		for j := range adds {
			both := pairs[1<<i|1<<j]
			want += both / 2
			assert.InDelta(t, both, interactions[i][j].Value, 1e-12)
		}
		assert.InDelta(t, want, shapley[i].Value, 1e-12)
	}
	assert.InDelta(t, 0, shapley[4].Value, 1e-12, "a dummy")
	assert.InDelta(t, 0, shapley[2].Value, 1e-12, "another")

	three := gameOf(5, func(sharp int) float64 {
		if sharp&0b10110 == 0b10110 {
			return 6
		}
		return 0
	})
	for h, v := range three.Shapley() {
		assert.InDelta(t, []float64{0, 2, 2, 0, 2}[h], v.Value, 1e-12, "symmetry")
	}
	assert.InDelta(t, 3, three.Interactions()[1][4].Value, 1e-12)
	assert.InDelta(t, 0, three.Interactions()[0][4].Value, 1e-12)
}

// The margin over a class whose heads are not blurred moves as the score does.
func TestShapleyOfAModel(t *testing.T) {
	forEachModel(t, func(t *testing.T, m *Model, g *golden) {
		e := m.explain(g.images.Value.Slice(0, 1, 2).Contig())
		none, every := make([]bool, e.Heads()), slices.Repeat([]bool{true}, e.Heads())
		for _, blur := range []Blur{BlurPatches, BlurAll} {
			sum := func(s *Subsets) (sum float64) {
				for _, v := range s.Shapley() {
					sum += v.Value
				}
				return sum
			}
			before, after := wholeLayer(e, blur, none), wholeLayer(e, blur, every, 0, 2)
			assert.InDelta(t, before[0]-after[0], sum(e.Subsets(0, blur)), 1e-5)
			assert.InDelta(t, before[0]-before[2]-after[0]+after[2], sum(e.SubsetsAgainst(0, 2, blur)), 1e-5)

			s, o, against := e.Subsets(0, blur), e.Subsets(2, blur), e.SubsetsAgainst(0, 2, blur)
			for h, v := range against.Shapley() { // they are linear in the game
				assert.InDelta(t, s.Shapley()[h].Value-o.Shapley()[h].Value, v.Value, 1e-9)
				for j, both := range against.Interactions()[h] {
					assert.InDelta(t, s.Interactions()[h][j].Value-o.Interactions()[h][j].Value, both.Value, 1e-9)
				}
			}
		}
	})
}

// sampled is s with a sample of its subsets.
func sampled(s *Subsets, orders int, seed uint64) *Subsets {
	drawn := *s
	drawn.Values = nil
	drawn.orders = randomOrders(s.heads, orders, rand.New(rand.NewPCG(seed, 8)), func(n int, blurred choice) []float64 {
		values := make([]float64, n)
		for i := range values {
			number := 0
			for h := range s.heads {
				if blurred(i, h) {
					number |= 1 << h
				}
			}
			values[i] = s.Values[number]
		}
		return values
	})
	return &drawn
}

// checkWithin checks that a sample's estimates are within some standard errors of the exact values, and returns how
// many each is off.
func checkWithin(t *testing.T, errors float64, exact, drawn *Subsets) (off []float64) {
	t.Helper()
	check := func(want, got Estimate, what string) {
		assert.InDelta(t, want.Value, got.Value, errors*got.StdErr+1e-9, what)
		if got.StdErr > 0 {
			off = append(off, (got.Value-want.Value)/got.StdErr)
		}
	}
	for h, want := range exact.Shapley() {
		check(want, drawn.Shapley()[h], fmt.Sprint("head ", h))
	}
	estimates := drawn.Interactions()
	for i, row := range exact.Interactions() {
		for j := range i {
			check(row[j], estimates[i][j], fmt.Sprint("heads ", i, " and ", j))
			assert.Equal(t, estimates[i][j], estimates[j][i])
		}
	}
	return off
}

// Estimates are within four standard errors, and off by one in the mean: the errors are neither small nor large.
func TestSampledValuesAreWithinTheirErrors(t *testing.T) {
	var squares, n float64
	for seed := range uint64(40) {
		exact := randomGame(8, seed)
		drawn := sampled(exact, 600, seed)
		for _, off := range checkWithin(t, 4, exact, drawn) {
			squares += off * off
			n++
		}
		sum := 0.
		for _, v := range drawn.Shapley() {
			sum += v.Value
			assert.Less(t, v.StdErr, 0.1)
		}
		assert.InDelta(t, exact.Values[0]-exact.Values[255], sum, 1e-9, "efficiency holds in each order")
	}
	assert.InDelta(t, 1, math.Sqrt(squares/n), 0.1)

	forEachModel(t, func(t *testing.T, m *Model, g *golden) {
		e := m.explain(g.images.Value.Slice(0, 1, 2).Contig())
		for _, exact := range []*Subsets{e.Subsets(0, BlurPatches), e.SubsetsAgainst(0, 1, BlurPatches)} {
			checkWithin(t, 4, exact, sampled(exact, 2000, 1))
		}
	})
}

// One head has no pair; two orders of many heads have no sample for most.
func TestSampleOfFewOrders(t *testing.T) {
	one := sampled(randomGame(1, 1), 3, 1)
	assert.Equal(t, [][]Estimate{{{}}}, one.Interactions())
	assert.Zero(t, one.Shapley()[0].StdErr)
	unknown := 0
	for i, row := range sampled(randomGame(9, 1), 0, 1).Interactions() {
		for j := range i {
			if math.IsInf(row[j].StdErr, 1) {
				unknown++
			}
		}
	}
	assert.Greater(t, unknown, 20)
}
