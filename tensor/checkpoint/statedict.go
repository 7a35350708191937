package checkpoint

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// stateDictKeys are the keys of state dicts in checkpoints of training programs, best first. A moving average
// of the weights (EMA) is better than the weights, as for timm's load_state_dict(use_ema=True); in
// self-distillation the teacher is the published model (DINO, DINOv2). Any other key with one of the words
// ema, swa and averaged comes after timm's two.
var stateDictKeys = []string{
	"state_dict_ema", "model_ema", anyEMA, "model_state_dict", "state_dict", "model_state", "model", "teacher", "student", "module", "net", "params", "shadow",
}

const anyEMA = "*_ema"

// keyRank returns the place of a key among stateDictKeys, or their number if it is not known.
func keyRank(key string) int {
	if i := slices.Index(stateDictKeys, key); i >= 0 {
		return i
	}
	for word := range strings.FieldsFuncSeq(strings.ToLower(key), func(r rune) bool { return strings.ContainsRune("_-. ", r) }) {
		if word == "ema" || word == "swa" || word == "averaged" {
			return slices.Index(stateDictKeys, anyEMA)
		}
	}
	return len(stateDictKeys)
}

// maxNesting bounds the search for the state dict; a dict may contain itself under every key.
const maxNesting = 4

// candidate is a dict that holds tensors.
type candidate struct {
	path  []*dict // from the top to the dict
	keys  []string
	ranks []int // of keys
}

func (c *candidate) dict() *dict  { return c.path[len(c.path)-1] }
func (c *candidate) key() string  { return strings.Join(c.keys, ".") }
func (c *candidate) tensors() int { return c.dict().tensors }

// known reports whether all keys are known, and ends whether the last is.
func (c *candidate) known() bool { return c.ends() && slices.Max(c.ranks) < len(stateDictKeys) }
func (c *candidate) ends() bool {
	return len(c.ranks) > 0 && c.ranks[len(c.ranks)-1] < len(stateDictKeys)
}

// candidates returns the dicts within top that hold tensors, but for an optimizer's, each once.
func candidates(top *dict) []*candidate {
	var found []*candidate
	seen := map[*dict]bool{top: true}
	level := []*candidate{{path: []*dict{top}}}
	for range maxNesting + 1 { // the top is not nested
		var next []*candidate
		for _, c := range level {
			if c.tensors() > 0 {
				found = append(found, c)
			}
			var inner []string
			for key, v := range c.dict().items {
				if d, ok := asDict(v); ok && len(d.items) > 0 && !seen[d] && !strings.Contains(strings.ToLower(key), "optim") {
					inner = append(inner, key)
				}
			}
			slices.SortFunc(inner, func(a, b string) int {
				return cmp.Or(cmp.Compare(keyRank(a), keyRank(b)), cmp.Compare(a, b))
			})
			for _, key := range inner {
				d, _ := asDict(c.dict().items[key])
				if seen[d] {
					continue // also under a better key
				}
				seen[d] = true
				n := &candidate{path: append(slices.Clip(c.path), d), keys: append(slices.Clip(c.keys), key), ranks: append(slices.Clip(c.ranks), keyRank(key))}
				next = append(next, n)
			}
		}
		level = next
	}
	return found
}

// choose returns the state dict among the candidates, or nil.
//
// Known keys decide, the top coming last, but for dicts with less than half as many tensors as another of
// them. Failing those, known keys within unknown ones decide, but for dicts with less than half as many tensors
// as any other. Failing those too, the dict with the most tensors is taken, and of equals the less nested one.
// If that does not decide, nothing is taken.
func choose(found []*candidate) *candidate {
	top := func(c *candidate) bool { return len(c.keys) == 0 }
	best := byKey(found, (*candidate).known, func(c *candidate) bool { return c.known() || top(c) })
	if best == nil {
		best = byKey(found, (*candidate).ends, func(*candidate) bool { return true })
	}
	if best != nil {
		return best
	}
	tied := false
	for _, c := range found {
		switch {
		case best == nil || c.tensors() > best.tensors():
			best, tied = c, false
		case c.tensors() == best.tensors() && len(c.keys) == len(best.keys):
			tied = true
		}
	}
	if tied {
		return nil
	}
	return best
}

// byKey returns the best of the candidates that are eligible, by key, unless one of the rivals has more than
// twice as many tensors.
func byKey(found []*candidate, eligible, rival func(*candidate) bool) (best *candidate) {
	most := 0
	for _, c := range found {
		if rival(c) {
			most = max(most, c.tensors())
		}
	}
	for _, c := range found {
		if eligible(c) && 2*c.tensors() >= most && (best == nil || better(c, best)) {
			best = c
		}
	}
	return best
}

