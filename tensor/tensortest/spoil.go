package tensortest

import (
	"maps"
	"math/rand/v2"
	"slices"
)

// Spoil returns a copy of a JSON value, as encoding/json makes it, in which any part is replaced at these odds by
// another value: hostile sizes, wrong types, nothing at all. It is for fuzzing what reads outside files.
func Spoil(rng *rand.Rand, odds float64, v any) any {
	if rng.Float64() < odds {
		all := []any{0, -1, 1, 3, 4, 16, 255, 1024, 1 << 16, 1 << 31, 1 << 46, 1 << 62, 0.5, 1e-300, 1e300, nil, true, "", "\x00\u202e", "F16", "U8", "deep", "from:3", []any{}, []any{4096, 4096}, []any{1 << 14, 4}, map[string]any{}}
		return all[rng.IntN(len(all))]
	}
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for _, key := range slices.Sorted(maps.Keys(v)) {
			out[key] = Spoil(rng, odds, v[key])
		}
		return out
	case []any:
		out := []any{}
		for _, x := range v {
			out = append(out, Spoil(rng, odds, x))
		}
		return out
	}
	return v
}
