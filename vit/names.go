package vit

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// A naming maps one convention for the names of a vision transformer's tensors to this package's names, which
// are timm's.
type naming struct {
	name   string
	towers []string // prefixes of the backbone's names in files that contain more
	rules  []rule   // the first that matches a name applies
	ignore []string // tensors to ignore: names, or prefixes that end in a dot
}

// A rule maps a name, or one per block: # stands for a number and * for weight or bias, the same on both
// sides. With part 1, 2 or 3 the tensor is that third of ours.
type rule struct {
	file, ours string
	part       int
}

// namings are the known conventions. Our names for the classifier begin with head.
//
// Sources: timm/models/vision_transformer.py; facebookresearch dino, dinov2, mae and deit; openai/CLIP
// clip/model.py and open_clip; the modeling_*.py of vit, vit_mae, deit, dinov2, dinov2_with_registers and
// clip in transformers, and its convert_*.py scripts beside them.
var namings = []naming{
	{
		name:   "timm", // and all of Meta's code, which follows it
		towers: []string{"backbone."},
		rules: append(unchanged("cls_token", "reg_token", "pos_embed", "patch_embed.proj.*", "norm_pre.*",
			"blocks.#.norm1.*", "blocks.#.attn.qkv.*", "blocks.#.attn.proj.*", "blocks.#.ls1.gamma",
			"blocks.#.norm2.*", "blocks.#.mlp.fc1.*", "blocks.#.mlp.fc2.*", "blocks.#.ls2.gamma", "norm.*", "head.*"),
			rule{file: "register_tokens", ours: "reg_token"},            // dinov2
			rule{file: "pre_logits.fc.*", ours: "head.pre_logits.fc.*"}, // the first AugReg files
		),
		ignore: []string{
			"mask_token",                                                                               // mae, dinov2, for training
			"decoder_embed.", "decoder_blocks.", "decoder_norm.", "decoder_pred.", "decoder_pos_embed", // mae
			"head.mlp.", "head.last_layer.", // dino's projection, in training checkpoints
			"head_dist.", // deit
		},
	},
	{
		name:   "OpenAI CLIP",
		towers: []string{"visual."},
		rules: []rule{
			{file: "class_embedding", ours: "cls_token"},
			{file: "positional_embedding", ours: "pos_embed"},
			{file: "conv1.weight", ours: "patch_embed.proj.weight"},
			{file: "ln_pre.*", ours: "norm_pre.*"},
			{file: "transformer.resblocks.#.ln_1.*", ours: "blocks.#.norm1.*"},
			{file: "transformer.resblocks.#.attn.in_proj_weight", ours: "blocks.#.attn.qkv.weight"},
			{file: "transformer.resblocks.#.attn.in_proj_bias", ours: "blocks.#.attn.qkv.bias"},
			{file: "transformer.resblocks.#.attn.out_proj.*", ours: "blocks.#.attn.proj.*"},
			{file: "transformer.resblocks.#.ln_2.*", ours: "blocks.#.norm2.*"},
			{file: "transformer.resblocks.#.mlp.c_fc.*", ours: "blocks.#.mlp.fc1.*"},
			{file: "transformer.resblocks.#.mlp.c_proj.*", ours: "blocks.#.mlp.fc2.*"},
			{file: "ln_post.*", ours: "norm.*"},
		},
		ignore: []string{
			"proj",                                                                                     // to the space shared with text
			"transformer.", "token_embedding.", "positional_embedding", "ln_final.", "text_projection", // the text tower
			"text.", "attn_mask", // the same in open_clip
			"logit_scale", "logit_bias", "input_resolution", "context_length", "vocab_size",
		},
	},
	{
		name:   "Hugging Face CLIP",
		towers: []string{"vision_model."},
		rules: []rule{
			{file: "embeddings.class_embedding", ours: "cls_token"},
			{file: "embeddings.position_embedding.weight", ours: "pos_embed"},
			{file: "embeddings.patch_embedding.weight", ours: "patch_embed.proj.weight"},
			{file: "pre_layrnorm.*", ours: "norm_pre.*"}, // sic
			{file: "encoder.layers.#.layer_norm1.*", ours: "blocks.#.norm1.*"},
			{file: "encoder.layers.#.self_attn.q_proj.*", ours: "blocks.#.attn.qkv.*", part: 1},
			{file: "encoder.layers.#.self_attn.k_proj.*", ours: "blocks.#.attn.qkv.*", part: 2},
			{file: "encoder.layers.#.self_attn.v_proj.*", ours: "blocks.#.attn.qkv.*", part: 3},
			{file: "encoder.layers.#.self_attn.out_proj.*", ours: "blocks.#.attn.proj.*"},
			{file: "encoder.layers.#.layer_norm2.*", ours: "blocks.#.norm2.*"},
			{file: "encoder.layers.#.mlp.fc1.*", ours: "blocks.#.mlp.fc1.*"},
			{file: "encoder.layers.#.mlp.fc2.*", ours: "blocks.#.mlp.fc2.*"},
			{file: "post_layernorm.*", ours: "norm.*"},
		},
		ignore: []string{
			"embeddings.position_ids", // 0, 1, 2, ...
			"text_model.", "visual_projection.", "text_projection.", "logit_scale",
		},
	},
	{
		name:   "Hugging Face ViT", // and DeiT and MAE
		towers: []string{"vit.", "deit."},
		rules: append(huggingFace,
			rule{file: "encoder.layer.#.layernorm_before.*", ours: "blocks.#.norm1.*"},
			rule{file: "encoder.layer.#.layernorm_after.*", ours: "blocks.#.norm2.*"},
			rule{file: "encoder.layer.#.intermediate.dense.*", ours: "blocks.#.mlp.fc1.*"},
			rule{file: "encoder.layer.#.output.dense.*", ours: "blocks.#.mlp.fc2.*"},
		),
		ignore: []string{
			"embeddings.mask_token",
			"pooler.",  // a tanh layer that no published classifier uses
			"decoder.", // ViTMAE, masked image modelling
			"distillation_classifier.",
		},
	},
	{
		name:   "Hugging Face DINOv2",
		towers: []string{"dinov2.", "dinov2_with_registers."},
		rules: append(huggingFace,
			rule{file: "embeddings.register_tokens", ours: "reg_token"},
			rule{file: "encoder.layer.#.norm1.*", ours: "blocks.#.norm1.*"},
			rule{file: "encoder.layer.#.layer_scale1.lambda1", ours: "blocks.#.ls1.gamma"},
			rule{file: "encoder.layer.#.norm2.*", ours: "blocks.#.norm2.*"},
			rule{file: "encoder.layer.#.mlp.fc1.*", ours: "blocks.#.mlp.fc1.*"},
			rule{file: "encoder.layer.#.mlp.fc2.*", ours: "blocks.#.mlp.fc2.*"},
			rule{file: "encoder.layer.#.layer_scale2.lambda1", ours: "blocks.#.ls2.gamma"},
		),
		ignore: []string{"embeddings.mask_token"},
	},
}

