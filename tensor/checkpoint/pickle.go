package checkpoint

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// A pickle is a program for a stack machine: opcodes push values, gather them into containers, keep them in a
// memo and fetch them from there. The opcodes are those of protocols 2 to 5 (Python's Lib/pickletools.py
// documents them). The two that could do harm, naming a global and calling it, end in global.go, where there
// is nothing to call.

// Limits on one pickle. That of a large model, its optimizer's state included, has some 100,000 opcodes; one
// opcode costs about 100 bytes at worst. A file smaller than its pickle's opcodes is packed, and may have
// spareOpcodes more of them than it has bytes.
const (
	maxPickle    = 32 << 20 // bytes
	maxOpcodes   = 4 << 20
	spareOpcodes = 1 << 16
	maxName      = 4096 // bytes of a key: one long string in the memo could be hashed by every opcode
)

// machine runs one pickle.
type machine struct {
	*source
	storages *storages
	stack    []any
	marks    []int // lengths of the stack at each open MARK
	memo     map[uint64]any
}

// unpickle runs the pickle that s is at and returns its value. Storages that it speaks of are entered in st.
func unpickle(s *source, st *storages) (any, error) {
	m := &machine{source: s, storages: st, memo: map[uint64]any{}}
	most := min(maxOpcodes, st.fileSize+spareOpcodes)
	for range most {
		at := m.pos
		op, err := m.number(1)
		if err != nil {
			return nil, fmt.Errorf("pickle ends early: %w", err)
		}
		if op == '.' { // STOP
			if len(m.stack) != 1 || len(m.marks) > 0 {
				return nil, fmt.Errorf("pickle ends with %d values and %d marks on the stack, want one value", len(m.stack), len(m.marks))
			}
			return m.stack[0], nil
		}
		if err := m.step(byte(op)); err != nil {
			if r := refusal(""); errors.As(err, &r) {
				return nil, r
			}
			return nil, fmt.Errorf("pickle: opcode %#02x at byte %d: %w", op, at, err)
		}
	}
	return nil, fmt.Errorf("pickle of more than %d opcodes", most)
}

// operand gives the bytes of the number that follows an opcode: a value, an index into the memo, or how many
// bytes come next.
var operand = [256]uint64{
	'K': 1, 'M': 2, 0x8a: 1, 0x8b: 4, // BININT1, BININT2, LONG1, LONG4
	'X': 4, 0x8c: 1, 0x8d: 8, 'U': 1, 'T': 4, // BINUNICODE, SHORT_BINUNICODE, BINUNICODE8, SHORT_BINSTRING, BINSTRING
	'B': 4, 'C': 1, 0x8e: 8, 0x96: 8, // BINBYTES, SHORT_BINBYTES, BINBYTES8, BYTEARRAY8
	'q': 1, 'r': 4, 'h': 1, 'j': 4, // BINPUT, LONG_BINPUT, BINGET, LONG_BINGET
}

// step runs one opcode.
func (m *machine) step(op byte) error {
	switch op {
	case 0x80: // PROTO
		v, err := m.number(1)
		if err == nil && (v < 2 || v > 5) {
			err = fmt.Errorf("protocol %d, want 2 to 5", v)
		}
		return err
	case 0x95: // FRAME says how much to read ahead
		_, err := m.next(8)
		return err

	case 'N': // NONE
		m.push(nil)
	case 0x88: // NEWTRUE
		m.push(true)
	case 0x89: // NEWFALSE
		m.push(false)
	case 'K', 'M': // BININT1, BININT2
		v, err := m.number(operand[op])
		m.push(int64(v))
		return err
	case 'J': // BININT
		v, err := m.number(4)
		m.push(int64(int32(v)))
		return err
	case 0x8a, 0x8b: // LONG1, LONG4
		b, err := m.counted(operand[op])
		m.push(integer(b))
		return err
	case 'G': // BINFLOAT
		b, err := m.next(8)
		if err != nil {
			return err
		}
		m.push(math.Float64frombits(binary.BigEndian.Uint64(b)))
	case 'X', 0x8c, 0x8d, 'U', 'T': // the strings
		b, err := m.counted(operand[op])
		m.push(string(b))
		return err
	case 'B', 'C', 0x8e, 0x96: // the bytes
		_, err := m.counted(operand[op])
		m.push(opaque{})
		return err

	case '(': // MARK
		m.marks = append(m.marks, len(m.stack))
	case '0': // POP
		if n := len(m.marks); n > 0 && m.marks[n-1] == len(m.stack) {
			m.marks = m.marks[:n-1]
			return nil
		}
		_, err := m.pop()
		return err
	case '1': // POP_MARK
		_, err := m.popMark()
		return err
	case '2': // DUP
		v, err := m.top()
		m.push(v)
		return err

	case 'q', 'r': // BINPUT, LONG_BINPUT
		i, err := m.number(operand[op])
		if err != nil {
			return err
		}
		m.memo[i], err = m.top()
		return err
	case 0x94: // MEMOIZE
		v, err := m.top()
		m.memo[uint64(len(m.memo))] = v
		return err
	case 'h', 'j': // BINGET, LONG_BINGET
		i, err := m.number(operand[op])
		if err != nil {
			return err
		}
		v, ok := m.memo[i]
		if !ok {
			return fmt.Errorf("nothing in the memo at %d", i)
		}
		m.push(v)

	case ')': // EMPTY_TUPLE
		return m.tuple(0)
	case 0x85, 0x86, 0x87: // TUPLE1, TUPLE2, TUPLE3
		return m.tuple(int(op) - 0x84)
	case 't': // TUPLE
		items, err := m.popMark()
		m.push(tuple(items))
		return err
	case ']': // EMPTY_LIST
		m.push(&list{})
	case 'a': // APPEND
		v, err := m.pop()
		if err != nil {
			return err
		}
		return m.extend([]any{v})
	case 'e': // APPENDS
		items, err := m.popMark()
		if err != nil {
			return err
		}
		return m.extend(items)
	case '}': // EMPTY_DICT
		m.push(&dict{})
	case 's': // SETITEM
		if err := m.tuple(2); err != nil {
			return err
		}
		pair, err := m.pop()
		if err != nil {
			return err
		}
		return m.setItems(pair.(tuple))
	case 'u': // SETITEMS
		items, err := m.popMark()
		if err != nil {
			return err
		}
		return m.setItems(items)
	case 0x8f: // EMPTY_SET
		m.push(opaque{})
	case 0x90: // ADDITEMS
		_, err := m.popMark()
		return err
	case 0x91: // FROZENSET
		_, err := m.popMark()
		m.push(opaque{})
		return err

	case 'c', 'i': // GLOBAL, INST
		return m.global(op)
	case 0x93: // STACK_GLOBAL
		if err := m.tuple(2); err != nil {
			return err
		}
		v, err := m.pop()
		if err != nil {
			return err
		}
		module, ok := v.(tuple)[0].(string)
		name, ok2 := v.(tuple)[1].(string)
		if !ok || !ok2 {
			return errors.New("the name of a global is not a string")
		}
		g, err := newGlobal(module, name)
		m.push(g)
		return err
	case 'R', 0x81: // REDUCE, NEWOBJ
		return m.call(op, 2)
	case 0x92: // NEWOBJ_EX
		return m.call(op, 3)
	case 'b': // BUILD sets attributes: those of a dict, class or tensor change no tensor's elements
		state, err := m.pop()
		if err != nil {
			return err
		}
		v, err := m.top()
		if inner, ok := v.(*module); ok {
			return inner.build(state)
		}
		return err
	case 'Q': // BINPERSID
		id, err := m.pop()
		if err != nil {
			return err
		}
		s, err := m.storages.find(id)
		m.push(s)
		return err
	default:
		return errors.New("torch.save does not write this one")
	}
	return nil
}

