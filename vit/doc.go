// Package vit implements vision transformers and loads their published weights.
//
//	config, err := vit.Preset("dino-vitb16")
//	model, err := vit.Load("dino_vitbase16_pretrain.pth", config)
//	scores := model.Features(tape.Const(images)) // [B, 1+M, D]
//
// New makes an untrained model of any architecture.
//
// The parameters have timm's names, such as blocks.0.attn.qkv.weight. Load also understands the names of the
// original code and of Hugging Face's transformers, in safetensors and PyTorch files, and resizes position
// embeddings to the requested image size. What a file holds is compared with the architecture before any of it
// is read; Detect and Load say of which architecture an unsupported file is (ErrUnsupported).
//
// A block distinguishes rows that it updates from rows that are only attended to, which makes Prompt-CAM
// cheap: see Block.
//
// Reading order: model.go, windows.go, block.go; config.go and preset.go for architectures; load.go, contents.go,
// names.go, detect.go and unsupported.go for files.
package vit
