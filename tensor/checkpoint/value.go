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
	global string   // a name that global.go knows, such as torch.FloatStorage
	opaque struct{} // a value that no tensor depends on
	long   string   // an integer beyond int64, little-endian two's complement
)

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
	case class:
		return string(v)
	case *module:
		return "a TorchScript module"
	case *torchStorage:
		return "a storage"
	case *entry:
		return "a tensor"
	}
	return "another object"
}
