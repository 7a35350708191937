package main

import (
	"fmt"
	"slices"
)

// register is a virtual register, until allocate gives it the number of a real one.
type register struct {
	file        *[]int // the real ones to choose from
	number      int
	first, last int // instructions that use it
}

// Of the general registers, R16 and R17 belong to the linker, R18 to the operating system, R27 to Go's
// assembler, R28 to R30 to Go. All of the vectors are free.
var (
	generals = append(count(0, 16), count(19, 27)...)
	vectors  = count(0, 32)
)

// count returns the numbers from lo up to but not including hi.
func count(lo, hi int) (n []int) {
	for ; lo < hi; lo++ {
		n = append(n, lo)
	}
	return n
}

func general() *register { return &register{file: &generals} }
func vector() *register  { return &register{file: &vectors} }

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
		used := slices.DeleteFunc(inUse[r.file], func(o *register) bool { return o.last <= r.first && o.first < r.first })
		free := slices.IndexFunc(*r.file, func(n int) bool {
			return !slices.ContainsFunc(used, func(o *register) bool { return o.number == n })
		})
		if free < 0 {
			panic(fmt.Sprintf("%s needs more than %d registers at %s", f.name, len(*r.file), f.code[r.first].format))
		}
		r.number = (*r.file)[free]
		inUse[r.file] = append(used, r)
	}
}
