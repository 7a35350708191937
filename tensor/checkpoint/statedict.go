package checkpoint

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// stateDictKeys are the keys of state dicts in checkpoints of training programs, best first. In
// self-distillation the teacher is the published model (DINO, DINOv2).
var stateDictKeys = []string{"model_state_dict", "state_dict", "model", "teacher", "student", "module", "net"}

// maxNesting bounds the search for the state dict; a dict may contain itself under every key.
const maxNesting = 4

// prefixes are added to a model's names by DistributedDataParallel (module.) and DINO's multi-crop wrapper
// (backbone.).
var prefixes = []string{"module.", "backbone."}

// collect enters the tensors and scalars of a PyTorch file's object in f.
func (f *File) collect(v any) error {
	var path []*dict
	switch v := v.(type) {
	case *dict:
		path = stateDict(v)
		if path == nil {
			return fmt.Errorf("no state dict: tensors neither at the top nor under %s; keys are %s",
				strings.Join(stateDictKeys, ", "), firstKeys(v))
		}
	case *module:
		d, err := v.flat(f.size)
		if err != nil {
			return err
		}
		path = []*dict{d}
	default:
		return fmt.Errorf("the file holds %s, want a dict of tensors", kind(v))
	}
	for _, d := range path {
		for key, v := range d.items {
			if s, ok := scalar(v); ok {
				f.meta[key] = s
			}
		}
	}
	found := path[len(path)-1]
	names := map[string]bool{} // without prefixes
	for name, v := range found.items {
		if _, ok := v.(*entry); ok {
			names[bare(name)] = true
		}
	}
	cut := len(names) == found.tensors // otherwise two would get the same name
	for name, v := range found.items {
		if e, ok := v.(*entry); ok {
			if cut {
				name = bare(name)
			}
			f.entries[name] = e
		}
	}
	return nil
}

// stateDict returns the dicts that lead from d to the state dict, or nil.
func stateDict(d *dict) []*dict {
	if path := nested(d, maxNesting); path != nil {
		return path
	}
	var only *dict
	for _, v := range d.items {
		if inner, ok := v.(*dict); ok && inner.tensors > 0 {
			if only != nil {
				return nil
			}
			only = inner
		}
	}
	if only == nil {
		return nil
	}
	return []*dict{d, only}
}

// nested is stateDict by the known keys alone.
func nested(d *dict, depth int) []*dict {
	if depth == 0 {
		return nil
	}
	for _, key := range stateDictKeys {
		if inner, ok := d.items[key].(*dict); ok {
			if path := nested(inner, depth-1); path != nil {
				return append([]*dict{d}, path...)
			}
		}
	}
	if d.tensors > 0 {
		return []*dict{d}
	}
	return nil
}

// bare returns a name without its prefixes.
func bare(name string) string {
	for {
		rest := name
		for _, p := range prefixes {
			rest = strings.TrimPrefix(rest, p)
		}
		if rest == name || rest == "" {
			return name
		}
		name = rest
	}
}

// scalar returns a string, integer, float or bool as text.
func scalar(v any) (s string, ok bool) {
	switch v := v.(type) {
	case string, int64, bool:
		return fmt.Sprint(v), true
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64), true
	}
	return "", false
}

// firstKeys lists up to ten keys of a dict.
func firstKeys(d *dict) string {
	keys := slices.Sorted(maps.Keys(d.items))
	more := ""
	if len(keys) > 10 {
		keys, more = keys[:10], ", ..."
	}
	for i, k := range keys {
		keys[i] = clean(k)
	}
	return "[" + strings.Join(keys, ", ") + more + "]"
}
