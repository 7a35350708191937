package vit

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/promptcam/promptcam/nn"
	"github.com/promptcam/promptcam/tensor"
)

// variant returns the shapes of a ViT-S/16 under a prefix, without the tensors whose names contain one of the
// words of cut, and with more ones, in whose names # stands for each block's number.
func variant(prefix, cut string, more map[string][]int) map[string][]int {
	c, _ := Preset("dino-vits16")
	shapes := map[string][]int{}
	for name, shape := range shapesOf(c, c.posRows()) {
		shapes[prefix+name] = shape
	}
	for _, word := range strings.Fields(cut) {
		maps.DeleteFunc(shapes, func(name string, _ []int) bool { return strings.Contains(name, word) })
	}
	for name, shape := range more {
		for i := range c.Depth {
			shapes[strings.ReplaceAll(name, "#", fmt.Sprint(i))] = shape
		}
	}
	return shapes
}

// blocks returns the shapes of a network without what all vision transformers have.
func blocks(names string) map[string][]int {
	shapes := map[string][]int{}
	for _, name := range strings.Fields(names) {
		for i := range 3 {
			shapes[strings.ReplaceAll(name, "#", fmt.Sprint(i))] = []int{8, 8}
		}
	}
	return shapes
}

func TestUnsupportedArchitecturesAreNamed(t *testing.T) {
	d := []int{384}
	for _, f := range []struct {
		path, want string
		shapes     map[string][]int
	}{
		{"dinov3_vits16.pth", "a DINOv3, with rotary position embeddings (storage_tokens, rope_embed.periods, ", variant("", "pos_embed", map[string][]int{
			"storage_tokens": {1, 4, 384}, "mask_token": {1, 384}, "rope_embed.periods": {16}, "blocks.#.attn.qkv.bias_mask": {1152}, "blocks.#.ls1.gamma": d, "blocks.#.ls2.gamma": d})},
		{"dinov3 in transformers", "a DINOv3", blocks("embeddings.cls_token embeddings.mask_token embeddings.register_tokens embeddings.patch_embeddings.weight layer.#.attention.q_proj.weight layer.#.mlp.up_proj.weight norm.weight")},
		{"dinov3 in timm", "without a table of position embeddings (DINOv3's are rotary", variant("", "pos_embed qkv.bias", map[string][]int{"reg_token": {1, 4, 384}, "blocks.#.gamma_1": d})},
		{"dinov2_vitg14.pth", "SwiGLU in place of the MLP, as in DINOv2's ViT-g (blocks.0.mlp.w12.weight", variant("", ".mlp.", map[string][]int{"blocks.#.mlp.w12.weight": {2048, 384}, "blocks.#.mlp.w3.weight": {384, 1024}})},
		{"compiled ViT-g", "SwiGLU in place of the MLP", variant("_orig_mod.backbone.", ".mlp.", map[string][]int{"_orig_mod.backbone.blocks.#.mlp.w12.weight": {2048, 384}})},
		{"deit_small_distilled.pth", "a DeiT with distillation token (dist_token)", variant("", "", map[string][]int{"dist_token": {1, 1, 384}, "pos_embed": {1, 198, 384}, "head_dist.weight": {1000, 384}})},
		{"deit in transformers", "a DeiT with distillation token (deit.embeddings.distillation_token)", blocks("deit.embeddings.cls_token deit.embeddings.distillation_token deit.embeddings.position_embeddings deit.embeddings.patch_embeddings.projection.weight deit.encoder.layer.#.layernorm_before.weight")},
		{"siglip in open_clip", "without class token", variant("visual.trunk.", "cls_token", map[string][]int{"logit_scale": {1}, "text.token_embedding.weight": {99, 8}})},
		{"siglip in timm", "a SigLIP or another with attention pooling (attn_pool.latent)", variant("", "cls_token", map[string][]int{"attn_pool.latent": {1, 1, 384}})},
		{"siglip in transformers", "attention pooling (vision_model.head.probe)", blocks("vision_model.embeddings.patch_embedding.weight vision_model.embeddings.position_embedding.weight vision_model.encoder.layers.#.layer_norm1.weight vision_model.head.probe")},
		{"beit_small.pth", "a BEiT, with relative position embeddings (blocks.0.attn.relative_position_bias_table", variant("", "pos_embed qkv.bias", map[string][]int{
			"blocks.#.attn.q_bias": d, "blocks.#.attn.v_bias": d, "blocks.#.attn.relative_position_bias_table": {732, 6}, "blocks.#.gamma_1": d})},
		{"eva02", "an EVA", variant("", "qkv .mlp.", map[string][]int{"blocks.#.attn.q_proj.weight": {384, 384}, "blocks.#.attn.inner_attn_ln.weight": d})},
		{"eva_clip", "an EVA, with rotary position embeddings (visual.blocks.0.attn.rope.freqs_cos)", variant("visual.", "", map[string][]int{"visual.blocks.#.attn.rope.freqs_cos": {196, 64}})},
		{"swin_tiny.pth", "a Swin transformer", blocks("patch_embed.proj.weight patch_embed.norm.weight layers.#.blocks.#.attn.relative_position_bias_table layers.0.downsample.reduction.weight")},
		{"swin in transformers", "a Swin transformer", blocks("swin.embeddings.patch_embeddings.projection.weight swin.encoder.layers.#.blocks.0.attention.self.query.weight")},
		{"convnext_tiny.pth", "a ConvNeXt", blocks("downsample_layers.0.0.weight stages.#.0.dwconv.weight")},
		{"convnext in timm", "a ConvNeXt", blocks("stem.0.weight stages.#.blocks.0.conv_dw.weight")},
		{"resnet50.pth", "a ResNet (layer1.0.conv1.weight", blocks("conv1.weight bn1.weight layer1.#.conv1.weight fc.weight")},
		{"RN50.pt", "a ResNet (visual.layer1.0.conv1.weight", blocks("visual.conv1.weight visual.layer1.#.conv1.weight visual.attnpool.positional_embedding transformer.resblocks.#.ln_1.weight")},
		{"vit_b_16-c867db91.pth", "under torchvision's names", blocks("class_token conv_proj.weight encoder.pos_embedding encoder.layers.encoder_layer_#.ln_1.weight heads.head.weight")},
		{"vit-base_mmpretrain.pth", "under mmpretrain's names", blocks("backbone.cls_token backbone.pos_embed backbone.patch_embed.projection.weight backbone.layers.#.ln1.weight backbone.layers.#.ffn.layers.0.0.weight")},
		{"ViT-B_16.safetensors", "under the names of JAX: timm's conversion", blocks("Transformer/posembed_input/pos_embedding Transformer/encoderblock_#/LayerNorm_0/scale cls embedding/kernel")},
		{"vit_h.pth", "relative position embeddings, as in SAM", variant("image_encoder.", "cls_token", map[string][]int{"image_encoder.blocks.#.attn.rel_pos_h": {27, 64}})},
		{"mae_finetuned.pth", "fine-tuned with mean pooling (fc_norm in place of norm)", variant("", "norm.weight norm.bias", map[string][]int{"fc_norm.weight": d, "fc_norm.bias": d, "blocks.#.norm1.weight": d})},
		{"vit_bias_free.pth", "queries, keys or values without bias", variant("", "qkv.bias", nil)},
		{"adapter_model.safetensors", "LoRA adapters that are not merged", variant("base_model.model.", "qkv", map[string][]int{
			"base_model.model.blocks.#.attn.qkv.base_layer.weight": {1152, 384}, "base_model.model.blocks.#.attn.qkv.lora_A.default.weight": {8, 384}})},
	} {
		_, err := Detect(header{f.path, f.shapes})
		if assert.ErrorIs(t, err, ErrUnsupported, f.path) {
			assert.ErrorContains(t, err, f.want)
			assert.ErrorContains(t, err, "vit: detect architecture of "+f.path+": unsupported architecture: ")
			assert.NotContains(t, err.Error(), "arch ", "no choice of an architecture helps")
		}
		_, err = Kind(header{f.path, f.shapes})
		assert.ErrorIs(t, err, ErrUnsupported, f.path)

		// A Config of the caller's does not help either, and nothing is read.
		c, _ := Preset("dino-vits16")
		_, err = LoadFrom(unread{t, header{f.path, f.shapes}}, c)
		if assert.ErrorIs(t, err, ErrUnsupported, f.path) {
			assert.ErrorContains(t, err, f.want)
		}
	}
}

