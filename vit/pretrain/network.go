package pretrain

import (
	"math"
	"math/rand/v2"

	"github.com/promptcam/promptcam/autograd"
	"github.com/promptcam/promptcam/nn"
	"github.com/promptcam/promptcam/tensor"
	"github.com/promptcam/promptcam/vit"
)

// network is a student or a teacher. The state names are those of DINO's checkpoints.
type network struct {
	Backbone *vit.Model `state:"backbone"`
	Head     *head      `state:"head"`

	resample map[int]*tensor.Tensor // by side of smaller crops: the weights that resample position embeddings
}

// newNetwork returns an untrained network, the same whenever it is called.
func newNetwork(c *Config) (*network, error) {
	rng := rand.New(rand.NewPCG(uint64(c.Seed), 0))
	b, err := vit.New(c.Backbone(), rng)
	if err != nil {
		return nil, err
	}
	n := &network{b, newHead(c.Dim, c.Projection, rng), map[int]*tensor.Tensor{}}
	sides := []int{c.Early}
	if c.Locals > 0 {
		sides = append(sides, c.Local)
	}
	for _, side := range sides {
		if from, to := c.Image/c.Patch, side/c.Patch; side != c.Image && to > 0 {
			n.resample[side] = vit.ResampleWeights([2]int{from, from}, [2]int{to, to})
		}
	}
	return n, nil
}

// scores returns the scores [V, B, K], between -1 and 1, of V views of B images. Crops come in groups of
// one size, [V1·B, 3, S1, S1] and so on, each view by view.
func (n *network) scores(images int, groups ...*autograd.Var) *autograd.Var {
	places := n.places(groups...)
	directions := autograd.Normalize(places.Tape().Param(n.Head.Directions))
	return autograd.Reshape(autograd.Linear(places, directions, nil), -1, images, directions.Dim(0))
}

// places returns the rows of unit length [1, V·B, bottleneck] that the scores are products with.
func (n *network) places(groups ...*autograd.Var) *autograd.Var {
	f := groups[0].Tape().Frame()
	rows := make([]*autograd.Var, len(groups))
	for i, g := range groups {
		rows[i] = autograd.Reshape(n.class(g), 1, g.Dim(0), -1) // [1, Vi·B, D]
	}
	x := f.Keep(autograd.Concat(rows...)) // [1, V·B, D]
	for _, l := range []*nn.Linear{n.Head.FC1, n.Head.FC2} {
		x = autograd.GELU(autograd.Standardize(l.Forward(x), 1e-5)) // [1, V·B, hidden]
	}
	return autograd.Normalize(n.Head.FC3.Forward(x))
}

// class returns the class tokens [B, 1, D] of images [B, 3, S, S], after the last block and norm.
func (n *network) class(images *autograd.Var) *autograd.Var {
	f, b := images.Tape().Frame(), n.Backbone
	h, w := images.Dim(2)/b.Config.PatchSize, images.Dim(3)/b.Config.PatchSize
	tokens := b.EmbedAs(images, n.resample[images.Dim(2)]) // crops of all sides train the same position embeddings
	class, _ := b.Class(f.Keep(b.Run(tokens, h, w, 0, len(b.Blocks)-1)))
	return f.Keep(class)
}

// head is DINO's projection head, which is left behind after training: an MLP, scaled to a row of unit
// length, and its products with K directions, which are rows of unit length too.
//
// The MLP has batch normalisation, DINO's use_bn_in_head, which DINO turns off for transformers. Without it
// an untrained head scores all images nearly the same, and some thousand steps do not change that.
type head struct {
	FC1        *nn.Linear      `state:"mlp.0"`
	FC2        *nn.Linear      `state:"mlp.2"`
	FC3        *nn.Linear      `state:"mlp.4"`
	Directions *autograd.Param `state:"last_layer.weight_v"` // [K, bottleneck], of any length
}

// newHead draws the directions as PyTorch's Linear does, and weights from a normal distribution of deviation
// 1/sqrt(in). DINO's 0.02 is about that for its 2,048 hidden units; with fewer units, 0.02 makes rows so
// short that scaling them to unit length blows up their gradient a thousandfold.
func newHead(dim int, s Projection, rng *rand.Rand) *head {
	h := &head{
		nn.NewLinear(dim, s.Hidden), nn.NewLinear(s.Hidden, s.Hidden), nn.NewLinear(s.Hidden, s.Bottleneck),
		nn.NewParam(s.Outputs, s.Bottleneck),
	}
	for _, l := range []*nn.Linear{h.FC1, h.FC2, h.FC3} {
		nn.Normal(rng, l.Weight, 1/math.Sqrt(float64(l.Weight.Value.Dim(1))))
	}
	nn.KaimingUniform(rng, h.Directions, nil)
	return h
}
