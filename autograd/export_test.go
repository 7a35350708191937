package autograd

// Poison tells whether recycled memory is filled with NaN.
const Poison = poison

// Recorded returns how many adjoints tp would run.
func Recorded(tp *Tape) int { return len(tp.recorded) }

// Idle returns how many numbers tp holds for later use.
func Idle(tp *Tape) int {
	n := 0
	for length, l := range tp.memory.free {
		n += length * len(l.slices)
	}
	return n
}