func (m *machine) push(v any) { m.stack = append(m.stack, v) }

// top returns the value that pop would.
func (m *machine) top() (any, error) {
	if n := len(m.stack); n > 0 && (len(m.marks) == 0 || m.marks[len(m.marks)-1] < n) {
		return m.stack[n-1], nil
	}
	return nil, errors.New("the stack is empty")
}

func (m *machine) pop() (any, error) {
	v, err := m.top()
	if err == nil {
		m.stack = m.stack[:len(m.stack)-1]
	}
	return v, err
}

// popMark returns all values above the last MARK.
func (m *machine) popMark() ([]any, error) {
	n := len(m.marks)
	if n == 0 {
		return nil, errors.New("no mark on the stack")
	}
	items := append([]any(nil), m.stack[m.marks[n-1]:]...)
	m.stack = m.stack[:m.marks[n-1]]
	m.marks = m.marks[:n-1]
	return items, nil
}

// tuple replaces the last n values by a tuple of them.
func (m *machine) tuple(n int) error {
	t := make(tuple, n)
	for i := n - 1; i >= 0; i-- {
		v, err := m.pop()
		if err != nil {
			return err
		}
		t[i] = v
	}
	m.push(t)
	return nil
}

// extend appends to the list on top.
func (m *machine) extend(items []any) error {
	v, err := m.top()
	if err != nil {
		return err
	}
	switch v := v.(type) {
	case *list:
		v.items = append(v.items, items...)
	case opaque:
	default:
		return fmt.Errorf("appends to %s", kind(v))
	}
	return nil
}

// setItems enters keys and values, in turns, into the dict on top.
func (m *machine) setItems(items []any) error {
	v, err := m.top()
	if err != nil {
		return err
	}
	if len(items)%2 != 0 {
		return errors.New("a key without a value")
	}
	switch v := v.(type) {
	case *dict:
		for i := 0; i < len(items); i += 2 {
			if k, ok := items[i].(string); ok {
				if len(k) > maxName {
					return fmt.Errorf("a key of %d bytes, want at most %d", len(k), maxName)
				}
				v.set(k, items[i+1])
			}
		}
	case opaque:
	default:
		return fmt.Errorf("sets items of %s", kind(v))
	}
	return nil
}

// global reads a global's name, a line each for the module and the rest.
func (m *machine) global(op byte) error {
	module, err := m.line()
	if err != nil {
		return err
	}
	name, err := m.line()
	if err != nil {
		return err
	}
	g, err := newGlobal(module, name)
	if err == nil && op == 'i' {
		err = errors.New("torch.save does not write this one")
	}
	m.push(g)
	return err
}

// call replaces the last n values, a global or class, its arguments and perhaps its keyword arguments, by
// what op would make of them.
func (m *machine) call(op byte, n int) error {
	if err := m.tuple(n); err != nil {
		return err
	}
	v, err := m.pop()
	if err != nil {
		return err
	}
	callee, args := v.(tuple)[0], v.(tuple)[1]
	switch callee.(type) {
	case global, class:
	default:
		return fmt.Errorf("calls %s", kind(callee))
	}
	t, ok := args.(tuple)
	if !ok {
		return fmt.Errorf("calls %s with %s, want a tuple", kind(callee), kind(args))
	}
	var made any
	if c, ok := callee.(class); ok {
		made, err = c.create(op, t)
	} else {
		made, err = callee.(global).call(m.storages, t)
	}
	m.push(made)
	return err
}
