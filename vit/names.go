package vit

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/promptcam/promptcam/tensor/checkpoint"
)

// A naming maps one convention for the names of a vision transformer's tensors to this package's names, which
// are timm's.
type naming struct {
	rules  map[string]rule // by the file's name, as in table
	towers []string        // prefixes of the backbone's names in files that contain more
	ignore []string        // tensors to ignore: names, or prefixes that end in a dot
}

// A rule says that a tensor is one of several parts of ours, stacked: query, key and value, or the whole.
type rule struct {
	ours        string
	part, parts int
}

// table has a row per tensor and a column per naming, the first also for our names; a bar separates
// alternatives. # stands for a block's number and what precedes it, * for weight or bias, the same in all
// columns, and {q,k,v} for the parts of ours. transformers 5 has other names in memory, from which
// torch.save(model.state_dict()) makes files, than save_pretrained writes: q_proj, o_proj, mlp.fc1, layers.0.
//
// Sources: timm/models/vision_transformer.py, and facebookresearch dino, dinov2, mae and deit; openai/CLIP
// clip/model.py and open_clip; in transformers, the modeling_*.py and convert_*.py of clip, and of vit, vit_mae,
// deit, dinov2 and dinov2_with_registers.
const table = `
cls_token                             class_embedding       embeddings.class_embedding            embeddings.cls_token
reg_token|register_tokens             -                     -                                     embeddings.register_tokens
pos_embed                             positional_embedding  embeddings.position_embedding.weight  embeddings.position_embeddings
patch_embed.proj.weight               conv1.weight          embeddings.patch_embedding.weight     embeddings.patch_embeddings.projection.weight
patch_embed.proj.bias                 -                     -                                     embeddings.patch_embeddings.projection.bias
norm_pre.*                            ln_pre.*              pre_layrnorm.*                        -
#.norm1.*                             #.ln_1.*              #.layer_norm1.*                       #.layernorm_before.*|#.norm1.*
#.attn.qkv.*                          #.attn.in_proj_*      #.self_attn.{q_proj,k_proj,v_proj}.*  #.attention.attention.{query,key,value}.*|#.attention.{q_proj,k_proj,v_proj}.*
#.attn.proj.*                         #.attn.out_proj.*     #.self_attn.out_proj.*                #.attention.output.dense.*|#.attention.o_proj.*
#.ls1.gamma                           -                     -                                     #.layer_scale1.lambda1
#.norm2.*                             #.ln_2.*              #.layer_norm2.*                       #.layernorm_after.*|#.norm2.*
#.mlp.fc1.*                           #.mlp.c_fc.*          #.mlp.fc1.*                           #.intermediate.dense.*|#.mlp.fc1.*
#.mlp.fc2.*                           #.mlp.c_proj.*        #.mlp.fc2.*                           #.output.dense.*|#.mlp.fc2.*
#.ls2.gamma                           -                     -                                     #.layer_scale2.lambda1
norm.*                                ln_post.*             post_layernorm.*                      layernorm.*
head.*                                -                     -                                     classifier.*|cls_classifier.*
head.pre_logits.fc.*|pre_logits.fc.*  -                     -                                     -
`

// namings are the columns of table. Our names for the classifier begin with head.
var namings = []naming{
	{ // timm, and all of Meta's code, which follows it
		rules:  rules(0, "blocks.#"), // and blocks.CHUNK.#: see find
		towers: []string{"backbone."},
		ignore: []string{
			"mask_token",                                                                               // mae, dinov2, for training
			"decoder_embed.", "decoder_blocks.", "decoder_norm.", "decoder_pred.", "decoder_pos_embed", // mae
			"head.", "dino_head.", "ibot_head.", // projections of dino and dinov2, and others' classifiers
			"head_dist.", // deit
		},
	},
	{ // OpenAI's CLIP
		rules:  rules(1, "transformer.resblocks.#"),
		towers: []string{"visual."},
		ignore: []string{
			"proj",                                                                                     // to the space shared with text
			"transformer.", "token_embedding.", "positional_embedding", "ln_final.", "text_projection", // the text tower
			"text.", "attn_mask", // the same in open_clip
			"logit_scale", "logit_bias", "input_resolution", "context_length", "vocab_size",
		},
	},
	{ // CLIP in transformers
		rules:  rules(2, "encoder.layers.#"),
		towers: []string{"vision_model."},
		ignore: []string{
			"embeddings.position_ids", // 0, 1, 2, ...
			"text_model.", "visual_projection.", "text_projection.", "logit_scale",
		},
	},
	{ // ViT, DeiT, MAE and DINOv2 in transformers
		rules:  rules(3, "encoder.layer.#", "layers.#", "encoder.layers.#"),
		towers: []string{"vit.", "deit.", "dinov2.", "dinov2_with_registers."},
		ignore: []string{
			"embeddings.mask_token",
			"pooler.",  // a tanh layer that no published classifier uses
			"decoder.", // ViTMAE, masked image modelling
			"distillation_classifier.",
		},
	},
}

