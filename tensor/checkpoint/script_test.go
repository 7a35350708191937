package checkpoint_test

import (
	"strings"
	"testing"

	"github.com/promptcam/promptcam/tensor/checkpoint"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTorchScriptModules(t *testing.T) {
	negative := ramp(0, 2, 1)
	for i := range negative {
		negative[i] *= -1
	}
	want := map[string]struct {
		dtype checkpoint.DType
		shape []int
		data  []float32
	}{
		"head.weight":            {checkpoint.F32, []int{2, 2}, ramp(0, 4, 1)},
		"tied":                   {checkpoint.F32, []int{2, 2}, ramp(0, 4, 1)},
		"input_resolution":       {checkpoint.I64, []int{}, []float32{224}},
		"visual.conv1.weight":    {checkpoint.F32, []int{2, 1, 1, 1}, ramp(0, 2, 1)},
		"visual.conv1.bias":      {checkpoint.F32, []int{2}, ramp(0, 2, 1)},
		"visual.proj":            {checkpoint.F16, []int{2, 3}, ramp(0, 6, 1)},
		"visual.blocks.0.weight": {checkpoint.F32, []int{2}, negative},
		"visual.blocks.0.mean":   {checkpoint.F32, []int{2, 2}, []float32{-3, -1.5, -2.25, -0.75}},
		"visual.blocks.1.weight": {checkpoint.F32, []int{2}, negative},
		"visual.blocks.1.mean":   {checkpoint.F32, []int{2, 2}, []float32{-3, -1.5, -2.25, -0.75}},
	}
	for _, path := range []string{"testdata/script.pt", "testdata/trace.pt"} {
		f := open(t, path)
		assert.Len(t, f.Names(), len(want), path)
		for name, w := range want {
			info, ok := f.Info(name)
			require.True(t, ok, "%s: %s", path, name)
			assert.Equal(t, checkpoint.Info{DType: w.dtype, Shape: w.shape}, info, "%s: %s", path, name)
			x, err := f.Tensor(name)
			require.NoError(t, err)
			assert.Equal(t, w.data, x.Data(), "%s: %s", path, name)
		}
	}
	assert.Equal(t, map[string]string{"training": "false", "context": "77", "name": "tower"}, open(t, "testdata/script.pt").Metadata())
}

func TestTorchScriptNames(t *testing.T) {
	x := view(storage("Float", "0", 2), 0, []int{2}, []int{1})
	inner := scripted("Inner", str("w"), x, str("n"), num(1), str("sizes"), call(glob("torch.jit._pickle", "build_intlist"), list(num(1))))
	for object, want := range map[string]string{
		scripted("M", str("a"), inner, str("w"), x):                                             "a.w w",
		scripted("M", str("module"), inner):                                                     "w",
		scripted("M", str("a"), scripted("M", str("0"), inner)):                                 "a.0.w",
		scripted("M", str("a"), inner+"q\x00", str("b"), "h\x00"):                               "a.w b.w",
		scripted("M", str("a"), glob("__torch__", "Empty")+")\x81", str("w"), x):                "w",
		scripted("M", str("list"), list(x, inner), str("dict"), dict(str("w"), x), str("w"), x): "w",
	} {
		f, err := decode(torchZip(t, object, "\x00\x00\x80?\x00\x00\x00@"))
		require.NoError(t, err, want)
		assert.Equal(t, want, strings.Join(f.Names(), " "))
	}
}

func TestTorchScriptIsRefused(t *testing.T) {
	x := view(storage("Float", "0", 2), 0, []int{2}, []int{1})
	self := glob("__torch__", "M") + ")\x81q\x00" + dict(str("a"), "h\x00", str("w"), x) + "b"
	for object, want := range map[string]string{
		glob("__torch__", "M") + tup(num(1)) + "\x81":                    "calls __torch__.M with 1 arguments: its code is not run",
		glob("__torch__", "M") + ")R":                                    "calls __torch__.M with 0 arguments: its code is not run",
		glob("__torch__", "M") + ")}\x92":                                "calls __torch__.M with 0 arguments: its code is not run",
		glob("__torch__", "M") + "N\x81":                                 "calls __torch__.M with None, want a tuple",
		glob("__torch__", "M"):                                           "the file holds __torch__.M, want a dict of tensors",
		glob("__torch__", "M") + ")\x81" + tup(x) + "b":                  "state of __torch__.M is a tuple, want a dict of attributes: its code is not run",
		scripted("M", str("w"), x) + dict() + "b":                        "sets the attributes of __torch__.M twice",
		scripted("M", str("a.b"), x):                                     `attribute "a.b" of __torch__.M: want a name without dots`,
		scripted("M", str(""), scripted("M", str("w"), x)):               `attribute "" of __torch__.M: want a name without dots`,
		scripted("M", str("n"), num(1)):                                  "TorchScript module without tensors",
		scripted("M", str("f"), call(glob("os", "system"), str("true"))): "pickle asks for os.system: refused",
		scripted("M") + "0" + glob("__torch", "M"):                       "the file holds __torch.M, want a dict of tensors",
		glob("torch.jit._pickle", "build_tensor_from_id"):                "pickle asks for torch.jit._pickle.build_tensor_from_id: refused",
		glob("torch.jit._script", "RecursiveScriptModule"):               "the file holds torch.jit._script.RecursiveScriptModule, want a dict of tensors",
		dict(str("model"), scripted("M", str("w"), x)):                   "no state dict",
		scripted("M") + call(scripted("M"), x):                           "calls a TorchScript module",
		scripted("M", str("w"), x) + str("k") + x + "s":                  "sets items of a TorchScript module",
		glob("__torch__.a\x1b[2J", strings.Repeat("b", 400)) + ")R":      `calls __torch__.a\x1b[2J.bbb`,
		self: "TorchScript module: modules within modules, deeper than 64",
	} {
		_, err := decode(torchZip(t, object, "\x00\x00\x80?\x00\x00\x00@"))
		assert.ErrorContains(t, err, "checkpoint: w.pth: ")
		assert.ErrorContains(t, err, want)
		assert.NotContains(t, err.Error(), "\n")
		assert.Less(t, len(err.Error()), 400)
	}
}

// Modules that are attributes of several others multiply names.
func TestTorchScriptNamesStayInProportion(t *testing.T) {
	x := view(storage("Float", "0", 2), 0, []int{2}, []int{1})
	for _, test := range []struct {
		leaf          string
		width, levels int
	}{
		{x, 2, 40},
		{num(1), 2, 40}, // no tensor at all takes as long to find out
		{x, 200, 5},
	} {
		object := test.leaf
		for range test.levels {
			var attrs []string
			for i := range test.width {
				attrs = append(attrs, str(string(rune('א'+i))), "h\x00")
			}
			object += "q\x000" + scripted("M", attrs...)
		}
		raw := torchZip(t, object, "\x00\x00\x80?\x00\x00\x00@")
		_, err := decode(raw)
		assert.ErrorIs(t, err, checkpoint.ErrTooLarge)
		assert.ErrorContains(t, err, "TorchScript module: too large: the table of contents would take more than 16")
		digest(t, raw)
	}
}
