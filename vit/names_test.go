package vit

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/promptcam/promptcam/nn"
	"github.com/promptcam/promptcam/tensor"
)

// shapesOf lists what a backbone of architecture c has, written down
// independently of the model, with a pos_embed of that many rows.
func shapesOf(c Config, rows int) map[string][]int {
	d, p := c.Dim, c.PatchSize
	s := map[string][]int{
		"cls_token": {1, 1, d}, "pos_embed": {1, rows, d}, "patch_embed.proj.weight": {d, 3, p, p},
		"norm.weight": {d}, "norm.bias": {d},
	}
	if c.PreNorm {
		s["norm_pre.weight"], s["norm_pre.bias"] = []int{d}, []int{d}
	} else {
		s["patch_embed.proj.bias"] = []int{d}
	}
	if c.Registers > 0 {
		s["reg_token"] = []int{1, c.Registers, d}
	}
	if c.Labels > 0 {
		s["head.weight"], s["head.bias"] = []int{c.Labels, d}, []int{c.Labels}
	}
	for i := range c.Depth {
		b := fmt.Sprintf("blocks.%d.", i)
		for name, shape := range map[string][]int{
			"norm1": {d}, "norm2": {d}, "attn.qkv": {3 * d, d}, "attn.proj": {d, d},
			"mlp.fc1": {c.Hidden, d}, "mlp.fc2": {d, c.Hidden},
		} {
			s[b+name+".weight"], s[b+name+".bias"] = shape, shape[:1]
		}
		if c.LayerScale {
			s[b+"ls1.gamma"], s[b+"ls2.gamma"] = []int{d}, []int{d}
		}
	}
	return s
}

func weightsOf(c Config, rows int, seed uint64) nn.Tensors {
	rng := rand.New(rand.NewPCG(seed, 0))
	w, empty := nn.Tensors{}, nn.Tensors{}
	shapes := shapesOf(c, rows)
	for name := range shapes {
		empty[name] = tensor.New()
	}
	for _, name := range empty.Names() {
		w[name] = noise(rng, shapes[name]...)
	}
	return w
}

func noise(rng *rand.Rand, shape ...int) *tensor.Tensor {
	t := tensor.New(shape...)
	for i := range t.Data() {
		t.Data()[i] = float32(rng.NormFloat64())
	}
	return t
}

// A convention is how one family of files names and cuts our tensors, written
// as the way there; the table in names.go is the way back.
type convention struct {
	name   string
	config Config
	prefix string
	rename *strings.Replacer // on "^" + name, so that ^ marks the beginning
	split  [3]string         // query, key, value in place of @, which rename puts for qkv; none: kept whole
	flat   bool              // cls_token [D] and pos_embed [T, D]
	extra  map[string][]int  // tensors that are passed over, with full names
}

// names returns the file's names for one of ours.
func (c convention) names(ours string) []string {
	prefix := c.prefix
	if strings.HasPrefix(ours, "head.") && (prefix == "vit." || prefix == "dinov2.") {
		prefix = ""
	}
	name := prefix + strings.TrimPrefix(c.rename.Replace("^"+ours), "^")
	if !strings.Contains(name, "@") {
		return []string{name}
	}
	var names []string
	for _, part := range c.split {
		names = append(names, strings.Replace(name, "@", part, 1))
	}
	return names
}

// file returns weights as a file of this convention holds them.
func (c convention) file(weights nn.Tensors) nn.Tensors {
	out := nn.Tensors{}
	for ours, t := range weights {
		if c.flat && (ours == "cls_token" || ours == "pos_embed") {
			t = tensor.FromSlice(t.Data(), t.Shape()[map[string]int{"cls_token": 2, "pos_embed": 1}[ours]:]...)
		}
		names := c.names(ours)
		rows := t.Dim(0) / len(names)
		for i, name := range names {
			out[name] = t
			if len(names) > 1 {
				out[name] = t.Slice(0, i*rows, (i+1)*rows)
			}
		}
	}
	for name, shape := range c.extra {
		out[name] = tensor.New(shape...)
	}
	return out
}

var (
	tiny     = Config{Name: "tiny", ImageSize: [2]int{12, 12}, PatchSize: 4, Dim: 8, Depth: 2, Heads: 2, Hidden: 12, Eps: 1e-6, Mean: half, Std: half}
	tinyHead = with(tiny, func(c *Config) { c.Labels = 5 })
	tinyClip = with(tiny, func(c *Config) { c.PreNorm, c.QuickGELU = true, true })
	tinyDINO = with(tiny, func(c *Config) { c.LayerScale = true })
	tinyReg  = with(tinyDINO, func(c *Config) { c.Registers, c.NoClassPos = 4, true })
)