// rules returns the rules of a column of table, whose blocks' names begin with one of blocks.
func rules(column int, blocks ...string) map[string]rule {
	all := map[string]rule{}
	for row := range strings.Lines(strings.TrimSpace(table)) {
		cells := strings.Fields(row)
		ours, _, _ := strings.Cut(cells[0], "|")
		for _, name := range strings.Split(cells[column], "|") {
			for _, block := range blocks {
				before, braced, _ := strings.Cut(strings.Replace(name, "#", block, 1), "{")
				within, after, _ := strings.Cut(braced, "}")
				parts := strings.Split(within, ",") // one, empty, without braces
				for i, part := range parts {
					all[before+part+after] = rule{strings.Replace(ours, "#", "blocks.#", 1), i, len(parts)}
				}
			}
		}
	}
	delete(all, "-")
	return all
}

// find returns the rule for name, without prefix, with number and leaf filled in.
func (n *naming) find(name string) (r rule, ok bool) {
	if strings.ContainsAny(name, "#*") {
		return rule{}, false
	}
	number, leaf := "", ""
	var words []string
	for _, word := range strings.Split(name, ".") {
		if isNumber(word) {
			number, word = word, "#"
			if slices.Equal(words, []string{"blocks", "#"}) { // dinov2's block_chunks: blocks.CHUNK.BLOCK
				continue
			}
		}
		words = append(words, word)
	}
	pattern := strings.Join(words, ".")
	r, ok = n.rules[pattern]
	for _, end := range []string{"weight", "bias"} {
		if stem, cut := strings.CutSuffix(pattern, end); cut && !ok {
			leaf = end
			r, ok = n.rules[stem+"*"]
		}
	}
	r.ours = strings.NewReplacer("#", number, "*", leaf).Replace(r.ours)
	return r, ok
}

// isNumber reports whether s is a block's number: no sign, no leading zero.
func isNumber(s string) bool {
	return s == "0" || s != "" && s[0] != '0' && strings.Trim(s, "0123456789") == ""
}

func (n *naming) ignores(name string) bool {
	return slices.ContainsFunc(n.ignore, func(s string) bool {
		return name == s || strings.HasSuffix(s, ".") && strings.HasPrefix(name, s)
	})
}

// partStems are the first words, up to a dot or an underscore, of what belongs to a vision transformer itself,
// in this package's architectures and in others. A module of any other name beside the patch embedding and the
// blocks, such as a classifier or a loss, takes no part in what the backbone computes.
var partStems = strings.Fields("attn block blocks class cls conv1 dist distillation embed embeddings encoder layer layernorm layers ln local mask norm patch pos position positional post pre reg register rel relative rope stem storage token tokens transformer")

// isPart reports whether a tensor, named without the backbone's prefix, may belong to the backbone.
func isPart(name string) bool {
	module, _, _ := strings.Cut(name, ".")
	if slices.ContainsFunc([]string{"_head", "_heads", "_weights"}, func(end string) bool { return strings.HasSuffix(module, end) }) {
		return false // cls_head, of a classifier; class_weights, of a loss
	}
	first := strings.FieldsFunc(name, func(r rune) bool { return r == '.' || r == '_' })
	return len(first) == 0 || slices.Contains(partStems, first[0]) || strings.HasPrefix(name, "fc_norm.") || name == "head.probe"
}

// A layout maps each of our tensors to the file's.
type layout struct {
	from    map[string][]string // our name to the file's: one, or query, key and value
	unknown []string            // of the backbone, sorted
	aside   []string            // of other modules than the backbone, sorted, but for those that naming.ignore lists
}

