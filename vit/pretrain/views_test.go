package pretrain

import (
	"context"
	"math"
	"runtime"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/promptcam/promptcam/data"
	"github.com/promptcam/promptcam/tensor"
)

// crops returns copies of all crops of an epoch's first batch.
func crops(t *testing.T, s *Config, epoch int) (all []*tensor.Tensor) {
	t.Helper()
	v := newViews(textures{20, 1, -1}, s)
	batch, err := v.batch(t.Context(), epoch, v.order(epoch)[0])
	require.NoError(t, err)
	for _, p := range batch {
		all = append(all, p.global.Clone(), p.local.Clone())
	}
	return all
}

func TestViewsDependOnSeedAndEpochAlone(t *testing.T) {
	s := smallConfig(t, "-grey", "0.2", "-blur", "0.5", "-solarize", "0.2")
	want := crops(t, s, 3)
	require.Len(t, want, 4, "a batch of 6 is a piece of 4 and one of 2")
	assert.Equal(t, []int{8, 3, 32, 32}, want[0].Shape())
	assert.Equal(t, []int{4, 3, 16, 16}, want[3].Shape())
	procs := runtime.GOMAXPROCS(1)
	defer runtime.GOMAXPROCS(procs)
	assert.Equal(t, want, crops(t, s, 3))
	assert.NotEqual(t, want[0], crops(t, s, 4)[0])
	s.Seed++
	assert.NotEqual(t, want[0], crops(t, s, 3)[0])
	for _, x := range want {
		for i := range x.Dim(0) {
			for j := range i {
				assert.NotEqual(t, x.Select(0, i).Data(), x.Select(0, j).Data(), "two views are the same")
			}
		}
	}
}

func TestOrder(t *testing.T) {
	v := newViews(textures{20, 1, -1}, smallConfig(t))
	order := v.order(0)
	assert.Equal(t, 3, v.Steps())
	seen := slices.Concat(order...)
	require.Len(t, seen, 18, "what fills no batch is left out")
	slices.Sort(seen)
	assert.Len(t, slices.Compact(seen), 18)
	assert.NotEqual(t, order, v.order(1))
	assert.Equal(t, order, v.order(0))
}

// Global crops are small in the first six tenths of the epochs, whichever comes first.
func TestCropsGrow(t *testing.T) {
	s := smallConfig(t, "-early", "16", "-epochs", "5")
	v := newViews(textures{20, 1, -1}, s)
	for _, epoch := range []int{0, 2, 3, 4, 1} {
		side := 32
		if epoch < 3 {
			side = 16
		}
		batch, err := v.batch(t.Context(), epoch, v.order(epoch)[0])
		require.NoError(t, err)
		want := crops(t, s, epoch)
		for i, p := range batch {
			assert.Equal(t, []int{2 * p.images, 3, side, side}, p.global.Shape(), "epoch %d", epoch)
			assert.Equal(t, []int{2 * p.images, 3, 16, 16}, p.local.Shape(), "epoch %d", epoch)
			assert.Equal(t, want[2*i], p.global, "epoch %d", epoch)
		}
	}
	for epoch := range 5 {
		assert.Equal(t, 32, smallConfig(t, "-epochs", "5").side(epoch), "without --early")
	}
}

func TestViewsOfBadImages(t *testing.T) {
	v := newViews(textures{20, 1, 7}, smallConfig(t))
	_, err := v.batch(t.Context(), 0, []int{1, 2, 7, 4, 5, 6})
	assert.ErrorIs(t, err, errBad)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = v.batch(ctx, 0, []int{1, 2, 3, 4, 5, 6})
	assert.ErrorIs(t, err, context.Canceled)
}

func TestBlurIsGaussian(t *testing.T) {
	m := data.NewRGB(21, 21)
	m.Pix[3*(10*21+10)+1] = 255
	blur(m, 1.5)
	sum := 0
	for y := range m.H {
		for x := range m.W {
			v := m.Pix[3*(y*21+x):]
			d := math.Pow(float64(x-10), 2) + math.Pow(float64(y-10), 2)
			assert.InDelta(t, 255*math.Exp(-d/(2*1.5*1.5))/(2*math.Pi*1.5*1.5), v[1], 1.1)
			assert.Zero(t, v[0])
			sum += int(v[1])
		}
	}
	assert.InDelta(t, 255, sum, 20)
	flat := data.NewRGB(5, 3)
	for i := range flat.Pix {
		flat.Pix[i] = uint8(40 + i%3)
	}
	want := slices.Clone(flat.Pix)
	blur(flat, 2)
	assert.Equal(t, want, flat.Pix, "edges stay")
}

func TestGreyAndSolarize(t *testing.T) {
	m := &data.RGB{Pix: []uint8{255, 0, 0, 0, 255, 0, 10, 128, 127}, W: 3, H: 1}
	solarize(m)
	assert.Equal(t, []uint8{0, 0, 0, 0, 0, 0, 10, 127, 127}, m.Pix)
	m.Pix = []uint8{255, 0, 0, 0, 255, 0, 10, 10, 10}
	grey(m)
	assert.Equal(t, []uint8{76, 76, 76, 150, 150, 150, 10, 10, 10}, m.Pix)
}