// better compares known keys; within one, a nested dict comes first.
func better(a, b *candidate) bool {
	for i := range min(len(a.ranks), len(b.ranks)) {
		if c := cmp.Or(cmp.Compare(a.ranks[i], b.ranks[i]), cmp.Compare(a.keys[i], b.keys[i])); c != 0 {
			return c < 0
		}
	}
	return len(a.ranks) > len(b.ranks)
}

// collect enters the tensors and scalars of a PyTorch file's object in f.
func (f *File) collect(v any) error {
	if m, ok := v.(*module); ok {
		d, err := m.flat(f.table)
		if err != nil {
			return err
		}
		v = d
	}
	top, ok := asDict(v)
	if !ok {
		return noStateDict(v)
	}
	found := candidates(top)
	chosen := choose(found)
	prefix := ""
	if f.want != "" {
		chosen, prefix = pick(found, chosen, f.want)
	}
	switch {
	case chosen != nil && chosen.tensors() > maxEntries:
		return few("tensors", chosen.tensors())
	case chosen == nil && len(found) > 0:
		return fmt.Errorf("no state dict by a known key such as %s; %s: state one of them as FILE#KEY", stateDictKeys[0], listKeys(found))
	case chosen == nil:
		return emptyDict(top)
	}
	f.key = chosen.key()
	for _, c := range found {
		if key := c.key(); key != "" && key != f.key { // keys with dots in them may give one twice
			f.others = append(f.others, key)
		}
	}
	slices.Sort(f.others)
	f.others = slices.Compact(f.others)
	for _, d := range chosen.path {
		for key, v := range d.items {
			if s, ok := scalar(v); ok {
				f.meta[key] = s
			}
		}
	}
	f.enter(chosen.dict())
	if prefix != "" && f.under(prefix) == 0 && f.within(chosen.dict(), prefix) == 0 {
		return fmt.Errorf("no tensors under the key %s: %s", Clean(f.want), listKeys(found))
	}
	return nil
}

// pick returns the candidate with the longest key that begins the one asked for, or the one chosen, and how
// the names of its tensors must go on.
func pick(found []*candidate, chosen *candidate, want string) (*candidate, string) {
	prefix := want + "."
	for _, c := range found {
		if rest, ok := strings.CutPrefix(want+".", c.key()+"."); ok && len(c.keys) > 0 && len(rest) < len(prefix) {
			chosen, prefix = c, rest
		}
	}
	return chosen, prefix
}

// noStateDict is the error for a file that holds something else than a dict.
func noStateDict(v any) error {
	if o, ok := v.(*object); ok && (o.model || strings.HasPrefix(string(o.of), "torch.nn.")) {
		return fmt.Errorf("a whole model (class %s) saved by torch.save(model), which only its Python code can read: %s", o.of, remedy)
	}
	if o, ok := v.(*object); ok {
		return fmt.Errorf("the file holds an object of class %s, want a dict of tensors: if it is a model, %s", o.of, remedy)
	}
	return fmt.Errorf("the file holds %s, want a dict of tensors: %s", kind(v), remedy)
}

const remedy = "save model.state_dict() instead, with torch.save(model.state_dict(), path)"

// emptyDict is the error for a dict without tensors.
func emptyDict(top *dict) error {
	for _, key := range slices.Sorted(maps.Keys(top.items)) {
		if o, ok := top.items[key].(*object); ok && o.model {
			return fmt.Errorf("no state dict: under %s is a whole model (class %s), which only its Python code can read: %s", Clean(key), o.of, remedy)
		}
	}
	return fmt.Errorf("no state dict: no tensors at the top nor in a dict within it; keys are %s: %s", firstKeys(top), remedy)
}

// scalar returns a string, integer, float or bool as text.
func scalar(v any) (s string, ok bool) {
	switch v := v.(type) {
	case string:
		return v, true // not a copy: many keys may have it
	case int64, bool:
		return fmt.Sprint(v), true
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64), true
	}
	return "", false
}

// listKeys lists the keys of candidates, and how many tensors they hold.
func listKeys(found []*candidate) string {
	var keys []string
	for _, c := range found {
		key := cmp.Or(Clean(c.key()), "the top")
		keys = append(keys, fmt.Sprintf("%s: %d", key, c.tensors()))
	}
	return "the numbers of tensors are " + firstOf(keys)
}

// firstKeys lists the keys of a dict.
func firstKeys(d *dict) string {
	keys := slices.Sorted(maps.Keys(d.items))
	for i, k := range keys[:min(len(keys), most)] {
		keys[i] = Clean(k)
	}
	return firstOf(keys)
}

const most = 10 // in a list within a message

func firstOf(list []string) string {
	more := ""
	if len(list) > most {
		list, more = list[:most], ", ..."
	}
	return "[" + strings.Join(list, ", ") + more + "]"
}
