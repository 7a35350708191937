package checkpoint

import "encoding/binary"

// The values of a pickle are nil, bool, int64, float64, string and these.
type (
	tuple []any
	list  struct{ items []any }
	dict  struct {
		items   map[string]any // only those with strings for keys, as all tensors have
		tensors int            // number of values that are tensors
	}
	global  string   // a name that global.go knows, such as torch.FloatStorage
	unknown string   // any other name, of a class or function, safe to print
	opaque  struct{} // a value that no tensor depends on
	long    string   // an integer beyond int64, little-endian two's complement
)

// object is what calling an unknown class or function would make.
type object struct {
	of    unknown
	model bool // its attributes are those of a torch.nn.Module
	items dict // those of a class derived from dict
}

// build is BUILD, which sets attributes.
func (o *object) build(state any) {
	if d, ok := state.(*dict); ok {
		o.model = d.items["_modules"] != nil && d.items["_parameters"] != nil
	}
}

// asDict returns the dict that v is or is derived from.
func asDict(v any) (d *dict, ok bool) {
	switch v := v.(type) {
	case *dict:
		return v, true
	case *object:
		return &v.items, len(v.items.items) > 0
	}
	return nil, false
}

// Bytes of memory, about, that values take.
const (
	itemBytes   = 24  // of a value in a list, tuple or on the stack
	smallBytes  = 16  // of a number
	objectBytes = 48  // of a list, dict or object, and of what is in the memo
	tensorBytes = 192 // and twice 8 for each dimension
	keyBytes    = 64  // of a value in a dict, beside the key's
	firstBytes  = 320 // of the first one
)

// cost returns the memory that it may take to set a key, and to find it.
func (d *dict) cost(key string) int64 {
	hash := int64(len(key) / 8)
	if d.items == nil {
		return hash + firstBytes
	}
	return hash + keyBytes
}

// set enters a value and counts the tensors.
func (d *dict) set(key string, value any) {
	if d.items == nil {
		d.items = map[string]any{}
	}
	if _, ok := d.items[key].(*entry); ok {
		d.tensors--
	}
	if _, ok := value.(*entry); ok {
		d.tensors++
	}
	d.items[key] = value
}

// integer decodes a little-endian two's complement integer of any length.
func integer(b []byte) any {
	if len(b) > 8 {
		return long(b)
	}
	var w [8]byte
	copy(w[:], b)
	v := int64(binary.LittleEndian.Uint64(w[:]))
	if unused := 64 - 8*len(b); unused < 64 {
		v = v << unused >> unused
	}
	return v
}

// kind names a value's type. The value itself may contain itself.
func kind(v any) string {
	switch v := v.(type) {
	case nil:
		return "None"
	case bool:
		return "a bool"
	case int64, long:
		return "an integer"
	case float64:
		return "a float"
	case string:
		return "a string"
	case tuple:
		return "a tuple"
	case *list:
		return "a list"
	case *dict:
		return "a dict"
	case global:
		return string(v)
	case unknown:
		return string(v)
	case class:
		return string(v)
	case *module:
		return "a TorchScript module"
	case *object:
		return "an object of class " + string(v.of)
	case *torchStorage:
		return "a storage"
	case *entry:
		return "a tensor"
	}
	return "another object"
}
