// Package checkpoint reads and writes files of named tensors: safetensors, the two formats of PyTorch's
// torch.save, and the archives of torch.jit.save.
//
// Open recognises the format by the file's content, never by its extension, and reads only the table of
// contents; Tensor reads one tensor's bytes. Save writes safetensors, always F32; Create makes a file of any
// types, for the caller to fill in place. Decode, Write and CreateAt do the same without a path.
//
// A PyTorch file is a Python pickle, a program for a small machine that may name any Python function to call.
// The machine of this package knows only what describes tensors, and never calls anything. Objects of other
// classes beside the weights, such as settings and dates, are left aside. A pickle that asks for what only an
// attacker would (os.system), or for tensors of a kind that is not known, is refused with an error that names
// it; so is a whole model saved by torch.save(model), for which only its own Python code could tell the names.
//
// # Which tensors of a PyTorch file
//
// A state dict is a dict, or an object of a class derived from dict, from names to tensors. It is the file's
// top object, or is nested in it, up to four deep. If there are several, a moving average of the weights comes
// first: state_dict_ema, model_ema, as in timm, then any key with the word ema, swa or averaged; then
// model_state_dict, state_dict, model_state, model, teacher, student, module, net, params; then the top. A dict
// counts for nothing beside one with more than twice as many tensors, so that a loose tensor hides no state
// dict. Where no key is known, the dict with the most tensors is taken. Key tells which it was, Others what was
// left, and a path ending in #KEY asks for another. Scalars beside the state dict, such as an epoch, appear in
// Metadata.
//
// Self-distillation adds a prefix to names (backbone.), and whatever wraps a model, or a part of it, a part of
// a name (module, _orig_mod; see CutWrappers). They are removed; if two tensors would then have the same name,
// all names stay as they are. The counter n_averaged of torch.optim.swa_utils.AveragedModel is left out. Names
// in safetensors files are never changed.
//
// # TorchScript archives
//
// Since PyTorch 1.4, torch.jit.save writes one module with nested modules; OpenAI published CLIP in this
// form. The tensors are the modules' attributes, under the dotted names of a state dict (visual.conv1.weight)
// without the prefixes above; a shared tensor or module has all its names. Scalars of the outermost module
// appear in Metadata; lists, dicts and all else are left out.
//
// The code in the archive is never read. A module whose saved state is not a dict of attributes, which its
// own __setstate__ would restore, is refused, as are quantized layers, enumerations and quantized or sparse
// tensors.
//
// # What is checked
//
// Offsets, sizes and strides are checked against the file before anything is allocated. Memory stays in
// proportion to the file, for its table of contents and for all that Tensor returns of it, and below what the
// caller allows; see Limits. Reading ends when the context does. A hostile or damaged file gives an error
// naming the file and the tensor, which is an ErrFormat or ErrTooLarge. Checksums of zip archives are not
// verified: torch.save can omit them.
//
// # What is written
//
// Files are replaced atomically and flushed to disk before they take their name. A process that is killed
// leaves a temporary file, which the next writing of the same file removes, or machine.Sweep.
package checkpoint
