//go:build !(amd64 || arm64) || purego

package kernel

// simdTiers returns the tiers in assembly, of which this build has none.
func simdTiers() []tier { return nil }
