package knob

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Differ returns which settings of b differ from a's, such as "--lr was 0.06, now 0.01". Both point to
// structs of the same type. Knobs that are not in JSON do not count.
func Differ(a, b any) (all []string) {
	before := slices.Collect(Walk(a))
	for i, now := range slices.Collect(Walk(b)) {
		if was := before[i]; now.JSON != "" && was.String() != now.String() {
			all = append(all, fmt.Sprintf("--%s was %s, now %s", now.Flag, was, now))
		}
	}
	return all
}

// Marshal returns the knobs of the struct that ptr points to, and of the structs in it, as one flat JSON
// object, in their order.
func Marshal(ptr any) ([]byte, error) {
	var fields []string
	for k := range Walk(ptr) {
		if k.JSON == "" {
			continue
		}
		value, err := json.Marshal(k.Get())
		if err != nil {
			return nil, fmt.Errorf("%s: %w", k.JSON, err)
		}
		fields = append(fields, fmt.Sprintf("%q:%s", k.JSON, value))
	}
	return []byte("{" + strings.Join(fields, ",") + "}"), nil
}

// Unmarshal sets the knobs that a JSON object by Marshal names. Others stay as they are, so that what was
// written before a knob was added can be read. A name that no knob has is an error.
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
