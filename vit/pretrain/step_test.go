package pretrain

import (
	"math"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/promptcam/promptcam/autograd"
	"github.com/promptcam/promptcam/nn"
	"github.com/promptcam/promptcam/nn/fit"
	"github.com/promptcam/promptcam/tensor"
	"github.com/promptcam/promptcam/tensor/tensortest"
	"github.com/promptcam/promptcam/vit"
)

// randomBatch returns crops of noise for s in pieces.
func randomBatch(s *Config) []*piece {
	rng := rand.New(rand.NewPCG(3, 4))
	batch := newViews(&Folder{}, s).pieces
	for _, p := range batch {
		p.global, p.local = tensortest.Random(rng, p.global.Shape()...), tensortest.Random(rng, p.local.Shape()...)
	}
	return batch
}

// begun returns a training whose teacher is not the student, and whose centre is not zero.
func begun(t *testing.T, s *Config) *trainer {
	t.Helper()
	d, err := newTrainer(s)
	require.NoError(t, err)
	rng := rand.New(rand.NewPCG(5, 6))
	for _, p := range d.pairs {
		for i := range p.teacher.Value.Data() {
			p.teacher.Value.Data()[i] += float32(0.02 * rng.NormFloat64())
		}
	}
	nn.Normal(rng, &autograd.Param{Value: d.centre}, 0.1)
	return d
}

func clones(m map[string]*tensor.Tensor) nn.Tensors {
	all := nn.Tensors{}
	for name, t := range m {
		all[name] = t.Clone()
	}
	return all
}

func floats(t *tensor.Tensor) []float64 {
	all := make([]float64, 0, t.Len())
	for _, v := range t.Contig().Data() {
		all = append(all, float64(v))
	}
	return all
}

// at is when the tests' steps happen.
var at = fit.Moment{Epoch: 1, Steps: 2, LR: 0.01}

// saved returns all tensors of a trainer by their names in a state.
func saved(d *trainer) nn.Tensors {
	c := &fit.Checkpoint{Tensors: nn.Tensors{}}
	d.Save(c)
	return c.Tensors
}

// Loss, entropy, centre, decay, freezing and the teacher's motion are those of the paper's
// algorithm 1 and the authors' code, in float64 loops.
func TestStep(t *testing.T) {
	s := smallConfig(t, "-batch", "3", "-piece", "3", "-centring", "0.8", "-clip", "3")
	d := begun(t, s)
	batch := randomBatch(s)
	b, k, views := 3, s.Outputs, globals+s.Locals
	p := pace{decay: 0.3, momentum: 0.9, temperature: 0.05, frozen: true}

	tape := &autograd.Tape{NoGrad: true}
	seen := floats(d.student.scores(b, tape.Const(batch[0].global), tape.Const(batch[0].local)).Value()) // [V, B, K]
	taught := floats(d.teacher.scores(b, tape.Const(batch[0].global)).Value())                           // [G, B, K]
	centre := floats(d.centre)
	teacher, student := clones(nn.State(d.teacher)), clones(nn.State(d.student))

	softmax := func(x []float64, temperature float64) []float64 {
		var sum float64
		y := make([]float64, len(x))
		for i, v := range x {
			y[i] = math.Exp(v / temperature)
			sum += y[i]
		}
		for i := range y {
			y[i] /= sum
		}
		return y
	}
	var loss, entropy, spread float64
	common := make([]float64, k)
	wantCentre := make([]float64, k)
	for i := range wantCentre {
		wantCentre[i] = 0.8 * centre[i]
	}
	for g := range globals {
		for i := range b {
			row := taught[(g*b+i)*k:][:k]
			shifted := make([]float64, k)
			for j, v := range row {
				shifted[j] = v - centre[j]
				wantCentre[j] += 0.2 * v / float64(globals*b)
			}
			target := softmax(shifted, 0.05)
			for j, q := range target {
				entropy -= q * math.Log(q) / float64(globals*b)
				common[j] += q / float64(globals*b)
			}
			for v := range views {
				if v == g {
					continue
				}
				for j, q := range softmax(seen[(v*b+i)*k:][:k], studentTemperature) {
					loss -= target[j] * math.Log(q) / float64(b*globals*(views-1))
				}
			}
		}
	}
	for _, q := range common {
		spread -= q * math.Log(q)
	}
	told, err := d.step(batch, at, p)
	require.NoError(t, err)
	assert.Equal(t, 3, told.Images)
	assert.InDelta(t, loss, told.Loss, 1e-5)
	assert.InDelta(t, entropy, told.Values[Entropy], 1e-4)
	assert.InDelta(t, spread, told.Values[Spread], 1e-4)
	assert.Greater(t, told.Values[Norm], 0.0)
	tensortest.Close(t, wantCentre, d.centre, 1e-6)

	moved := 0
	for name, now := range nn.State(d.student) {
		want := make([]float64, now.Len())
		for i, v := range now.Data() {
			want[i] = 0.9*float64(teacher[name].Data()[i]) + 0.1*float64(v)
			if v != student[name].Data()[i] {
				moved++
			}
		}
		tensortest.Close(t, want, nn.State(d.teacher)[name], 1e-6)
	}
	assert.Greater(t, moved, 1000)
	assert.Equal(t, student["head.last_layer.weight_v"], d.student.Head.Directions.Value, "frozen")
	p.frozen = false
	_, err = d.step(batch, at, p)
	require.NoError(t, err)
	assert.NotEqual(t, student["head.last_layer.weight_v"], d.student.Head.Directions.Value)
}

