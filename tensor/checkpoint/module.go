package checkpoint

import (
	"errors"
	"fmt"
	"strings"
)

// torch.jit.save writes a module as the name of its class, under __torch__, a NEWOBJ without arguments, and a
// BUILD with a dict of attributes (torch/csrc/jit/serialization/pickler.cpp, pushIValueImpl). The class is
// source text in the archive's folder code, which is never read.

// scriptPrefix begins the full names of TorchScript's classes.
const scriptPrefix = "__torch__."

// class is the name of a TorchScript class, safe to print.
type class string

// module is an object of a TorchScript class.
type module struct {
	class class
	attrs *dict // nil until BUILD
}

// create is NEWOBJ. Any other call of a class, such as that of an enumeration's value, is refused.
func (c class) create(op byte, args tuple) (*module, error) {
	if op != 0x81 || len(args) > 0 {
		return nil, fmt.Errorf("calls %s with %d arguments: its code is not run", c, len(args))
	}
	return &module{class: c}, nil
}

// build is BUILD. A class with its own __setstate__ may have any kind of state, which only code could
// restore.
func (m *module) build(state any) error {
	d, ok := state.(*dict)
	if !ok {
		return fmt.Errorf("state of %s is %s, want a dict of attributes: its code is not run", m.class, kind(state))
	}
	if m.attrs != nil {
		return fmt.Errorf("sets the attributes of %s twice", m.class)
	}
	m.attrs = d
	return nil
}

// A module may be an attribute of several others, each of which gives its tensors a name, and, in a hostile
// file, of itself.
const maxDepth = 64

// flat returns a dict of the tensors of m and of the modules within it, by dotted names, and of m's own
// scalars, in memory of table.
func (m *module) flat(table *budget) (*dict, error) {
	out := &dict{}
	var walk func(m *module, prefix string, depth int) error
	walk = func(m *module, prefix string, depth int) error {
		if depth > maxDepth {
			return fmt.Errorf("modules within modules, deeper than %d", maxDepth)
		}
		if m.attrs == nil {
			return nil
		}
		for key, v := range m.attrs.items {
			if err := table.spend(int64(len(prefix)+len(key)) + out.cost("")); err != nil {
				return err
			}
			switch v := v.(type) {
			case *entry, *module:
				if key == "" || strings.Contains(key, ".") {
					return fmt.Errorf("attribute %q of %s: want a name without dots", Clean(key), m.class)
				}
				if inner, ok := v.(*module); ok {
					if err := walk(inner, prefix+key+".", depth+1); err != nil {
						return err
					}
					continue
				}
				out.set(prefix+key, v)
			default:
				if depth == 0 {
					out.set(key, v)
				}
			}
		}
		return nil
	}
	if err := walk(m, "", 0); err != nil {
		return nil, fmt.Errorf("TorchScript module: %w", err)
	}
	if out.tensors == 0 {
		return nil, errors.New("TorchScript module without tensors")
	}
	return out, nil
}
