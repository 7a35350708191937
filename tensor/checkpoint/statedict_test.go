package checkpoint_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/promptcam/promptcam/tensor/checkpoint"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const pair = "\x00\x00\x80?\x00\x00\x00@" // the elements of one

// state is a state dict of tensors with the given names.
func state(names ...string) string {
	var items []string
	for _, name := range names {
		items = append(items, str(name), view(storage("Float", "0", 2), 0, []int{2}, []int{1}))
	}
	return dict(items...)
}

func TestStateDictIsChosen(t *testing.T) {
	loose := view(storage("Float", "0", 2), 0, []int{}, []int{})
	four := []string{"a", "b", "c", "d"}
	with := func(begin string) string { return state(begin+"a", begin+"b", begin+"c", begin+"d") }
	for _, test := range []struct {
		object, key, others string
		names               string // begin of the names
	}{
		// A moving average comes first, in timm's order.
		{dict(str("state_dict"), with("raw."), str("state_dict_ema"), with("ema.")), "state_dict_ema", "state_dict", "ema."},
		{dict(str("model"), with("raw."), str("model_ema"), with("ema.")), "model_ema", "model", "ema."},
		{dict(str("model_ema"), with("second."), str("state_dict_ema"), with("first."), str("ema"), with("third.")), "state_dict_ema", "ema model_ema", "first."},
		{dict(str("model"), with("raw."), str("ema"), with("ema.")), "ema", "model", "ema."},
		{dict(str("model"), with("raw."), str("ema_state_dict"), with("ema.")), "ema_state_dict", "model", "ema."},
		{dict(str("model"), with("raw."), str("model_ema_state_dict"), with("ema.")), "model_ema_state_dict", "model", "ema."},
		{dict(str("params"), with("raw."), str("params_ema"), with("ema.")), "params_ema", "params", "ema."},
		{dict(str("state_dict"), with("raw."), str("EMA-weights"), with("ema.")), "EMA-weights", "state_dict", "ema."},
		{dict(str("model"), with("raw."), str("averaged_model"), with("ema.")), "averaged_model", "model", "ema."},
		{dict(str("model"), with("raw."), str("swa_state_dict"), with("ema.")), "swa_state_dict", "model", "ema."},
		{dict(str("model"), with("raw."), str("ema"), dict(str("decay"), num(1), str("shadow"), with("ema."))), "ema.shadow", "model", "ema."},
		{dict(str("checkpoint"), dict(str("model"), with("raw."), str("model_ema"), with("ema."))), "checkpoint.model_ema", "checkpoint.model", "ema."},
		// But not if it is empty, a few numbers, or an optimizer's.
		{dict(str("model"), with("raw."), str("ema"), none), "model", "", "raw."},
		{dict(str("model"), with("raw."), str("ema"), dict()), "model", "", "raw."},
		{dict(str("model"), with("raw."), str("ema"), state("decay")), "model", "ema", "raw."},
		{dict(str("model"), with("raw."), str("ema_optimizer"), with("o.")), "model", "", "raw."},
		{dict(str("cinema"), with("c."), str("model"), with("raw.")), "model", "cinema", "raw."},
		// Loose tensors hide no state dict, known or not, unless they are one.
		{dict(str("best"), loose, str("weights"), with("w.")), "weights", "", "w."},
		{dict(str("best"), loose, str("loss"), loose, str("state_dict"), with("w.")), "state_dict", "", "w."},
		{dict(str("best"), loose, str("weights"), dict(str("best"), loose, str("model"), with("w."))), "weights.model", "weights", "w."},
		{dict(str("w.a"), loose, str("w.b"), loose, str("w.c"), loose, str("w.d"), loose, str("model"), state("x")), "", "model", "w."},
		{dict(str("w.a"), loose, str("w.b"), loose, str("gradients"), state("x", "y")), "", "gradients", "w."},
		// Without a known key the most tensors decide, and then the depth.
		{dict(str("encoder"), with("e."), str("predictor"), state("p")), "encoder", "predictor", "e."},
		{dict(str("encoder"), with("e."), str("more"), dict(str("model"), state("p"))), "encoder", "more.model", "e."},
		{dict(str("kept"), dict(str("copy"), with("k.")), str("encoder"), with("e.")), "encoder", "kept.copy", "e."},
		{dict(str("net_weights"), with("n."), str("optimizer"), dict(str("exp_avg"), with("o."), str("more"), state("e", "f", "g", "h", "i"))), "net_weights", "", "n."},
		// As deep as VISSL's checkpoints have it.
		{dict(str("classy_state_dict"), dict(str("base_model"), dict(str("model"), dict(str("trunk"), with("t."))))), "classy_state_dict.base_model.model.trunk", "", "t."},
		// The same dict under two keys.
		{dict(str("best_so_far"), with("w.")+"q\x00", str("state_dict"), "h\x00"), "state_dict", "", "w."},
	} {
		for format, raw := range formats(t, test.object, pair) {
			f, err := decode(raw)
			require.NoError(t, err, "%s, %s", test.key, format)
			assert.Equal(t, test.key, f.Key())
			assert.Equal(t, test.others, strings.Join(f.Others(), " "))
			want := []string{test.names + "a", test.names + "b", test.names + "c", test.names + "d"}
			if test.names == "w." && test.others == "gradients" {
				want = want[:2]
			}
			assert.Equal(t, want, f.Names())
		}
	}
	_, err := decode(torchZip(t, dict(str("encoder"), state(four...), str("target_encoder"), state(four...), str("epoch"), num(3)), pair))
	assert.ErrorContains(t, err, "the numbers of tensors are [encoder: 4, target_encoder: 4]: state one of them as FILE#KEY")
	assert.ErrorIs(t, err, checkpoint.ErrFormat)
}

