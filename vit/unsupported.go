package vit

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/promptcam/promptcam/tensor/checkpoint"
)

// ErrUnsupported is wrapped by the errors for weights of an architecture that this package cannot run, whatever
// Config is asked for. Their text names it.
var ErrUnsupported = errors.New("unsupported architecture")

// signs tell other architectures by words in their tensors' names, # for a number; the first that is found
// counts. Sources: timm/models; open_clip; in transformers, the modeling_*.py; torchvision/models; mmpretrain.
var signs = []struct{ what, words string }{
	{"LoRA adapters that are not merged (PEFT's merge_and_unload does so)", "base_layer lora_A"},
	{"an EVA, with rotary position embeddings", "rope.freqs_cos attn.inner_attn_ln mlp.ffn_ln"},
	{"a DINOv3, with rotary position embeddings", "storage_tokens rope_embed rope_embeddings bias_mask embeddings.patch_embeddings.weight"},
	{"a Swin transformer", "layers.#.blocks.#.attn layers.#.blocks.#.attention layers.#.downsample stages.#.blocks.#.attn.w_msa features.#.#.attn"},
	{"a BEiT, with relative position embeddings", "relative_position_bias_table relative_position_bias rel_pos_bias"},
	{"relative position embeddings, as in SAM", "rel_pos_h"},
	{"a DeiT with distillation token", "dist_token distillation_token"},
	{"a SigLIP or another with attention pooling", "attn_pool head.probe"},
	{"SwiGLU in place of the MLP, as in DINOv2's ViT-g", "mlp.w12 mlp.weights_in mlp.gate_proj mlp.fc1_g mlp.w1"},
	{"a CaiT", "blocks_token_only"},
	{"norms of queries and keys", "attn.q_norm attention.q_norm"},
	{"an EVA", "attn.q_bias attn.q_proj"},
	{"a ConvNeXt", "downsample_layers stages.#.blocks.#.conv_dw stages.#.#.dwconv stages.#.layers.#.dwconv layers.#.dwconv layers.#.depthwise_conv features.#.#.layer_scale"},
	{"a ResNet", "layer1.#.conv1 layer1.#.bn1 layers.#.layer.#.convolution stages.#.#.conv1"},
	{"an EfficientNet or MobileNet", "conv_dw conv_pw _expand_conv"},
	{"a vision transformer with a convolutional stem", "patch_embed.backbone patch_embed.conv conv_stem"},
	{"a vision transformer under torchvision's names, which are not among those known", "encoder.pos_embedding conv_proj"},
	{"a vision transformer under the names of JAX: timm's conversion has the same weights", "Transformer/posembed_input/pos_embedding"},
	{"a vision transformer under mmpretrain's names, which are not among those known", "patch_embed.projection layers.#.ffn.layers"},
	{"a language model", "word_embeddings embed_tokens wte"},
}

// foreign returns an error that says of which other architecture the given names are, or nil.
func (t contents) foreign(names []string) error {
	if i, of := checkpoint.Shard(t.path); of > 1 {
		return fmt.Errorf("it is part %d of a checkpoint in %d files: join them, as transformers' save_pretrained(max_shard_size=\"100GB\") does", i, of)
	}
	patterns := make([]string, len(names))
	for i, name := range names {
		words := strings.Split(checkpoint.CutWrappers(name), ".")
		for j, word := range words {
			if isNumber(word) {
				words[j] = "#"
			}
		}
		patterns[i] = "." + strings.Join(words, ".") + "."
	}
	for _, sign := range signs {
		var found []string
		for _, word := range strings.Fields(sign.words) {
			i := slices.IndexFunc(patterns, func(p string) bool { return strings.Contains(p, "."+word+".") })
			if i >= 0 {
				found = append(found, checkpoint.Clean(names[i]))
			}
		}
		if found != nil {
			return fmt.Errorf("%w: %s (%s)", ErrUnsupported, sign.what, strings.Join(found, ", "))
		}
	}
	return nil
}