// unread is a Header with tensors that nobody may read.
type unread struct {
	t *testing.T
	header
}

func (u unread) Tensor(name string) (*tensor.Tensor, error) {
	u.t.Helper()
	assert.Fail(u.t, name+" is read")
	return tensor.New(u.shapes[name]...), nil
}

// What lies beside a whole backbone says nothing of it.
func TestForeignTensorsBesideABackboneAreNoReason(t *testing.T) {
	h := header{"dino_vits.pth", variant("visual.trunk.", "", map[string][]int{
		"text.embeddings.word_embeddings.weight": {99, 8}, "text.layers.#.mlp.gate_proj.weight": {8, 8}, "logit_scale": {}, "other.layer1.0.conv1.weight": {1}})}
	c, err := Detect(h)
	require.NoError(t, err)
	assert.Equal(t, "dino-vits16", c.Name)
	assert.Len(t, Aside(h), 12+3)
}

func TestPartsOfACheckpointAreNamed(t *testing.T) {
	whole := variant("", "", nil)
	first, second := maps.Clone(whole), maps.Clone(whole)
	maps.DeleteFunc(first, func(name string, _ []int) bool {
		return strings.HasPrefix(name, "blocks.9") || strings.HasPrefix(name, "norm")
	})
	maps.DeleteFunc(second, func(name string, _ []int) bool { return first[name] != nil })
	const name = "dino/pytorch_model-0000%d-of-00002.bin"
	for i, shapes := range []map[string][]int{first, second} {
		_, err := Detect(header{fmt.Sprintf(name, i+1), shapes})
		assert.ErrorContains(t, err, fmt.Sprintf("it is part %d of a checkpoint in 2 files: join them", i+1))
	}
	_, err := Detect(header{"dino_a.pth", first})
	assert.ErrorContains(t, err, "it has a block number 11, but none number 9")
	maps.DeleteFunc(first, func(name string, _ []int) bool { return strings.HasPrefix(name, "blocks.1") })
	_, err = Detect(header{"dino_a.pth", first})
	assert.ErrorContains(t, err, "it has a block number 8, but none number 1")
	maps.DeleteFunc(whole, func(name string, _ []int) bool { return strings.HasPrefix(name, "norm") })
	_, err = Detect(header{"dino_a.pth", whole})
	assert.ErrorContains(t, err, "it is no whole vision transformer: 2 tensors missing (norm.bias, norm.weight)")
	assert.NotContains(t, err.Error(), "--arch")

	one := header{"model-00001-of-00001.safetensors", variant("", "", nil)}
	_, err = Detect(one)
	assert.ErrorContains(t, err, "state which it is")
}