// huggingFace are the rules that ViT and DINOv2 share in transformers.
var huggingFace = slices.Clip([]rule{
	{file: "embeddings.cls_token", ours: "cls_token"},
	{file: "embeddings.position_embeddings", ours: "pos_embed"},
	{file: "embeddings.patch_embeddings.projection.*", ours: "patch_embed.proj.*"},
	{file: "encoder.layer.#.attention.attention.query.*", ours: "blocks.#.attn.qkv.*", part: 1},
	{file: "encoder.layer.#.attention.attention.key.*", ours: "blocks.#.attn.qkv.*", part: 2},
	{file: "encoder.layer.#.attention.attention.value.*", ours: "blocks.#.attn.qkv.*", part: 3},
	{file: "encoder.layer.#.attention.output.dense.*", ours: "blocks.#.attn.proj.*"},
	{file: "layernorm.*", ours: "norm.*"},
	{file: "classifier.*", ours: "head.*"},
	{file: "cls_classifier.*", ours: "head.*"}, // DeiT with its teacher's classifier
})

// unchanged returns rules for names that are the same as ours.
func unchanged(names ...string) (rules []rule) {
	for _, name := range names {
		rules = append(rules, rule{file: name, ours: name})
	}
	return rules
}

// apply returns our name for name if r matches it.
func (r rule) apply(name string) (ours string, ok bool) {
	if strings.Count(name, ".") != strings.Count(r.file, ".") {
		return "", false
	}
	var number, leaf string
	rest := name
	for pattern := range strings.SplitSeq(r.file, ".") {
		var word string
		word, rest, _ = strings.Cut(rest, ".")
		fits := word == pattern
		switch pattern {
		case "#":
			number, fits = word, isNumber(word)
		case "*":
			leaf, fits = word, word == "weight" || word == "bias"
		}
		if !fits {
			return "", false
		}
	}
	return strings.NewReplacer("#", number, "*", leaf).Replace(r.ours), true
}

// isNumber reports whether s is a block's number: no sign, no leading zero.
func isNumber(s string) bool {
	return s == "0" || s != "" && s[0] != '0' && strings.Trim(s, "0123456789") == ""
}

