package knob

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Differ says which settings of b differ from a's, such as "--lr was 0.06, now 0.01". Both point to
// structs of the same type. Knobs that are not in JSON do not count.
func Differ(a, b any) []string {
	var all []string
	was := slices.Collect(Walk(a))
	i := 0
	for now := range Walk(b) {
		if was := was[i]; now.JSON != "" && was.String() != now.String() {
			all = append(all, fmt.Sprintf("--%s was %s, now %s", now.Flag, was, now))
		}
		i++
	}
	return all
}

// Marshal returns the knobs of the struct that ptr points to as one flat JSON object, in their
// order, whatever structs they are in.
func Marshal(ptr any) ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for k := range Walk(ptr) {
		if k.JSON == "" {
			continue
		}
		name, err := json.Marshal(k.JSON)
		if err != nil {
			return nil, err
		}
		value, err := json.Marshal(k.Get())
		if err != nil {
			return nil, fmt.Errorf("%s: %w", k.JSON, err)
		}
		if b.Len() > 1 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "%s:%s", name, value)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// Unmarshal sets the knobs that a JSON object by Marshal names; others stay as they are, so that
// what was written before a knob was added can be read. A name that no knob has is an error.
func Unmarshal(text []byte, ptr any) error {
	values := map[string]json.RawMessage{}
	if err := json.Unmarshal(text, &values); err != nil {
		return err
	}
	for k := range Walk(ptr) {
		value, ok := values[k.JSON]
		if k.JSON == "" || !ok {
			continue
		}
		if err := json.Unmarshal(value, k.value.Addr().Interface()); err != nil {
			return fmt.Errorf("%s: %w", k.JSON, err)
		}
		delete(values, k.JSON)
	}
	if len(values) > 0 {
		return fmt.Errorf("unknown settings: %s", strings.Join(slices.Sorted(maps.Keys(values)), ", "))
	}
	return nil
}