func with(c Config, change func(*Config)) Config {
	change(&c)
	return c
}

var (
	asTimm = strings.NewReplacer()
	asMeta = strings.NewReplacer("^reg_token", "register_tokens")
	asCLIP = strings.NewReplacer("^cls_token", "class_embedding", "^pos_embed", "positional_embedding",
		"^patch_embed.proj", "conv1", "^norm_pre", "ln_pre", "^norm.", "ln_post.", "^blocks.", "transformer.resblocks.",
		"norm1", "ln_1", "norm2", "ln_2", "qkv.", "in_proj_", "attn.proj", "attn.out_proj", "fc1", "c_fc", "fc2", "c_proj")
	asTransformersCLIP = strings.NewReplacer("^cls_token", "embeddings.class_embedding", "^pos_embed", "embeddings.position_embedding.weight",
		"^patch_embed.proj", "embeddings.patch_embedding", "^norm_pre", "pre_layrnorm", "^norm.", "post_layernorm.", "^blocks.", "encoder.layers.",
		"norm1", "layer_norm1", "norm2", "layer_norm2", "attn.qkv", "self_attn.@", "attn.proj", "self_attn.out_proj")
	asTransformersViT = strings.NewReplacer("^cls_token", "embeddings.cls_token", "^pos_embed", "embeddings.position_embeddings",
		"^patch_embed.proj", "embeddings.patch_embeddings.projection", "^norm.", "layernorm.", "^blocks.", "encoder.layer.", "^head", "classifier",
		"norm1", "layernorm_before", "norm2", "layernorm_after", "attn.qkv", "attention.attention.@", "attn.proj", "attention.output.dense",
		"mlp.fc1", "intermediate.dense", "mlp.fc2", "output.dense")
	asTransformersDINOv2 = strings.NewReplacer("^cls_token", "embeddings.cls_token", "^pos_embed", "embeddings.position_embeddings",
		"^reg_token", "embeddings.register_tokens", "^patch_embed.proj", "embeddings.patch_embeddings.projection", "^norm.", "layernorm.",
		"^blocks.", "encoder.layer.", "^head", "classifier", "attn.qkv", "attention.attention.@", "attn.proj", "attention.output.dense",
		"ls1.gamma", "layer_scale1.lambda1", "ls2.gamma", "layer_scale2.lambda1")
	// What transformers 5 calls them in memory.
	asTransformersViT5 = strings.NewReplacer("^cls_token", "embeddings.cls_token", "^pos_embed", "embeddings.position_embeddings",
		"^patch_embed.proj", "embeddings.patch_embeddings.projection", "^norm.", "layernorm.", "^blocks.", "layers.", "^head", "classifier",
		"norm1", "layernorm_before", "norm2", "layernorm_after", "attn.qkv", "attention.@", "attn.proj", "attention.o_proj")
	asTransformersDINOv25 = strings.NewReplacer("^cls_token", "embeddings.cls_token", "^pos_embed", "embeddings.position_embeddings",
		"^reg_token", "embeddings.register_tokens", "^patch_embed.proj", "embeddings.patch_embeddings.projection", "^norm.", "layernorm.",
		"^blocks.", "encoder.layer.", "^head", "classifier", "attn.qkv", "attention.@", "attn.proj", "attention.o_proj",
		"ls1.gamma", "layer_scale1.lambda1", "ls2.gamma", "layer_scale2.lambda1")
	asChunks = strings.NewReplacer("^reg_token", "register_tokens", "^blocks.0.", "blocks.0.0.", "^blocks.1.", "blocks.1.1.")
	asChunk  = strings.NewReplacer("^reg_token", "register_tokens", "^blocks.", "blocks.0.")
	asFSDP   = strings.NewReplacer("^blocks.0.", "blocks.0._fsdp_wrapped_module._checkpoint_wrapped_module.",
		"^blocks.1.", "blocks._fsdp_wrapped_module.1._fsdp_wrapped_module.", "^norm", "_fsdp_wrapped_module.norm")
	asCompiledBlocks = strings.NewReplacer("^blocks.0.", "blocks.0._orig_mod.", "^blocks.1.attn.", "blocks.1.attn._orig_mod.")
	qkv              = [3]string{"query", "key", "value"}
	qkvProjs         = [3]string{"q_proj", "k_proj", "v_proj"}
)

