package main

import "slices"

// register is a virtual register, until allocate gives it the number of a real one.
type register struct {
	reserved    *[]int // real ones, of 32, that it must not be given
	number      int
	first, last int // instructions that use it
}

// Of the general registers, R16 and R17 belong to the linker, R18 to the operating system, R27 to Go's
// assembler, R28 to R30 to Go, and 31 is none. All of the vectors are free.
var generals, vectors = []int{16, 17, 18, 27, 28, 29, 30, 31}, []int{}

func general() *register { return &register{reserved: &generals} }
func vector() *register  { return &register{reserved: &vectors} }

// allocate gives every virtual register of f a real one, for as long as it is in use: from the first
// instruction that names it to the last or, of registers set before a loop and used in it, to the end of the
// loop.
func (f *function) allocate() {
	var all []*register
	at := map[string]int{} // labels
	for i, line := range f.code {
		if line.isLabel {
			at[line.label] = i
		}
		for _, o := range line.operands {
			r, ok := o.(*register)
			if !ok {
				continue
			}
			if !slices.Contains(all, r) {
				r.first = i
				all = append(all, r)
			}
			r.last = i
		}
	}
	for i, line := range f.code {
		if line.label == "" || line.isLabel {
			continue
		}
		head, ok := at[line.label]
		if !ok {
			panic("no label " + line.label + " in " + f.name)
		}
		for _, r := range all { // a branch backwards: a loop from head to i
			if r.first < head && head <= r.last {
				r.last = max(r.last, i)
			}
		}
	}
	inUse := map[*[]int][]*register{}
	for _, r := range all { // in the order of first use
		used := slices.DeleteFunc(inUse[r.reserved], func(o *register) bool {
			return o.last <= r.first && o.first < r.first
		})
		isUsed := func(o *register) bool { return o.number == r.number }
		for slices.Contains(*r.reserved, r.number) || slices.ContainsFunc(used, isUsed) {
			r.number++
		}
		if r.number > 31 {
			panic(f.name + " needs too many registers at " + f.code[r.first].format)
		}
		inUse[r.reserved] = append(used, r)
	}
}