// recognise finds the naming and the prefix (vit., dinov2., visual., or a training program's) of a file's
// names, which must be sorted, and returns the layout.
func recognise(names []string) (layout, error) {
	n, root, err := family(names)
	if err != nil {
		return layout{}, err
	}
	l := layout{from: map[string][]string{}}
	wrapper := root
	for _, tower := range n.towers {
		if before, ok := strings.CutSuffix(root, tower); ok {
			wrapper = before
		}
	}
	for _, name := range names {
		inside, isInside := strings.CutPrefix(name, root)
		beside, isBeside := strings.CutPrefix(name, wrapper)
		r, ok := n.find(inside)
		if !isInside {
			r, ok = n.find(beside)
			ok = ok && isBeside && isClassifier(r.ours)
		}
		switch {
		case ok && l.add(r, name):
		case isInside && n.ignores(inside), isBeside && n.ignores(beside):
		case isInside && isPart(inside):
			l.unknown = append(l.unknown, name)
		default:
			l.aside = append(l.aside, name)
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

// add enters the file's tensor name by its rule. It returns false if the place is taken.
func (l layout) add(r rule, name string) bool {
	if l.from[r.ours] == nil {
		l.from[r.ours] = make([]string, r.parts)
	}
	parts := l.from[r.ours]
	if len(parts) != r.parts || parts[r.part] != "" {
		return false
	}
	parts[r.part] = name
	return true
}

// family returns the naming and prefix that match most of the tensors that every backbone has: class token,
// positions and patch embedding.
func family(names []string) (*naming, string, error) {
	marks := map[string][]int{} // by prefix, those of each naming
	for i, n := range namings {
		for mark, r := range n.rules {
			if r.ours != "cls_token" && r.ours != "pos_embed" && r.ours != "patch_embed.proj.weight" {
				continue
			}
			for _, name := range names {
				if root, ok := strings.CutSuffix(name, mark); ok && (root == "" || strings.HasSuffix(root, ".")) {
					if marks[root] == nil {
						marks[root] = make([]int, len(namings))
					}
					marks[root][i]++
				}
			}
		}
	}
	var best []string // prefixes
	most := 2
	for _, root := range slices.Sorted(maps.Keys(marks)) {
		n := slices.Max(marks[root])
		if n > most {
			best, most = nil, n
		}
		if n == most {
			best = append(best, root)
		}
	}
	best = firstCopies(best)
	switch len(best) {
	case 0:
		return nil, "", fmt.Errorf("its names are not those of any known vision transformer (%s)", abridge(names))
	case 1:
		return &namings[slices.Index(marks[best[0]], most)], best[0], nil
	}
	for i, root := range best {
		best[i] = `"` + root + `"`
	}
	return nil, "", fmt.Errorf("it holds more than one backbone: under %s: state one of them as FILE#KEY, the key without its last dot", abridge(best))
}

// copies are pairs of words in the prefixes of two copies of one backbone that a training program keeps, first the
// one that is used afterwards: in self-distillation the teacher (dino, dinov2; lightly's examples), in MoCo and BYOL the
// encoder that is trained, otherwise, as in timm, the moving average.
var copies = [][2]string{
	{"teacher", "student"}, {"teacher_backbone", "student_backbone"},
	{"base_encoder", "momentum_encoder"}, {"encoder_q", "encoder_k"}, {"backbone", "backbone_momentum"}, {"backbone", "momentum_backbone"},
	{"online_network", "target_network"}, {"online_encoder", "target_encoder"}, {"ema_model", "online_model"},
	{"ema", "model"}, {"model_ema", "model"}, {"ema_model", "model"},
}

// firstCopies returns roots, which are prefixes, without the second of copies.
func firstCopies(roots []string) []string {
	there := map[string]bool{}
	for _, root := range roots {
		there[root] = true
	}
	return slices.DeleteFunc(roots, func(root string) bool {
		return slices.ContainsFunc(copies, func(c [2]string) bool {
			first := strings.Replace("."+root, "."+c[1]+".", "."+c[0]+".", 1)[1:]
			return first != root && (there[first] || there[strings.TrimPrefix(first, "backbone.")]) // checkpoint cuts it
		})
	})
}

// abridge lists the first few names and counts the rest.
func abridge(names []string) string {
	const few = 4
	var listed []string
	for _, name := range names[:min(few, len(names))] {
		listed = append(listed, checkpoint.Clean(name))
	}
	list := strings.Join(listed, ", ")
	if more := len(names) - few; more > 0 {
		list += fmt.Sprintf(" and %d more", more)
	}
	return list
}
