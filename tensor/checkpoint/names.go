package checkpoint

import (
	"slices"
	"strconv"
	"strings"
)

// prefixes are added to a model's names by DistributedDataParallel (module.) and DINO's multi-crop wrapper
// (backbone.).
var prefixes = []string{"module.", "backbone."}

// wrappers are parts of names that wrap a model or a part of it: DistributedDataParallel, torch.compile, FSDP
// and activation checkpointing of PyTorch, FSDP of fairscale, Lightning's Fabric.
var wrappers = []string{
	"module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module", "_fpw_module", "_forward_module",
}

// CutWrappers returns a tensor's name without the parts that whatever wraps a model, or a part of it, adds:
// module, _orig_mod, _fsdp_wrapped_module, _checkpoint_wrapped_module, _fpw_module and _forward_module. The
// last part of a name always stays. Open does it for PyTorch files.
func CutWrappers(name string) string {
	if !strings.Contains(name, "module.") && !strings.Contains(name, "_mod.") {
		return name
	}
	parts := strings.Split(name, ".")
	last := len(parts) - 1
	kept := slices.DeleteFunc(parts[:last:last], func(p string) bool { return slices.Contains(wrappers, p) })
	if short := strings.Join(append(kept, parts[last]), "."); short != "" {
		return short
	}
	return name
}

// bare returns a name without its prefixes and wrappers.
func bare(name string) string {
	name = CutWrappers(name)
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

// enter enters the tensors of the state dict, without prefixes if none would then have another's name.
func (f *File) enter(d *dict) {
	averaged := "" // the counter of torch.optim.swa_utils.AveragedModel, beside module.
	if _, ok := d.items["n_averaged"].(*entry); ok && d.tensors > 1 {
		averaged = "n_averaged"
		for name, v := range d.items {
			if _, ok := v.(*entry); ok && name != averaged && !strings.HasPrefix(name, "module.") {
				averaged = ""
				break
			}
		}
	}
	names := map[string]bool{} // without prefixes
	tensors := 0
	for name, v := range d.items {
		if _, ok := v.(*entry); ok && (averaged == "" || name != averaged) {
			names[bare(name)] = true
			tensors++
		}
	}
	for name, v := range d.items {
		if e, ok := v.(*entry); ok && (averaged == "" || name != averaged) {
			if len(names) == tensors {
				name = bare(name)
			}
			f.entries[name] = e
		}
	}
}

// within enters the tensors of d whose own names begin with prefix, one that enter cuts, such as backbone., and
// returns how many there are.
func (f *File) within(d *dict, prefix string) int {
	inner := &dict{}
	for name, v := range d.items {
		if rest, ok := strings.CutPrefix(name, prefix); ok {
			inner.set(rest, v)
		}
	}
	f.enter(inner)
	return inner.tensors
}

// under keeps the tensors whose names begin with prefix, without it, and returns how many there are.
func (f *File) under(prefix string) int {
	all := f.entries
	f.entries = map[string]*entry{}
	for name, e := range all {
		if rest, ok := strings.CutPrefix(name, prefix); ok {
			f.entries[rest] = e
		}
	}
	f.key = f.want
	return len(f.entries)
}

// Clean makes a name from a file fit for a message: at most 120 bytes of it, with control characters, line ends
// and what is not printable escaped as in Go.
func Clean(name string) string {
	const most = 120
	if len(name) > most {
		name = name[:most] + "..."
	}
	quoted := strconv.Quote(name)
	return strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `"`)
}
