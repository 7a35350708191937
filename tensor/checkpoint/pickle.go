package checkpoint

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
	"slices"
)

// A pickle is a program for a stack machine: opcodes push values, gather them into containers, store them in
// a memo and fetch them from it. The opcodes are those of protocols 2 to 5 (Python's Lib/pickletools.py
// documents them). The two that could do harm, naming a global and calling it, lead to global.go, where there
// is nothing to call.

// Limits on one pickle. The pickle of a large model with its optimizer's state has some 100,000 opcodes; an
// opcode costs at most about 100 bytes. A compressed pickle may have spareOpcodes more opcodes than the file
// has bytes.
const (
	maxPickle    = 32 << 20 // bytes
	maxOpcodes   = 4 << 20
	spareOpcodes = 1 << 16
	maxName      = 4096 // bytes of a key: every opcode could hash the same long string
)

// machine runs one pickle. After an error of its source it goes on with zero values until the opcode ends.
type machine struct {
	*source
	storages *storages
	stack    []any
	marks    []int // lengths of the stack at each open MARK
	memo     map[uint64]any
}

// unpickle runs the pickle that s is at and returns its value. It enters the storages that it finds in st.
func unpickle(s *source, st *storages) (any, error) {
	m := &machine{source: s, storages: st, memo: map[uint64]any{}}
	most := min(maxOpcodes, st.fileSize+spareOpcodes)
	for range most {
		at := m.pos
		op := byte(m.number(1))
		if m.err != nil {
			return nil, fmt.Errorf("pickle ends early: %w", m.err)
		}
		if op == '.' { // STOP
			if len(m.stack) != 1 || len(m.marks) > 0 {
				return nil, fmt.Errorf("pickle ends with %d values and %d marks on the stack, want one value", len(m.stack), len(m.marks))
			}
			return m.stack[0], nil
		}
		m.step(op)
		if m.err != nil {
			if r := refusal(""); errors.As(m.err, &r) {
				return nil, r
			}
			return nil, fmt.Errorf("pickle: opcode %#02x at byte %d: %w", op, at, m.err)
		}
	}
	return nil, fmt.Errorf("pickle of more than %d opcodes", most)
}

// operand is the size in bytes of the number that follows an opcode: a value, an index into the memo, or the
// length of the bytes that follow.
var operand = [256]uint64{
	'K': 1, 'M': 2, 0x8a: 1, 0x8b: 4, // BININT1, BININT2, LONG1, LONG4
	'X': 4, 0x8c: 1, 0x8d: 8, 'U': 1, 'T': 4, // BINUNICODE, SHORT_BINUNICODE, BINUNICODE8, SHORT_BINSTRING, BINSTRING
	'B': 4, 'C': 1, 0x8e: 8, 0x96: 8, // BINBYTES, SHORT_BINBYTES, BINBYTES8, BYTEARRAY8
	'q': 1, 'r': 4, 'h': 1, 'j': 4, // BINPUT, LONG_BINPUT, BINGET, LONG_BINGET
}

// step runs one opcode.
func (m *machine) step(op byte) {
	switch op {
	case 0x80: // PROTO
		if v := m.number(1); v < 2 || v > 5 {
			m.fail(fmt.Errorf("protocol %d, want 2 to 5", v))
		}
	case 0x95: // FRAME says how much to read ahead
		m.number(8)

	case 'N': // NONE
		m.push(nil)
	case 0x88: // NEWTRUE
		m.push(true)
	case 0x89: // NEWFALSE
		m.push(false)
	case 'K', 'M': // BININT1, BININT2
		m.push(int64(m.number(operand[op])))
	case 'J': // BININT
		m.push(int64(int32(m.number(4))))
	case 0x8a, 0x8b: // LONG1, LONG4
		m.push(integer(m.counted(operand[op])))
	case 'G': // BINFLOAT is big-endian
		m.push(math.Float64frombits(bits.ReverseBytes64(m.number(8))))
	case 'X', 0x8c, 0x8d, 'U', 'T': // strings
		m.push(string(m.counted(operand[op])))
	case 'B', 'C', 0x8e, 0x96: // bytes
		m.counted(operand[op])
		m.push(opaque{})

	case '(': // MARK
		m.marks = append(m.marks, len(m.stack))
	case '0': // POP
		if n := len(m.marks); n > 0 && m.marks[n-1] == len(m.stack) {
			m.marks = m.marks[:n-1]
		} else {
			m.pop()
		}
	case '1': // POP_MARK
		m.popMark()
	case '2': // DUP
		m.push(m.top())

	case 'q', 'r': // BINPUT, LONG_BINPUT
		m.memo[m.number(operand[op])] = m.top()
	case 0x94: // MEMOIZE
		m.memo[uint64(len(m.memo))] = m.top()
	case 'h', 'j': // BINGET, LONG_BINGET
		i := m.number(operand[op])
		v, ok := m.memo[i]
		if !ok {
			m.fail(fmt.Errorf("nothing in the memo at %d", i))
		}
		m.push(v)

	case ')': // EMPTY_TUPLE
		m.push(tuple{})
	case 0x85, 0x86, 0x87: // TUPLE1, TUPLE2, TUPLE3
		m.push(m.popTuple(int(op) - 0x84))
	case 't': // TUPLE
		m.push(tuple(m.popMark()))
	case ']': // EMPTY_LIST
		m.push(&list{})
	case 'a': // APPEND
		m.extend(m.popTuple(1))
	case 'e': // APPENDS
		m.extend(m.popMark())
	case '}': // EMPTY_DICT
		m.push(&dict{})
	case 's': // SETITEM
		m.setItems(m.popTuple(2))
	case 'u': // SETITEMS
		m.setItems(m.popMark())
	case 0x8f: // EMPTY_SET
		m.push(opaque{})
	case 0x90: // ADDITEMS
		m.popMark()
	case 0x91: // FROZENSET
		m.popMark()
		m.push(opaque{})

	case 'c': // GLOBAL
		m.global(m.line(), m.line())
	case 'i': // INST, of protocol 0
		m.global(m.line(), m.line())
		m.fail(errUnknown)
	case 0x93: // STACK_GLOBAL
		t := m.popTuple(2)
		module, ok := t[0].(string)
		name, ok2 := t[1].(string)
		if !ok || !ok2 {
			m.fail(errors.New("the name of a global is not a string"))
		}
		m.global(module, name)
	case 'R', 0x81: // REDUCE, NEWOBJ
		m.call(op, m.popTuple(2))
	case 0x92: // NEWOBJ_EX, with keyword arguments
		m.call(op, m.popTuple(3))
	case 'b': // BUILD sets attributes: those of a dict, class or tensor change no tensor's elements
		state := m.pop()
		if inner, ok := m.top().(*module); ok {
			m.fail(inner.build(state))
		}
	case 'Q': // BINPERSID
		s, err := m.storages.find(m.pop())
		m.fail(err)
		m.push(s)
	default:
		m.fail(errUnknown)
	}
}

