package checkpoint

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/bits"
)

// A pickle is a program for a stack machine: opcodes push values, gather them into containers, store them in
// a memo and fetch them from it. The opcodes are those of protocols 2 to 5 (Python's Lib/pickletools.py
// documents them). The two that could do harm, naming a global and calling it, lead to global.go, where there
// is nothing to call.
//
// An opcode takes a bounded time. What it keeps in memory is first taken from the budget of the table of
// contents.

// Limits on one pickle. The pickle of a large model with its optimizer's state has some 100,000 opcodes. A
// compressed pickle may have spareOpcodes more opcodes than the file has bytes.
const (
	maxPickle    = 32 << 20 // bytes
	maxOpcodes   = 4 << 20
	spareOpcodes = 1 << 16
	maxName      = 4096 // bytes of a key: every opcode could hash the same long string
	maxGlobal    = 512  // bytes of the name of a class or function: every opcode could join the same two
)

// unpickler is that machine, for one pickle. After an error of its source it goes on with zero values until the
// opcode ends.
type unpickler struct {
	*source
	storages *storages
	stack    []any
	high     int   // length that the stack has had
	marks    []int // lengths of the stack at each open MARK
	memo     map[uint64]any
}

// unpickle runs the pickle that s is at and returns its value. It enters the storages that it finds in st.
func unpickle(ctx context.Context, s *source, st *storages) (any, error) {
	m := &unpickler{source: s, storages: st, memo: map[uint64]any{}}
	most := min(maxOpcodes, st.fileSize+spareOpcodes)
	for i := range most {
		if i%(1<<12) == 0 && ctx.Err() != nil {
			return nil, outside{ctx.Err()}
		}
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
	return nil, fmt.Errorf("%w: pickle of more than %d opcodes", ErrTooLarge, most)
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
func (m *unpickler) step(op byte) {
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
		m.spend(smallBytes)
		m.push(int64(m.number(operand[op])))
	case 'J': // BININT
		m.spend(smallBytes)
		m.push(int64(int32(m.number(4))))
	case 0x8a, 0x8b: // LONG1, LONG4
		m.push(integer(m.counted(operand[op])))
	case 'G': // BINFLOAT is big-endian
		m.spend(smallBytes)
		m.push(math.Float64frombits(bits.ReverseBytes64(m.number(8))))
	case 'X', 0x8c, 0x8d, 'U', 'T': // strings
		m.push(string(m.counted(operand[op])))
	case 'B', 'C', 0x8e, 0x96: // bytes
		m.counted(operand[op])
		m.push(opaque{})

	case '(': // MARK
		m.spend(8)
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
		m.memoize(m.number(operand[op]))
	case 0x94: // MEMOIZE
		m.memoize(uint64(len(m.memo)))
	case 'h', 'j': // BINGET, LONG_BINGET
		i := m.number(operand[op])
		v, ok := m.memo[i]
		if !ok {
			m.fail(fmt.Errorf("nothing in the memo at %d", i))
		}
		m.push(v)

	case ')': // EMPTY_TUPLE
		m.pushTuple(nil)
	case 0x85, 0x86, 0x87: // TUPLE1, TUPLE2, TUPLE3
		m.pushTuple(m.popN(int(op) - 0x84))
	case 't': // TUPLE
		m.pushTuple(m.popMark())
	case ']': // EMPTY_LIST
		m.spend(objectBytes)
		m.push(&list{})
	case 'a': // APPEND
		m.extend(m.popN(1))
	case 'e': // APPENDS
		m.extend(m.popMark())
	case '}': // EMPTY_DICT
		m.spend(objectBytes)
		m.push(&dict{})
	case 's': // SETITEM
		m.setItems(m.popN(2))
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
		m.global(m.line(maxGlobal), m.line(maxGlobal))
	case 'i': // INST, of protocol 0
		m.global(m.line(maxGlobal), m.line(maxGlobal))
		m.fail(errUnknown)
	case 0x93: // STACK_GLOBAL
		t := m.popN(2)
		module, ok := t[0].(string)
		name, ok2 := t[1].(string)
		if !ok || !ok2 {
			m.fail(errors.New("the name of a global is not a string"))
		}
		m.global(module, name)
	case 'R', 0x81: // REDUCE, NEWOBJ
		m.call(op, m.popN(2))
	case 0x92: // NEWOBJ_EX, with keyword arguments
		m.call(op, m.popN(3))
	case 'b': // BUILD sets attributes: those of a dict, class or tensor change no tensor's elements
		state := m.pop()
		switch inner := m.top().(type) {
		case *module:
			m.fail(inner.build(state))
		case *object:
			inner.build(state)
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

// spend takes n bytes of memory from the budget.
func (m *unpickler) spend(n int64) {
	if m.err == nil {
		m.fail(m.storages.table.spend(n))
	}
}

// counted returns as many bytes as the number before them, of n bytes, says.
func (m *unpickler) counted(n uint64) []byte {
	size := m.number(n)
	m.want(size)
	m.spend(int64(size) + smallBytes)
	return m.next(size)
}

func (m *unpickler) memoize(i uint64) {
	v := m.top()
	m.spend(objectBytes)
	if m.err == nil {
		m.memo[i] = v
	}
}

func (m *unpickler) push(v any) {
	if len(m.stack) == m.high {
		m.high++
		m.spend(itemBytes)
	}
	m.stack = append(m.stack, v)
}

// pushTuple pushes a tuple of items, which may lie on the stack.
func (m *unpickler) pushTuple(items []any) {
	m.spend(objectBytes + itemBytes*int64(len(items)))
	if m.err == nil {
		m.push(append(tuple{}, items...))
	}
}

// top returns the value that pop would.
func (m *unpickler) top() any {
	if n := len(m.stack); n > 0 && (len(m.marks) == 0 || m.marks[len(m.marks)-1] < n) {
		return m.stack[n-1]
	}
	m.fail(errors.New("the stack is empty"))
	return nil
}

func (m *unpickler) pop() any {
	v := m.top()
	if m.err == nil {
		m.stack = m.stack[:len(m.stack)-1]
	}
	return v
}

// popN returns the last n values, which stay valid until the next push.
func (m *unpickler) popN(n int) []any {
	for range n {
		if m.pop(); m.err != nil {
			return make([]any, n)
		}
	}
	return m.stack[len(m.stack) : len(m.stack)+n]
}

// popMark returns all values above the last MARK, which stay valid until the next push.
func (m *unpickler) popMark() []any {
	n := len(m.marks)
	if n == 0 {
		m.fail(errors.New("no mark on the stack"))
		return nil
	}
	items := m.stack[m.marks[n-1]:]
	m.stack = m.stack[:m.marks[n-1]]
	m.marks = m.marks[:n-1]
	return items
}

// extend appends to the list on top.
func (m *unpickler) extend(items []any) {
	switch v := m.top().(type) {
	case *list:
		if m.spend(itemBytes * int64(len(items))); m.err == nil {
			v.items = append(v.items, items...)
		}
	case opaque, *object:
	default:
		m.fail(fmt.Errorf("appends to %s", kind(v)))
	}
}

// setItems enters keys and values, in turns, into the dict on top.
func (m *unpickler) setItems(items []any) {
	v := m.top()
	if len(items)%2 != 0 {
		m.fail(errors.New("a key without a value"))
		return
	}
	var d *dict
	switch v := v.(type) {
	case *dict:
		d = v
	case *object:
		d = &v.items
	case opaque:
		return
	default:
		m.fail(fmt.Errorf("sets items of %s", kind(v)))
		return
	}
	for i := 0; i < len(items); i += 2 {
		k, ok := items[i].(string)
		if !ok {
			continue
		}
		if len(k) > maxName {
			m.fail(fmt.Errorf("a key of %d bytes, want at most %d", len(k), maxName))
		}
		if m.spend(d.cost(k)); m.err != nil {
			return
		}
		d.set(k, items[i+1])
	}
}

// global pushes the named global.
func (m *unpickler) global(module, name string) {
	if n := len(module) + len(name); n > maxGlobal {
		m.fail(refusal(fmt.Sprintf("%s: a name of %d bytes, more than %d", Clean(module[:min(len(module), 60)]+"."+name[:min(len(name), 60)]), n, maxGlobal)))
		return
	}
	if m.spend(objectBytes + 2*int64(len(module)+len(name))); m.err != nil {
		return
	}
	g, err := newGlobal(module, name)
	m.fail(err)
	m.push(g)
}

// call pushes what op makes of a global or class, its arguments and perhaps its keyword arguments.
func (m *unpickler) call(op byte, values []any) {
	callee := values[0]
	args, ok := values[1].(tuple)
	if m.spend(m.storages.cost(callee, args)); m.err != nil {
		return
	}
	if !ok {
		m.fail(fmt.Errorf("calls %s with %s, want a tuple", kind(callee), kind(values[1])))
		return
	}
	var made any
	var err error
	switch c := callee.(type) {
	case class:
		made, err = c.create(op, args)
	case global:
		if made, err = c.call(m.storages, args); err != nil {
			err = fmt.Errorf("%s: %w", c, err)
		}
	case unknown:
		made, err = c.call(args)
	case *object: // such as a method, looked up by name
		made = &object{of: c.of}
	case opaque:
		made = c
	default:
		err = fmt.Errorf("calls %s", kind(callee))
	}
	m.fail(err)
	m.push(made)
}
