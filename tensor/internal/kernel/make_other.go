//go:build !linux

package kernel

func adviseHuge(from, size uintptr) {}