var conventions = []convention{
	{name: "timm", config: tiny, rename: asTimm},
	{name: "timm with classifier", config: tinyHead, rename: asTimm},
	{name: "timm CLIP", config: tinyClip, rename: asTimm, extra: map[string][]int{"head.weight": {6, 8}, "head.bias": {6}}},
	{name: "timm DINOv2", config: tinyDINO, rename: asTimm},
	{name: "timm DINOv2 with registers", config: tinyReg, rename: asTimm},
	{name: "timm, in a training program's wrapping", config: tiny, prefix: "ema.module.", rename: asTimm},
	{name: "timm AugReg with representation layer", config: tiny, rename: asTimm, extra: map[string][]int{"pre_logits.fc.weight": {8, 8}, "head.weight": {9, 8}}},
	{name: "DINO", config: tiny, rename: asMeta},
	{name: "DINO, training", config: tiny, prefix: "backbone.", rename: asMeta, extra: map[string][]int{
		"head.mlp.0.weight": {9, 8}, "head.mlp.0.bias": {9}, "head.last_layer.weight_g": {9, 1}, "head.last_layer.weight_v": {9, 4}}},
	{name: "DINO, training, in safetensors", config: tiny, prefix: "teacher.backbone.", rename: asMeta, extra: map[string][]int{
		"teacher.head.mlp.0.weight": {9, 8}, "teacher.head.last_layer.weight_g": {9, 1}}},
	{name: "DINOv2", config: tinyDINO, rename: asMeta, extra: map[string][]int{"mask_token": {1, 8}}},
	{name: "DINOv2 with registers", config: tinyReg, rename: asMeta, extra: map[string][]int{"mask_token": {1, 8}}},
	{name: "MAE", config: tiny, rename: asMeta, extra: map[string][]int{"mask_token": {1, 1, 4}, "decoder_pos_embed": {1, 10, 4},
		"decoder_embed.weight": {4, 8}, "decoder_blocks.0.norm1.weight": {4}, "decoder_blocks.0.attn.qkv.weight": {12, 4}, "decoder_norm.bias": {4}, "decoder_pred.bias": {48}}},
	{name: "DeiT", config: tinyHead, rename: asMeta, extra: map[string][]int{"head_dist.weight": {5, 8}, "head_dist.bias": {5}}},
	{name: "OpenAI CLIP", config: tinyClip, prefix: "visual.", rename: asCLIP, flat: true, extra: map[string][]int{
		"visual.proj": {8, 6}, "positional_embedding": {77, 6}, "text_projection": {6, 6}, "logit_scale": {}, "token_embedding.weight": {99, 6},
		"transformer.resblocks.0.ln_1.weight": {6}, "transformer.resblocks.0.attn.in_proj_weight": {18, 6}, "ln_final.weight": {6},
		"input_resolution": {}, "context_length": {}, "vocab_size": {}}},
	{name: "open_clip with a text tower of its own", config: tinyClip, prefix: "visual.", rename: asCLIP, flat: true, extra: map[string][]int{
		"visual.proj": {8, 6}, "text.transformer.resblocks.0.ln_1.weight": {6}, "text.positional_embedding": {77, 6}, "logit_scale": {}, "logit_bias": {}}},
	{name: "open_clip, image tower alone", config: tinyClip, rename: asCLIP, flat: true, extra: map[string][]int{"proj": {8, 6}}},
	{name: "CLIPVisionModel", config: tinyClip, prefix: "vision_model.", rename: asTransformersCLIP, split: qkvProjs, flat: true,
		extra: map[string][]int{"vision_model.embeddings.position_ids": {1, 10}}},
	{name: "CLIPModel", config: tinyClip, prefix: "vision_model.", rename: asTransformersCLIP, split: qkvProjs, flat: true, extra: map[string][]int{
		"visual_projection.weight": {6, 8}, "text_projection.weight": {6, 6}, "logit_scale": {},
		"text_model.embeddings.position_embedding.weight": {77, 6}, "text_model.encoder.layers.0.layer_norm1.weight": {6}}},
	{name: "ViTModel", config: tiny, rename: asTransformersViT, split: qkv, extra: map[string][]int{"pooler.dense.weight": {8, 8}, "pooler.dense.bias": {8}}},
	{name: "ViTForImageClassification", config: tinyHead, prefix: "vit.", rename: asTransformersViT, split: qkv},
	{name: "ViTMAEForPreTraining", config: tiny, prefix: "vit.", rename: asTransformersViT, split: qkv, extra: map[string][]int{
		"decoder.mask_token": {1, 1, 4}, "decoder.decoder_pos_embed": {1, 10, 4}, "decoder.decoder_layers.0.layernorm_before.weight": {4}}},
	{name: "Dinov2Model", config: tinyDINO, rename: asTransformersDINOv2, split: qkv, extra: map[string][]int{"embeddings.mask_token": {1, 8}}},
	{name: "Dinov2ForImageClassification", config: tinyDINO, prefix: "dinov2.", rename: asTransformersDINOv2, split: qkv,
		extra: map[string][]int{"dinov2.embeddings.mask_token": {1, 8}, "classifier.weight": {5, 16}, "classifier.bias": {5}}},
	{name: "DINOv2, training", config: tinyDINO, prefix: "backbone.", rename: asMeta, extra: map[string][]int{"backbone.mask_token": {1, 8},
		"dino_head.mlp.0.weight": {9, 8}, "dino_head.last_layer.weight_g": {9, 1}, "ibot_head.last_layer.weight_v": {9, 4}}},
	{name: "DINOv2, training, as checkpoint cuts its names", config: tinyDINO, rename: asMeta, extra: map[string][]int{"mask_token": {1, 8},
		"dino_head.mlp.0.weight": {9, 8}, "dino_head.last_layer.weight_g": {9, 1}, "ibot_head.last_layer.weight_v": {9, 4}}},
	{name: "DINOv2, blocks in chunks", config: tinyDINO, rename: asChunks},
	{name: "DINOv2, blocks in one chunk, wrapped", config: tinyReg, prefix: "teacher.backbone._fsdp_wrapped_module.", rename: asChunk},
	{name: "compiled", config: tiny, prefix: "_orig_mod.", rename: asTimm},
	{name: "compiled and parallel", config: tinyHead, prefix: "module._orig_mod.", rename: asTimm},
	{name: "compiled block by block", config: tiny, rename: asCompiledBlocks},
	{name: "fully sharded, with activation checkpoints", config: tiny, prefix: "_fsdp_wrapped_module.", rename: asFSDP},
	{name: "wrapped CLIP", config: tinyClip, prefix: "visual._orig_mod.", rename: asCLIP, flat: true},
	{name: "ViTModel of transformers 5", config: tiny, rename: asTransformersViT5, split: qkvProjs, extra: map[string][]int{"pooler.dense.weight": {8, 8}}},
	{name: "ViTForImageClassification of transformers 5", config: tinyHead, prefix: "vit.", rename: asTransformersViT5, split: qkvProjs},
	{name: "Dinov2Model of transformers 5", config: tinyDINO, rename: asTransformersDINOv25, split: qkvProjs, extra: map[string][]int{"embeddings.mask_token": {1, 8}}},
	{name: "Dinov2WithRegistersForImageClassification of transformers 5", config: tinyReg, prefix: "dinov2_with_registers.", rename: asTransformersDINOv25, split: qkvProjs},
	{name: "Dinov2WithRegistersModel", config: tinyReg, rename: asTransformersDINOv2, split: qkv, extra: map[string][]int{"embeddings.mask_token": {1, 8}}},
}

