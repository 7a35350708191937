// Package checkpoint reads and writes files of named tensors: safetensors, the two formats of PyTorch's
// torch.save, and the archives of torch.jit.save.
//
// Open recognises the format by the file's content, never by its extension, and reads only the table of
// contents; Tensor reads one tensor's bytes. Save writes safetensors, always F32; Create makes a file of any
// types for its maker to fill in place. Decode, Write and CreateAt do the same without a path.
//
// A PyTorch file is a Python pickle, a program for a small machine that may ask for any function of the
// reader's computer. The machine here knows only what it takes to describe tensors: a pickle that asks for
// anything else is refused with an error that names it, and nothing is ever called.
//
// # Which tensors of a PyTorch file
//
// A state dict is a dict from names to tensors. It is the file's top object, or lies in one under the first
// of the keys model_state_dict, state_dict, model, teacher, student, module, net that holds one, nested up to
// four deep; failing that, under the only key that does. Scalars beside the state dict, such as an epoch,
// appear in Metadata.
//
// Training in parallel (module.) and self-distillation (backbone.) leave prefixes on names. They are cut from
// each name that has one, both orders of both included; if this would give two tensors one name, all keep
// theirs. Names in safetensors files are never changed.
//
// # TorchScript archives
//
// What torch.jit.save writes since PyTorch 1.4, and OpenAI published CLIP as, is one module with others
// within. Its tensors are those that are attributes of a module, under the dotted names of a state dict
// (visual.conv1.weight), prefixes cut as above; a shared tensor or module has all its names. Scalars of the
// outermost module appear in Metadata; lists, dicts and all else are left out.
//
// The code in the archive is never read. So a module is refused if it keeps anything but a dict of attributes
// for a __setstate__ of its own to restore, as quantized layers do; so are enumerations and quantized or
// sparse tensors.
//
// # What is checked
//
// Offsets, sizes and strides are checked against the file before anything is allocated, so memory stays in
// proportion to the file. A hostile or damaged file gives an error naming the file and the tensor. The check
// sums of zip archives are not: torch.save can be told to leave them out.
package checkpoint