// find returns our name for name, without prefix, and the part.
func (n *naming) find(name string) (ours string, part int, ok bool) {
	for _, r := range n.rules {
		if ours, ok := r.apply(name); ok {
			return ours, r.part, true
		}
	}
	return "", 0, false
}

func (n *naming) ignores(name string) bool {
	return slices.ContainsFunc(n.ignore, func(s string) bool {
		return name == s || strings.HasSuffix(s, ".") && strings.HasPrefix(name, s)
	})
}

// A layout maps each of our tensors to the file's.
type layout struct {
	naming  *naming
	from    map[string][]string // our name to the file's: one, or query, key and value
	unknown []string            // of the file, sorted
}

// recognise finds the naming and the prefix (vit., dinov2., visual., or a training program's) of a file's
// names, which must be sorted, and returns the layout.
func recognise(names []string) (layout, error) {
	n, root, err := family(names)
	if err != nil {
		return layout{}, err
	}
	l := layout{naming: n, from: map[string][]string{}}
	wrapper := root
	for _, tower := range n.towers {
		if before, ok := strings.CutSuffix(root, tower); ok {
			wrapper = before
		}
	}
	for _, name := range names {
		inside, isInside := strings.CutPrefix(name, root)
		beside, isBeside := strings.CutPrefix(name, wrapper)
		ours, part, ok := n.find(inside)
		if !isInside {
			ours, part, ok = n.find(beside)
			ok = ok && isBeside && isClassifier(ours)
		}
		switch {
		case ok && l.add(ours, part, name):
		case isInside && n.ignores(inside), isBeside && n.ignores(beside):
		default:
			l.unknown = append(l.unknown, name)
		}
	}
	for ours, parts := range l.from {
		if slices.Contains(parts, "") {
			l.unknown = append(l.unknown, slices.DeleteFunc(parts, func(s string) bool { return s == "" })...)
			delete(l.from, ours)
		}
	}
	slices.Sort(l.unknown)
	return l, nil
}

// add enters the file's tensor name as ours, or as a part of it. It returns false if the place is taken.
func (l layout) add(ours string, part int, name string) bool {
	if part == 0 {
		if l.from[ours] != nil {
			return false
		}
		l.from[ours] = []string{name}
		return true
	}
	parts := l.from[ours]
	if parts == nil {
		parts = make([]string, 3)
		l.from[ours] = parts
	}
	if len(parts) != 3 || parts[part-1] != "" {
		return false
	}
	parts[part-1] = name
	return true
}

// family returns the naming and prefix that match most of the tensors that every backbone has (class token,
// positions and patch embedding); a tie goes to the naming that matches most of all tensors.
func family(names []string) (*naming, string, error) {
	type candidate struct {
		naming int
		root   string
	}
	marks := map[candidate]int{}
	for i, n := range namings {
		for _, r := range n.rules {
			if r.ours != "cls_token" && r.ours != "pos_embed" && !strings.HasPrefix(r.ours, "patch_embed.") {
				continue
			}
			mark := strings.Replace(r.file, "*", "weight", 1)
			for _, name := range names {
				if root, ok := strings.CutSuffix(name, mark); ok && (root == "" || strings.HasSuffix(root, ".")) {
					marks[candidate{i, root}]++
				}
			}
		}
	}
	var best []candidate
	most := 0
	roots := map[string]bool{}
	for c, n := range marks {
		if n > most {
			best, most = nil, n
			clear(roots)
		}
		if n == most {
			best = append(best, c)
			roots[c.root] = true
		}
	}
	if most < 2 {
		return nil, "", fmt.Errorf("its names are not those of any known vision transformer (%s)", abridge(names))
	}
	if len(roots) > 1 {
		var quoted []string
		for _, root := range slices.Sorted(maps.Keys(roots)) {
			quoted = append(quoted, strconv.Quote(root))
		}
		return nil, "", fmt.Errorf("it holds more than one backbone: under %s", abridge(quoted))
	}
	root := best[0].root
	n, most := best[0].naming, 0
	for _, c := range best {
		score := 0
		for _, name := range names {
			if inside, ok := strings.CutPrefix(name, root); ok {
				if _, _, ok := namings[c.naming].find(inside); ok {
					score++
				}
			}
		}
		if score > most {
			n, most = c.naming, score
		}
	}
	return &namings[n], root, nil
}

// abridge lists the first few names and counts the rest.
func abridge(names []string) string {
	const few = 4
	if len(names) <= few {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:few], ", "), len(names)-few)
}