func TestWhatIsNoDictOfTensorsIsNamed(t *testing.T) {
	for want, object := range map[string]string{
		"the file holds a list, want a dict of tensors: save model.state_dict()":                                                  list(state("w")),
		"the file holds a tuple, want a dict of tensors: save model.state_dict()":                                                 tup(state("w"), num(3)),
		"no state dict: no tensors at the top nor in a dict within it; keys are [epoch, model]: save model.state_dict() instead,": dict(str("model"), list(state("w")), str("epoch"), num(3)),
	} {
		_, err := decode(torchZip(t, object, pair))
		assert.ErrorContains(t, err, want)
		assert.ErrorIs(t, err, checkpoint.ErrFormat)
	}
}

func TestKeyIsAskedFor(t *testing.T) {
	object := dict(str("teacher"), state("module.backbone.w"), str("student"), state("s"), str("more"), dict(str("a.b"), state("deep")),
		str("model"), state("module.base.x", "module.momentum.x", "momentum.y"))
	folder := t.TempDir()
	path := filepath.Join(folder, "w.pth")
	require.NoError(t, os.WriteFile(path, torchZip(t, object, pair), 0o666))
	require.NoError(t, os.WriteFile(filepath.Join(folder, "other#student"), torchZip(t, state("file"), pair), 0o666))
	for key, want := range map[string]string{
		"w.pth": "base.x momentum.x momentum.y", "w.pth#teacher": "w", "w.pth#student": "s", "w.pth#more.a.b": "deep",
		"w.pth#base": "x", "w.pth#momentum": "x y", "w.pth#model.momentum": "x y", "other#student": "file",
		"w.pth#model.module": "base.x momentum.x", "w.pth#teacher.module.backbone": "w", // as they are in the file
	} {
		f := open(t, filepath.Join(folder, key))
		assert.Equal(t, want, strings.Join(f.Names(), " "), key)
		if file, key, ok := strings.Cut(key, "#"); ok && file == "w.pth" {
			assert.Equal(t, path, f.Path())
			assert.Equal(t, key, f.Key())
		}
	}
	for key, want := range map[string]string{
		"w.pth#nothing":   "no tensors under the key nothing: the numbers of tensors are [model: 3, teacher: 1, student: 1, more.a.b: 1]",
		"w.pth#more":      "no tensors under the key more: ",
		"none.pth#module": "none.pth#module: no such file",
	} {
		_, err := checkpoint.Open(filepath.Join(folder, key))
		assert.ErrorContains(t, err, want)
	}

	require.NoError(t, os.WriteFile(path, safe(`{"a.b":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"c":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}`, 2), 0o666))
	assert.Equal(t, []string{"b"}, open(t, path+"#a").Names())
	_, err := checkpoint.Open(path + "#b")
	assert.ErrorContains(t, err, "no tensors whose names begin with b.")
}

func TestWrappersInNames(t *testing.T) {
	for names, want := range map[string]string{
		"_orig_mod.a b":                   "a b",
		"module._orig_mod.a":              "a",
		"_orig_mod.module.backbone.a":     "a",
		"blocks.0._orig_mod.norm.weight":  "blocks.0.norm.weight",
		"blocks.0._fsdp_wrapped_module.a": "blocks.0.a",
		"_fsdp_wrapped_module.b._fsdp_wrapped_module._checkpoint_wrapped_module.a": "b.a",
		"blocks.0.module.a b":                "b blocks.0.a",
		"_forward_module.a _fpw_module.b":    "a b",
		"module.visual.module.a":             "visual.a",
		"submodule.a my_orig_mod.b a.module": "a.module my_orig_mod.b submodule.a",
		"a.backbone.b":                       "a.backbone.b",
		"blocks.0._orig_mod.a blocks.0.a":    "blocks.0._orig_mod.a blocks.0.a", // two would have one name
		"n_averaged module.a module.b":       "a b",
		"n_averaged":                         "n_averaged",
		"n_averaged a":                       "a n_averaged",
	} {
		f, err := decode(torchZip(t, state(strings.Fields(names)...), pair))
		require.NoError(t, err)
		assert.Equal(t, want, strings.Join(f.Names(), " "))
	}
	names := state("module.a", "module.b")
	f := decoded(t, torchZip(t, names[:len(names)-1]+str("n_averaged")+view(storage("Long", "1", 1), 0, []int{}, []int{})+"u", pair, "\x05\x00\x00\x00\x00\x00\x00\x00"))
	assert.Equal(t, []string{"a", "b"}, f.Names())
}