func TestKind(t *testing.T) {
	for preset, want := range map[string]string{"augreg-vitti16": "ViT-Ti/16", "dinov2-vitl14-reg": "ViT-L/14", "dino-vits8": "ViT-S/8"} {
		got, err := Kind(published(t, "a.pth", preset, convention{rename: asTimm}))
		require.NoError(t, err)
		assert.Equal(t, want, got)
	}
	got, err := Kind(header{"tiny", shapesOf(tiny, 10)})
	require.NoError(t, err)
	assert.Equal(t, "ViT of 2 blocks of width 8 with patches of 4 pixels", got)
	_, err = Kind(header{"x.pth", map[string][]int{"fc.weight": {3, 4}}})
	assert.EqualError(t, err, "vit: x.pth: its names are not those of any known vision transformer (fc.weight)")
}

func TestAnotherArchitectureIsNamedBeforeTheShapes(t *testing.T) {
	c, err := Preset("dino-vitb16")
	require.NoError(t, err)
	h := published(t, "a.pth", "augreg-vitti16", convention{rename: asTimm})
	_, err = LoadFrom(unread{t, h}, c)
	require.ErrorContains(t, err, `vit: load: the weights are a ViT-Ti/16, architecture "dino-vitb16" is a ViT-B/16: `)
	assert.ErrorContains(t, err, "blocks.0.attn.proj.bias is [192], want [768]; and 149 more")
	assert.Less(t, len(err.Error()), 250)
	assert.NotErrorIs(t, err, ErrUnsupported)
}

var _ nn.Source = unread{}
