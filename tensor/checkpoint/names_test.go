package checkpoint_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/promptcam/promptcam/tensor/checkpoint"
)

func TestCutWrappersCutsWrappersAlone(t *testing.T) {
	for name, want := range map[string]string{
		"cls_token":                                           "cls_token",
		"module.cls_token":                                    "cls_token",
		"_orig_mod.module.norm.bias":                          "norm.bias",
		"blocks._orig_mod.0.module.norm1.bias":                "blocks.0.norm1.bias",
		"a._fsdp_wrapped_module._checkpoint_wrapped_module.b": "a.b",
		"_fpw_module._forward_module.a":                       "a",
		"modules.my_module.x":                                 "modules.my_module.x",
		"module":                                              "module",
		"":                                                    "",
	} {
		assert.Equal(t, want, checkpoint.CutWrappers(name))
	}
}

func TestShard(t *testing.T) {
	for name, want := range map[string][2]int{
		"model-00002-of-00003.safetensors":     {2, 3},
		"a/pytorch_model-00001-of-00014.bin":   {1, 14},
		"model-1-of-2.safetensors":             {1, 2},
		"model-00001-of-00001.safetensors":     {1, 1},
		"model.safetensors":                    {1, 1},
		"model-00001-of-00002/x.safetensors":   {1, 1},
		"out-of-12.pth":                        {1, 1},
		"model-00001-of-00003.safetensors.bak": {1, 1},
	} {
		i, of := checkpoint.Shard(name)
		assert.Equal(t, want, [2]int{i, of}, name)
	}
}