// The other objective, in float64 loops.
func TestContrast(t *testing.T) {
	s := smallConfig(t, "-batch", "3", "-piece", "3", "-contrast", "0.3")
	d := begun(t, s)
	batch := randomBatch(s)
	tape := &autograd.Tape{NoGrad: true}
	keys := d.teacher.places(tape.Const(batch[0].global)).Value()                             // [1, G·B, bottleneck]
	rows := d.student.places(tape.Const(batch[0].global), tape.Const(batch[0].local)).Value() // [1, V·B, bottleneck]
	b, views := 3, globals+s.Locals
	similarity := func(v, i, g, j int) (sum float64) {
		for c := range s.Bottleneck {
			sum += float64(rows.At(0, v*b+i, c)) * float64(keys.At(0, g*b+j, c))
		}
		return sum
	}
	var want float64
	for g := range globals {
		for v := range views {
			if v == g {
				continue
			}
			for i := range b {
				var sum float64
				for j := range b {
					sum += math.Exp(similarity(v, i, g, j) / 0.3)
				}
				want -= (similarity(v, i, g, i)/0.3 - math.Log(sum)) / float64(globals*(views-1)*b)
			}
		}
	}
	before := clones(nn.State(d.student))
	told, err := d.step(batch, at, s.pace(1.5))
	require.NoError(t, err)
	assert.InDelta(t, want, told.Loss, 1e-5)
	assert.Greater(t, told.Values[Norm], 0.0)
	assert.NotEqual(t, before["backbone.blocks.0.attn.qkv.weight"], nn.State(d.student)["backbone.blocks.0.attn.qkv.weight"])
}

// A batch's loss, gradients and centre are the means of its pieces', each counted by its images.
func TestPieces(t *testing.T) {
	p := pace{momentum: 0.9, temperature: 0.05}
	s := smallConfig(t, "-batch", "6", "-piece", "4", "-centring", "0", "-clip", "0")
	batch := randomBatch(s)
	both, alone := begun(t, s), []*trainer{begun(t, s), begun(t, s)}
	got, err := both.step(batch, at, p)
	require.NoError(t, err)
	var want, wantEntropy float64
	shares := []float64{4. / 6, 2. / 6}
	for i, d := range alone {
		part, err := d.step(batch[i:i+1], at, p)
		require.NoError(t, err)
		want += shares[i] * part.Loss
		wantEntropy += shares[i] * part.Values[Entropy]
	}
	assert.InDelta(t, want, got.Loss, 1e-5)
	assert.InDelta(t, wantEntropy, got.Values[Entropy], 1e-4)
	mean := func(of func(d *trainer) *tensor.Tensor) *tensor.Tensor {
		return of(alone[0]).Scale(float32(shares[0])).Add(of(alone[1]).Scale(float32(shares[1])))
	}
	for i, q := range both.pairs {
		tensortest.Close(t, mean(func(d *trainer) *tensor.Tensor { return d.sums[d.pairs[i].student] }), both.sums[q.student], 1e-5)
	}
	tensortest.Close(t, mean(func(d *trainer) *tensor.Tensor { return d.centre }), both.centre, 1e-6)
}

// Pieces run on any number of processors to the same bits.
func TestStepOnAnyProcessors(t *testing.T) {
	for contrast, optimizer := range map[string]string{"0": "adamw", "0.2": "muon"} {
		s := smallConfig(t, "-batch", "14", "-piece", "2", "-drop-path", "0.3", "-contrast", contrast, "-optimizer", optimizer)
		var want nn.Tensors
		var wantTold fit.Told
		for _, procs := range []int{1, 2, 5} {
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
			d := begun(t, s)
			var last fit.Told
			for i := range 3 {
				var err error
				last, err = d.step(randomBatch(s), fit.Moment{Step: i, Steps: 3, LR: 0.01}, s.pace(1.5))
				require.NoError(t, err)
			}
			if got := clones(saved(d)); want == nil {
				want, wantTold = got, last
			} else {
				assert.Equal(t, want, got, "%d processors", procs)
				assert.Equal(t, wantTold, last, "%d processors", procs)
			}
		}
	}
}

// Weights decay, biases and norms do not, as in DINO's groups of parameters.
func TestDecay(t *testing.T) {
	d := begun(t, smallConfig(t))
	before := clones(nn.State(d.student))
	for _, p := range d.pairs {
		d.sums[p.student].Fill(0)
	}
	d.move(0.1, pace{decay: 0.5, momentum: 1})
	for name, now := range nn.State(d.student) {
		want := floats(before[name])
		if now.Rank() > 1 {
			for i := range want {
				want[i] *= 0.95
			}
		}
		tensortest.Close(t, want, now, 1e-6)
	}
}