// Settings, dates and whatever else lies beside the weights is left alone.
func TestUnknownClassesBesideWeights(t *testing.T) {
	date := call(glob("datetime", "datetime"), "C\x0a0123456789")
	made := func(module, name string, attrs ...string) string {
		return glob(module, name) + ")\x81" + dict(attrs...) + "b"
	}
	for name, settings := range map[string]string{
		"omegaconf.DictConfig": made("omegaconf.dictconfig", "DictConfig", str("_content"), dict(str("lr"), made("omegaconf.nodes", "AnyNode", str("_val"), num(1)))),
		"AttributeDict":        glob("pytorch_lightning.utilities.parsing", "AttributeDict") + ")\x81(" + str("lr") + num(1) + "u",
		"EasyDict":             made("easydict", "EasyDict", str("lr"), num(1)) + "(" + str("lr") + num(1) + "u",
		"Namespace":            call(glob("argparse", "Namespace")) + dict(str("started"), date) + "b",
		"date":                 date,
		"partial":              call(glob("functools", "partial"), glob("torch.nn.functional", "gelu")) + tup(glob("torch.nn.functional", "gelu"), tup(), dict(), none) + "b",
		"enumeration":          call(glob("builtins", "getattr"), glob("transformers.trainer_utils", "IntervalStrategy"), str("NO")),
		"classmethod":          call(call(glob("builtins", "getattr"), glob("a.b", "C"), str("make")), num(1)),
		"numpy":                call(glob("numpy.core.multiarray", "scalar"), call(glob("numpy", "dtype"), str("f8")), "C\x0812345678"),
		"path":                 call(glob("pathlib", "PosixPath"), str("/")),
		"keyword arguments":    glob("a", "B") + ")}\x92",
		"a whole module":       made("torch.nn.modules.container", "Sequential", str("_parameters"), dict(), str("_modules"), dict(str("0"), made("torch.nn.modules.linear", "Linear", str("_parameters"), state("weight"), str("_modules"), dict()))),
		"a list of its own":    glob("mmengine.logging", "HistoryBuffer") + ")\x81(" + num(1) + num(2) + "e",
		"within itself":        glob("a", "B") + ")\x81q\x63" + dict(str("self"), "h\x63") + "b",
		"a class":              glob("torch.optim.adamw", "AdamW"),
		"a set":                "\x8f(" + num(1) + "\x90",
	} {
		for format, raw := range formats(t, dict(str("args"), settings, str("model"), state("w"), str("epoch"), num(3)), pair) {
			f, err := decode(raw)
			require.NoError(t, err, "%s, %s", name, format)
			assert.Equal(t, []string{"w"}, f.Names())
			assert.Equal(t, "model", f.Key())
			assert.Equal(t, map[string]string{"epoch": "3"}, f.Metadata())
		}
	}

	// A class derived from dict may be the state dict, or hold it.
	items := state("w")[1:]
	for _, object := range []string{
		glob("a", "Dict") + ")\x81" + items, dict(str("model"), glob("a", "Dict")+")\x81"+items), glob("a", "Dict") + ")\x81(" + str("model") + state("w") + "u",
	} {
		f, err := decode(torchZip(t, object, pair))
		require.NoError(t, err)
		assert.Equal(t, []string{"w"}, f.Names())
	}
}

func TestWholeModelsAreNamed(t *testing.T) {
	whole := func(class string) string {
		return class + ")\x81" + dict(str("_parameters"), state("weight"), str("_modules"), dict()) + "b"
	}
	net := glob("my.models", "Net")
	old := tup(str("module"), net, str("/home/x/net.py"), str("class Net: ...")) + "Q"
	const remedy = ", which only its Python code can read: save model.state_dict() instead, with torch.save(model.state_dict(), path)"
	for object, want := range map[string]string{
		whole(net):                           "a whole model (class my.models.Net) saved by torch.save(model)" + remedy,
		whole(old):                           "a whole model (class my.models.Net) saved by torch.save(model)" + remedy,
		call(glob("torch.nn.parallel", "X")): "a whole model (class torch.nn.parallel.X) saved by torch.save(model)" + remedy,
		dict(str("epoch"), num(1), str("model"), whole(net)):  "no state dict: under model is a whole model (class my.models.Net)" + remedy,
		call(glob("transformers.training_args", "Arguments")): "the file holds an object of class transformers.training_args.Arguments, want a dict of tensors",
	} {
		var storages []string
		if strings.Contains(object, "FloatStorage") {
			storages = []string{pair}
		}
		for _, raw := range formats(t, object, storages...) {
			_, err := decode(raw)
			assert.ErrorContains(t, err, "checkpoint: w.pth: ")
			assert.ErrorContains(t, err, want)
			assert.ErrorIs(t, err, checkpoint.ErrFormat)
		}
	}
}
