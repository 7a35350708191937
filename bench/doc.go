// Package bench looks at the library as a whole: which package may import which,
// and how fast it is beside others. See README.md for the figures and compare.sh.
//
//	go test -run '^$' -bench . ./bench
//
// A benchmark of some work has the name that the programs in peers give to the
// same work done by others, and the same unit.
package bench