func TestClip(t *testing.T) {
	d := begun(t, smallConfig(t))
	var long, short *autograd.Param
	for _, p := range d.pairs {
		d.sums[p.student].Fill(0)
		switch p.name {
		case "backbone.norm.bias":
			short = p.student
		case "backbone.norm.weight":
			long = p.student
		}
	}
	copy(d.sums[long].Data(), []float32{6, 8})
	copy(d.sums[short].Data(), []float32{0, 2})
	assert.InDelta(t, math.Sqrt(104), d.clip(5), 1e-6, "before clipping")
	assert.Equal(t, []float32{3, 4, 0}, d.sums[long].Data()[:3])
	assert.Equal(t, []float32{0, 2, 0}, d.sums[short].Data()[:3])
	d.clip(0)
	assert.Equal(t, []float32{3, 4, 0}, d.sums[long].Data()[:3])
}

func TestPace(t *testing.T) {
	s := smallConfig(t, "-epochs", "10", "-warmup", "2", "-lr", "0.5", "-min-lr", "0.1", "-decay", "0.04", "-last-decay", "0.4",
		"-momentum", "0.996", "-warm-temperature", "0.04", "-temperature", "0.07", "-warm-epochs", "3", "-freeze", "1")
	cosine := func(from, to, share float64) float64 { return to + (from-to)*(1+math.Cos(math.Pi*share))/2 }
	for _, epoch := range []float64{0.01, 0.5, 1, 1.01, 2, 3, 4.5, 9, 10} {
		p := s.pace(epoch)
		rate := 0.5 * epoch / 2
		if epoch > 2 {
			rate = cosine(0.5, 0.1, (epoch-2)/8)
		}
		assert.InDelta(t, rate, s.schedule().At(epoch), 1e-6)
		assert.InDelta(t, cosine(0.04, 0.4, epoch/10), p.decay, 1e-6)
		assert.InDelta(t, cosine(0.996, 1, epoch/10), p.momentum, 1e-6)
		assert.InDelta(t, 0.04+0.03*min(epoch/3, 1), p.temperature, 1e-6)
		assert.Equal(t, epoch <= 1, p.frozen)
	}
}

// The class token is that of the whole model, at the network's own size and, with position
// embeddings resized as vit.Load does, for local and early crops, from which all of them learn.
func TestClassToken(t *testing.T) {
	for name, more := range map[string][]string{
		"plain": {"-early", "24"}, "registers": {"-early", "24", "-registers", "2"}, "windows": {"-early", "16", "-local", "16", "-window", "2"},
	} {
		t.Run(name, func(t *testing.T) { testClassToken(t, smallConfig(t, more...)) })
	}
}

func testClassToken(t *testing.T, s *Config) {
	d := begun(t, s)
	b := d.student.Backbone
	rng := rand.New(rand.NewPCG(7, 8))
	nn.Normal(rng, b.Position, 1)
	for _, side := range []int{s.Image, s.Local, s.Early} {
		c := b.Config
		c.ImageSize = [2]int{side, side}
		whole, err := vit.LoadFrom(nn.Tensors(nn.State(b)), c)
		require.NoError(t, err)
		images := tensortest.Random(rng, 3, 3, side, side)
		tape := &autograd.Tape{}
		got := d.student.class(tape.Const(images))
		want := whole.Features((&autograd.Tape{}).Const(images)).Value()
		tensortest.Close(t, want.Slice(1, 0, 1).Contig(), got.Value(), 1e-5)

		grads := tape.Backward(autograd.CrossEntropy(autograd.Reshape(got, 3, -1), []int{0, 1, 2}))
		for name, p := range nn.Params(b) {
			assert.NotNil(t, grads[p], "%d pixels: %s is not learned", side, name)
		}
		for i := range b.Position.Value.Dim(1) {
			row := grads[b.Position].Select(1, i).Contig().Data()
			assert.NotEqual(t, make([]float32, len(row)), row, "%d pixels: position %d is not learned", side, i)
		}
	}
}

// Steps after the first ones take nearly no memory of their own.
func TestStepReusesMemory(t *testing.T) {
	s := smallConfig(t, "-batch", "8", "-piece", "4")
	d := begun(t, s)
	batch := randomBatch(s)
	steps := func(n int) {
		for range n {
			_, err := d.step(batch, at, s.pace(1.5))
			require.NoError(t, err)
		}
	}
	steps(20)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	steps(10)
	runtime.ReadMemStats(&after)
	held := int64(0)
	for _, p := range batch { // each block keeps more than this
		held += int64(4 * (p.global.Len() + p.local.Len()))
	}
	assert.Less(t, int64(after.TotalAlloc-before.TotalAlloc)/10, held)
	t.Log(int64(after.TotalAlloc-before.TotalAlloc)/10, held)
}