// Whatever a file calls its tensors, each is used once, named as unknown or passed over.
func FuzzRecognise(f *testing.F) {
	for _, v := range conventions {
		f.Add(strings.Join(v.file(weightsOf(v.config, 10, 0)).Names(), "\n"))
	}
	f.Fuzz(func(t *testing.T, text string) {
		names := strings.Split(text, "\n")
		slices.Sort(names)
		names = slices.Compact(names)
		l, err := recognise(names)
		if err != nil {
			return
		}
		used := map[string]int{}
		for _, name := range slices.Concat(l.unknown, l.aside) {
			used[name]++
		}
		for _, parts := range l.from {
			for _, name := range parts {
				used[name]++
			}
		}
		for name, times := range used {
			_, there := slices.BinarySearch(names, name)
			require.True(t, there && times == 1, "%q is there: %t, used %d times", name, there, times)
		}
	})
}

func TestNamesMustFitWhole(t *testing.T) {
	n := namings[0]
	r, ok := n.find("blocks.11.norm1.bias")
	assert.True(t, ok)
	assert.Equal(t, "blocks.11.norm1.bias", r.ours)
	for _, name := range []string{"", "blocks", "blocks.1.norm1", "blocks..norm1.bias", "blocks.01.norm1.bias", "blocks.-1.norm1.bias", "blocks.1.norm1.bias.", "blocks.1.norm1.gamma", "x.blocks.1.norm1.bias", "blocks.#.norm1.*"} {
		_, ok := n.find(name)
		assert.False(t, ok, name)
	}
}
