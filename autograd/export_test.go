package autograd

import "weak"

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

// IdleSlices returns where those of the slices that tp holds for later use begin
// that have at least min numbers.
func IdleSlices(tp *Tape, min int) (begin []weak.Pointer[float32]) {
	for length, l := range tp.memory.free {
		for _, s := range l.slices {
			if length >= min {
				begin = append(begin, weak.Make(&s[0]))
			}
		}
	}
	return begin
}