var errUnknown = errors.New("torch.save does not write this one")

func (m *machine) push(v any) { m.stack = append(m.stack, v) }

// top returns the value that pop would.
func (m *machine) top() any {
	if n := len(m.stack); n > 0 && (len(m.marks) == 0 || m.marks[len(m.marks)-1] < n) {
		return m.stack[n-1]
	}
	m.fail(errors.New("the stack is empty"))
	return nil
}

func (m *machine) pop() any {
	v := m.top()
	if m.err == nil {
		m.stack = m.stack[:len(m.stack)-1]
	}
	return v
}

// popTuple returns the last n values.
func (m *machine) popTuple(n int) tuple {
	t := make(tuple, n)
	for i := n - 1; i >= 0; i-- {
		t[i] = m.pop()
	}
	return t
}

// popMark returns all values above the last MARK.
func (m *machine) popMark() []any {
	n := len(m.marks)
	if n == 0 {
		m.fail(errors.New("no mark on the stack"))
		return nil
	}
	items := slices.Clone(m.stack[m.marks[n-1]:])
	m.stack = m.stack[:m.marks[n-1]]
	m.marks = m.marks[:n-1]
	return items
}

// extend appends to the list on top.
func (m *machine) extend(items []any) {
	switch v := m.top().(type) {
	case *list:
		v.items = append(v.items, items...)
	case opaque:
	default:
		m.fail(fmt.Errorf("appends to %s", kind(v)))
	}
}

// setItems enters keys and values, in turns, into the dict on top.
func (m *machine) setItems(items []any) {
	v := m.top()
	if len(items)%2 != 0 {
		m.fail(errors.New("a key without a value"))
		return
	}
	switch v := v.(type) {
	case *dict:
		for i := 0; i < len(items); i += 2 {
			if k, ok := items[i].(string); ok {
				if len(k) > maxName {
					m.fail(fmt.Errorf("a key of %d bytes, want at most %d", len(k), maxName))
					return
				}
				v.set(k, items[i+1])
			}
		}
	case opaque:
	default:
		m.fail(fmt.Errorf("sets items of %s", kind(v)))
	}
}

// global pushes the named global.
func (m *machine) global(module, name string) {
	g, err := newGlobal(module, name)
	m.fail(err)
	m.push(g)
}

// call pushes what op makes of a global or class, its arguments and perhaps its keyword arguments.
func (m *machine) call(op byte, values tuple) {
	c, isClass := values[0].(class)
	g, isGlobal := values[0].(global)
	args, ok := values[1].(tuple)
	var made any
	var err error
	switch {
	case !isClass && !isGlobal:
		err = fmt.Errorf("calls %s", kind(values[0]))
	case !ok:
		err = fmt.Errorf("calls %s with %s, want a tuple", kind(values[0]), kind(values[1]))
	case isClass:
		made, err = c.create(op, args)
	default:
		if made, err = g.call(m.storages, args); err != nil {
			err = fmt.Errorf("%s: %w", g, err)
		}
	}
	m.fail(err)
	m.push(made)
}
