package checkpoint

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// refusal is the error for a global that this package does not know.
type refusal string

func (r refusal) Error() string { return "pickle asks for " + string(r) + ": refused" }

// clean makes a name from a file safe to print, and short.
func clean(s string) string {
	const most = 120
	if len(s) > most {
		s = s[:most] + "..."
	}
	q := strconv.Quote(s)
	return q[1 : len(q)-1]
}

// newGlobal returns the named global or class, or a refusal.
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

// call returns the value that a call of g with args describes.
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

// storageTypes are the classes that name a storage's element type, and the bytes of one element.
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

// dtypes are the values of torch.dtype. Those without a storage class occur with _rebuild_tensor_v3 and
// cannot be read.
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

// builders are the functions and classes that a checkpoint may call.
var builders = map[string]builder{
	"collections.OrderedDict": buildDict,
	"collections.defaultdict": buildEmptyDict,
	"torch.Size":              buildSize,

	"torch._utils._rebuild_tensor":               buildTensor,
	"torch._utils._rebuild_tensor_v2":            buildTensor,
	"torch._utils._rebuild_tensor_v3":            buildTensorV3,
	"torch._utils._rebuild_parameter":            buildParameter,
	"torch._utils._rebuild_parameter_with_state": buildParameter,
}

// inert are the functions and classes whose values no tensor depends on: attributes of TorchScript modules
// (lists, and dicts with their type), command-line arguments, metrics and their containers. Python 2's
// __builtin__ is kept by protocol 2; builtins.dict is an argument of defaultdict.
var inert = strings.Fields(`
	torch.jit._pickle.build_intlist torch.jit._pickle.build_doublelist torch.jit._pickle.build_boollist
	torch.jit._pickle.build_tensorlist torch.jit._pickle.restore_type_tag
	argparse.Namespace collections.Counter pathlib.PosixPath pathlib.WindowsPath torch.device _codecs.encode
	numpy.dtype numpy.ndarray numpy.core.multiarray.scalar numpy._core.multiarray.scalar
	numpy.core.multiarray._reconstruct numpy._core.multiarray._reconstruct
	builtins.set builtins.frozenset builtins.slice builtins.complex builtins.bytearray
	builtins.dict builtins.list builtins.int builtins.float
	__builtin__.set __builtin__.frozenset __builtin__.slice __builtin__.complex __builtin__.bytearray
	__builtin__.dict __builtin__.list __builtin__.int __builtin__.float`)

func init() {
	for _, name := range inert {
		builders[name] = buildOpaque
	}
}

func buildOpaque(*storages, tuple) (any, error) { return opaque{}, nil }

// buildEmptyDict ignores defaultdict's argument, the class of its defaults.
func buildEmptyDict(*storages, tuple) (any, error) { return &dict{}, nil }

// buildDict makes the empty dict whose items are set afterwards.
func buildDict(_ *storages, args tuple) (any, error) {
	if len(args) > 0 {
		return nil, errors.New("made of items, want none: was it saved with Python 2?")
	}
	return &dict{}, nil
}

// buildSize returns a torch.Size as the tuple that it is made of.
func buildSize(_ *storages, args tuple) (any, error) {
	if len(args) == 1 {
		if t, ok := args[0].(tuple); ok {
			return t, nil
		}
	}
	return nil, errors.New("want a tuple")
}

// buildParameter returns the data of (data, requires_grad, hooks).
func buildParameter(_ *storages, args tuple) (any, error) {
	if len(args) > 0 {
		if e, ok := args[0].(*entry); ok {
			return e, nil
		}
	}
	return nil, errors.New("want a tensor")
}

// buildTensor makes a tensor from (storage, offset, size, stride, ...); offset and strides are in elements.
func buildTensor(st *storages, args tuple) (any, error) {
	return st.view("", args)
}

// buildTensorV3 is buildTensor for an untyped storage and a separate dtype: (storage, offset, size, stride,
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
