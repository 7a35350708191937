// Package checkpoint reads and writes files of named tensors: safetensors, the two formats of PyTorch's
// torch.save, and the archives of torch.jit.save.
//
// Open recognises the format by the file's content, never by its extension, and reads only the table of
// contents; Tensor reads one tensor's bytes. Save writes safetensors, always F32; Create makes a file of any
// types, for the caller to fill in place. Decode, Write and CreateAt do the same without a path.
//
// A PyTorch file is a Python pickle, a program for a small machine that may name any Python function to call.
// The machine of this package knows only what describes tensors: it refuses a pickle that asks for anything
// else, with an error that names it, and never calls anything.
//
// # Which tensors of a PyTorch file
//
// A state dict is a dict from names to tensors. It is the file's top object, or is nested in it, up to four
// deep, under the first of the keys model_state_dict, state_dict, model, teacher, student, module, net that
// holds one; failing that, under the only key that does. Scalars beside the state dict, such as an epoch,
// appear in Metadata.
//
// Data-parallel training (module.) and self-distillation (backbone.) add prefixes to names. They are removed,
// in either order; if two tensors would then have the same name, all names stay as they are. Names in
// safetensors files are never changed.
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
// Offsets, sizes and strides are checked against the file before anything is allocated, so memory stays in
// proportion to the file. A hostile or damaged file gives an error naming the file and the tensor. Checksums
// of zip archives are not verified: torch.save can omit them.
package checkpoint
