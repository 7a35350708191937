//go:build race

package kernel

import (
	"runtime"
	"unsafe"
)

// The race detector does not see the accesses of assembly, so entry points report them.

func raceRead(x []float32) {
	if len(x) > 0 {
		runtime.RaceReadRange(unsafe.Pointer(&x[0]), 4*len(x))
	}
}

func raceWrite(x []float32) {
	if len(x) > 0 {
		runtime.RaceWriteRange(unsafe.Pointer(&x[0]), 4*len(x))
	}
}

func (m Matrix) raceRead() {
	if m.RowStride < m.ColStride {
		m = m.T()
	}
	for i := range m.Rows {
		if m.ColStride == 1 {
			raceRead(m.Data[i*m.RowStride : i*m.RowStride+m.Cols])
			continue
		}
		for j := range m.Cols {
			raceRead(m.Data[i*m.RowStride+j*m.ColStride:][:1])
		}
	}
}

func (m Matrix) raceWrite() {
	for i := range m.Rows {
		raceWrite(m.Data[i*m.RowStride : i*m.RowStride+m.Cols])
	}
}
