package checkpoint

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// refusal is the error for a global that global.go does not know.
type refusal string

func (r refusal) Error() string { return "pickle asks for " + string(r) + ": refused" }

// clean returns a name from a file, fit for a message.
func clean(s string) string {
	const most = 120
	if len(s) > most {
		s = s[:most] + "..."
	}
	q := strconv.Quote(s)
	return q[1 : len(q)-1]
}

// newGlobal returns the global or class of that name, or a refusal.
func newGlobal(module, name string) (any, error) {
	full := module + "." + name
	if strings.HasPrefix(full, scriptPrefix) {
		return class(clean(full)), nil
	}
	if _, ok := storageTypes[full]; ok {
		return global(full), nil
	}
	if _, ok := dtypes[full]; ok {
		return global(full), nil
	}
	if _, ok := builders[full]; ok {
		return global(full), nil
	}
	return nil, refusal(clean(full))
}

// call returns what calling g with args describes.
func (g global) call(st *storages, args tuple) (any, error) {
	build, ok := builders[string(g)]
	if !ok {
		return nil, fmt.Errorf("calls %s, which is no function", g)
	}
	v, err := build(st, args)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", g, err)
	}
	return v, nil
}

// storageTypes are the classes that name a storage's element type, with the bytes of one element.
var storageTypes = map[string]struct {
	dtype DType
	size  int64
}{
	"torch.FloatStorage":           {F32, 4},
	"torch.HalfStorage":            {F16, 2},
	"torch.BFloat16Storage":        {BF16, 2},
	"torch.DoubleStorage":          {F64, 8},
	"torch.LongStorage":            {I64, 8},
	"torch.IntStorage":             {I32, 4},
	"torch.ShortStorage":           {I16, 2},
	"torch.CharStorage":            {I8, 1},
	"torch.ByteStorage":            {U8, 1},
	"torch.BoolStorage":            {Bool, 1},
	"torch.ComplexFloatStorage":    {"C64", 8},
	"torch.ComplexDoubleStorage":   {"C128", 16},
	"torch.UntypedStorage":         {U8, 1},
	"torch.storage.UntypedStorage": {U8, 1},
}

// dtypes are the values of torch.dtype. Of those without a class of storage, _rebuild_tensor_v3 makes
// tensors; none of them can be read.
var dtypes = map[string]DType{
	"torch.float32": F32, "torch.float": F32, "torch.float16": F16, "torch.half": F16, "torch.bfloat16": BF16,
	"torch.float64": F64, "torch.double": F64, "torch.int64": I64, "torch.long": I64, "torch.int32": I32, "torch.int": I32,
	"torch.int16": I16, "torch.short": I16, "torch.int8": I8, "torch.uint8": U8, "torch.bool": Bool,
	"torch.complex64": "C64", "torch.complex128": "C128",
	"torch.uint16": "U16", "torch.uint32": "U32", "torch.uint64": "U64",
	"torch.float8_e4m3fn": "F8_E4M3", "torch.float8_e5m2": "F8_E5M2",
}

// builder makes the value that a call of a global describes.
type builder func(st *storages, args tuple) (any, error)

// builders are the functions and classes that a checkpoint may name.
var builders = map[string]builder{
	"collections.OrderedDict": buildDict,
	"collections.defaultdict": buildEmptyDict,
	"torch.Size":              buildSize,

	"torch._utils._rebuild_tensor":               buildTensor,
	"torch._utils._rebuild_tensor_v2":            buildTensor,
	"torch._utils._rebuild_tensor_v3":            buildTensorV3,
	"torch._utils._rebuild_parameter":            buildParameter,
	"torch._utils._rebuild_parameter_with_state": buildParameter,

	// Attributes of TorchScript modules: lists, and dicts with their type.
	"torch.jit._pickle.build_intlist":    buildOpaque,
	"torch.jit._pickle.build_doublelist": buildOpaque,
	"torch.jit._pickle.build_boollist":   buildOpaque,
	"torch.jit._pickle.build_tensorlist": buildOpaque,
	"torch.jit._pickle.restore_type_tag": buildOpaque,

	// Command-line arguments, metrics and containers of them, found beside published weights.
	"argparse.Namespace":                  buildOpaque,
	"torch.device":                        buildOpaque,
	"numpy.dtype":                         buildOpaque,
	"numpy.ndarray":                       buildOpaque,
	"numpy.core.multiarray.scalar":        buildOpaque,
	"numpy._core.multiarray.scalar":       buildOpaque,
	"numpy.core.multiarray._reconstruct":  buildOpaque,
	"numpy._core.multiarray._reconstruct": buildOpaque,
	"_codecs.encode":                      buildOpaque,
	"collections.Counter":                 buildOpaque,
	"pathlib.PosixPath":                   buildOpaque,
	"pathlib.WindowsPath":                 buildOpaque,
	"builtins.set":                        buildOpaque,
	"builtins.frozenset":                  buildOpaque,
	"builtins.slice":                      buildOpaque,
	"builtins.complex":                    buildOpaque,
	"builtins.bytearray":                  buildOpaque,
	"builtins.dict":                       buildOpaque, // defaultdict's argument
	"builtins.list":                       buildOpaque,
	"builtins.int":                        buildOpaque,
	"builtins.float":                      buildOpaque,
	"__builtin__.set":                     buildOpaque, // Python 2's name, which protocol 2 keeps
	"__builtin__.frozenset":               buildOpaque,
	"__builtin__.slice":                   buildOpaque,
	"__builtin__.complex":                 buildOpaque,
	"__builtin__.bytearray":               buildOpaque,
	"__builtin__.dict":                    buildOpaque,
	"__builtin__.list":                    buildOpaque,
	"__builtin__.int":                     buildOpaque,
	"__builtin__.float":                   buildOpaque,
}

func buildOpaque(*storages, tuple) (any, error) { return opaque{}, nil }

// buildEmptyDict leaves out defaultdict's argument, the class of its defaults.
func buildEmptyDict(*storages, tuple) (any, error) { return &dict{}, nil }

// buildDict makes the empty dict whose items are set afterwards.
func buildDict(_ *storages, args tuple) (any, error) {
	if len(args) > 0 {
		return nil, errors.New("made of items, want none: was it saved with Python 2?")
	}
	return &dict{}, nil
}

// buildSize takes torch.Size for the tuple that it is a kind of.
func buildSize(_ *storages, args tuple) (any, error) {
	if len(args) == 1 {
		if t, ok := args[0].(tuple); ok {
			return t, nil
		}
	}
	return nil, errors.New("want a tuple")
}

// buildParameter takes (data, requires_grad, hooks) for the data.
func buildParameter(_ *storages, args tuple) (any, error) {
	if len(args) > 0 {
		if e, ok := args[0].(*entry); ok {
			return e, nil
		}
	}
	return nil, errors.New("want a tensor")
}

// buildTensor makes a tensor of (storage, offset, size, stride, ...); the offset and strides are in elements.
func buildTensor(st *storages, args tuple) (any, error) {
	return st.view("", args)
}

// buildTensorV3 is buildTensor for an untyped storage and a dtype of its own: (storage, offset, size, stride,
// requires_grad, hooks, dtype, ...).
func buildTensorV3(st *storages, args tuple) (any, error) {
	if len(args) < 7 {
		return nil, fmt.Errorf("%d arguments, want at least 7", len(args))
	}
	g, ok := args[6].(global)
	dtype, ok2 := dtypes[string(g)]
	if !ok || !ok2 {
		return nil, fmt.Errorf("dtype is %s", kind(args[6]))
	}
	return st.view(dtype, args)
}
