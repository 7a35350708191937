package birds

import "testing"

// One image with its masks.
func BenchmarkDraw(b *testing.B) {
	all := AllSpecies()
	b.ReportAllocs()
	for i := range b.N {
		Draw(all[i%len(all)].Traits, NewScene(uint64(i)), 128)
	}
}
