// Package promptcam makes a pre-trained vision transformer explain how it tells similar classes apart.
//
// Prompt-CAM (Chowdhury et al., CVPR 2025, arXiv 2501.09333) gives a frozen transformer one learned
// prompt per class. In the last layer each class's prompt looks at the image with several
// attention heads, and one score vector, shared by all classes, reads the prompt's output. A class can
// therefore only win by where its prompt looks, and the attention maps of its heads show its
// traits.
//
//	model, err := promptcam.Open("model.safetensors", "vit.safetensors")
//	explanation, err := model.Explain(photo)
//	ranking := explanation.Rank(explanation.Predicted(), promptcam.BlurPatches)
//	heat := explanation.Heat(ranking.Class, ranking.Heads[0].Head)
//
// [Train] trains a [New] model on a backbone, and [Extend] adds a class to a trained one. A model knows its
// classes and its transform; its file holds everything but the backbone, whose identity
// [Load] checks.
//
// The tokens that enter the block [Model.Layer] depend on nothing learned. [Train], [Model.Evaluate] and
// [Model.Explanations] take batches of such tokens in place of images. Computed once, they
// leave only the layers with class prompts to each step.
//
// # Differences from the authors' code
//
// Nothing is prepended to the tokens and cut off again: class prompts are rows of their own, and
// class-agnostic prompts are only keys and values. Scores, gradients and attention are the same,
// in about half the work. Heads are ranked without further forward passes.
//
// The paper's mode is [Deep]. [Shallow] and [FromLayer] carry class prompts through several layers. [Last] is
// ours: it has no prompts but the class prompts of the last layer. The number of class-agnostic
// prompts need not be the number of classes.
//
// Each backbone keeps the normalisation it was trained with. The authors' code uses 0.5 for all, so their own
// checkpoints do here. Maps are drawn in true colours on an absolute scale, and [Share] says how much of
// a head's attention falls on the image at all.
//
// # Options beyond the paper
//
// Some options bring accuracy closer to a linear probe's, and maps closer to the traits. In [Config], Rank adds
// LoRA to the last block, and PatchDropout hides patches in training. In [TrainConfig] there are
// distillation, CutMix, binary cross-entropy, hard-example sampling and EMA. All are off by
// default. With each of them, a class's score still comes only from its own prompt's output through the
// shared vector, and the map still shows what the prompt reads.
//
// Package measure says what the maps are worth, package figure draws them, and package vit/heat holds them.
//
// Reading order: model.go, then vit/block.go; lora.go, explain.go, rank.go, save.go and official.go; batches.go,
// train.go, loss.go, mix.go, hard.go, evaluate.go and extend.go.
package promptcam
