package checkpoint

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// refusal is the error for a global that this package does not know.
type refusal string

func (r refusal) Error() string { return "pickle asks for " + string(r) + ": refused" }

// newGlobal returns the named global or class, or a refusal. A name that is not known here is harmless, since
// it is never called. It is refused if it would make a tensor, which would then be missing, or if it is none
// that weights have any use for.
func newGlobal(module, name string) (any, error) {
	full := module + "." + name
	_, storage := storageTypes[full]
	_, dtype := dtypes[full]
	switch {
	case strings.HasPrefix(full, scriptPrefix):
		return class(Clean(full)), nil
	case storage || dtype || slices.Contains(functions, full):
		return global(full), nil
	case slices.Contains(inert, full):
		return unknown(full), nil
	case slices.ContainsFunc(makers, func(m string) bool { return strings.HasPrefix(full, m) }):
		return nil, refusal(Clean(full))
	}
	top, _, _ := strings.Cut(module, ".")
	if slices.Contains(attackers, top) || (top == "builtins" || top == "__builtin__") && slices.Contains(attacks, name) {
		return nil, refusal(Clean(full))
	}
	return unknown(Clean(full)), nil
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

// functions are what call evaluates.
var functions = []string{
	"collections.OrderedDict", "collections.defaultdict", "torch.Size",
	"torch._utils._rebuild_tensor", "torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_tensor_v3",
	"torch._utils._rebuild_parameter", "torch._utils._rebuild_parameter_with_state", typed,
}

// typed makes a tensor of a class derived from Tensor, or with attributes of its own.
const typed = "torch._tensor._rebuild_from_type_v2"

// typed returns which function makes the tensor's elements, and its arguments, of (function, class, arguments,
// attributes).
func (t tuple) typed() (global, tuple) {
	if len(t) > 2 {
		g, _ := t[0].(global)
		args, ok := t[2].(tuple)
		if ok && g != typed {
			return g, args
		}
	}
	return "", nil
}

// makers begin the names of functions that make tensors, sparse and quantised ones among them.
var makers = []string{
	"torch._utils._rebuild_", "torch._tensor._rebuild_", "torch.storage._load_from_bytes", "torch.jit._pickle.",
}

// inert begin as makers do, but make the attributes of TorchScript modules: lists, and dicts with their type.
var inert = []string{
	"torch.jit._pickle.build_intlist", "torch.jit._pickle.build_doublelist", "torch.jit._pickle.build_boollist",
	"torch.jit._pickle.build_tensorlist", "torch.jit._pickle.restore_type_tag",
}

// attackers are modules, and attacks built-in functions, that only a pickle made to do harm asks for. Nothing
// would come of it here, but whoever has the file should hear of it.
var (
	attackers = strings.Fields(`os posix nt subprocess commands popen2 sys shutil socket pty ctypes importlib imp
		runpy code codeop timeit bdb pdb cProfile profile webbrowser pickle cPickle _pickle marshal`)
	attacks = strings.Fields(`eval exec execfile compile open file input raw_input __import__ reload apply breakpoint
		globals locals vars setattr delattr`)
)

// getattr makes enumerations of Python 3.11, and names methods.
const getattr = "builtins.getattr"

// call returns what a call would make: nothing that a tensor depends on.
func (u unknown) call(args tuple) (*object, error) {
	if u == getattr || u == "__builtin__.getattr" {
		if len(args) == 0 {
			return nil, refusal(u)
		}
		of, ok := args[0].(unknown)
		if !ok {
			return nil, refusal(u)
		}
		u = of
	}
	return &object{of: u}, nil
}

// cost returns the memory that a call of callee with args may take.
func (st *storages) cost(callee any, args tuple) int64 {
	g, ok := callee.(global)
	if g == typed {
		g, args = args.typed()
	}
	if ok && len(args) > 3 && strings.HasPrefix(string(g), "torch._utils._rebuild_tensor") {
		size, _ := args[2].(tuple)
		stride, _ := args[3].(tuple)
		return tensorBytes + 8*int64(min(len(size), maxRank)+min(len(stride), maxRank))
	}
	return 2 * objectBytes
}

// call returns the value that a call of g with args describes.
func (g global) call(st *storages, args tuple) (any, error) {
	switch g {
	case "collections.OrderedDict": // whose items are set afterwards
		if len(args) > 0 {
			return nil, errors.New("made of items, want none: was it saved with Python 2?")
		}
		return &dict{}, nil
	case "collections.defaultdict": // of the class of its defaults
		return &dict{}, nil
	case "torch.Size":
		if len(args) == 1 {
			if t, ok := args[0].(tuple); ok {
				return t, nil
			}
		}
		return nil, errors.New("want a tuple")
	case "torch._utils._rebuild_tensor", "torch._utils._rebuild_tensor_v2":
		return st.view("", args)
	case "torch._utils._rebuild_tensor_v3": // (storage, offset, size, stride, requires_grad, hooks, dtype, ...)
		if len(args) < 7 {
			return nil, fmt.Errorf("%d arguments, want at least 7", len(args))
		}
		dtype, _ := args[6].(global)
		if _, ok := dtypes[string(dtype)]; !ok {
			return nil, fmt.Errorf("dtype is %s", kind(args[6]))
		}
		return st.view(dtypes[string(dtype)], args)
	case "torch._utils._rebuild_parameter", "torch._utils._rebuild_parameter_with_state": // (data, requires_grad, ...)
		if len(args) > 0 {
			if e, ok := args[0].(*entry); ok {
				return e, nil
			}
		}
		return nil, errors.New("want a tensor")
	case typed:
		if g, args := args.typed(); g != "" {
			return g.call(st, args)
		}
		return nil, errors.New("want a function and its arguments")
	}
	return nil, fmt.Errorf("calls %s, which is no function", g)
}
