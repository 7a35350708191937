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
// embeddings to the requested image size.
//
// A block distinguishes rows that it updates from rows that are only attended to, which makes Prompt-CAM
// cheap: see Block.
//
// Reading order: model.go, windows.go, block.go; config.go for the presets; load.go, names.go and detect.go
// for files.
package vit
