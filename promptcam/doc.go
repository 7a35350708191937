// Package promptcam makes a pre-trained vision transformer explain what it
// tells look-alike classes apart by.
//
// Prompt-CAM (Chowdhury et al., CVPR 2025, arXiv 2501.09333) gives a frozen
// transformer one learned prompt per class. In the last layer each class's
// prompt looks at the image with several attention heads, and one score vector,
// the same for all classes, reads the prompt's output. A class can therefore
// only win by where its prompt looks, and the attention maps of a class's heads
// are its traits.
//
//	backbone, err := vit.Load("vit.safetensors", config)
//	model, err := promptcam.New(backbone, promptcam.Config{Mode: promptcam.Deep, Classes: 200, Agnostic: 10}, rng)
//	for epoch, err := range promptcam.Train(ctx, model, loader, trainConfig) { ... }
//	explanation, err := model.Explain(photo, transform)
//	ranking := explanation.Rank(explanation.Predicted(), promptcam.BlurPatches)
//	heat := explanation.Heat(ranking.Class, ranking.Heads[0].Head)
//
// What enters the block that Layer names depends on nothing that is learned. Train and
// Evaluate take batches of such tokens in place of images: computed once, they leave to
// each step no more than the layers that class prompts are in.
//
// # What differs from the authors' code
//
// Nothing is prepended to the tokens or cut off again: class prompts are rows
// of their own, and class-agnostic prompts only keys and values. Scores,
// gradients and attention are the same, in about half the work. Heads are
// ranked without further forward passes.
//
// The paper's mode is Deep; Shallow and FromLayer carry class prompts through
// several layers; Last is ours: no prompts but the class prompts of the last
// layer. The number of class-agnostic prompts need not be the number of
// classes.
//
// Each backbone keeps the normalisation it was trained with; the authors' 0.5
// for all is kept for their own checkpoints. Maps are drawn in true colours and
// on an absolute scale, and Share tells how much of a head's attention is on
// the image at all.
//
// Several optional settings bring accuracy closer to that of a linear classifier, and the maps closer to
// the traits. Config.Rank lets the last block change a little, for all classes alike (LoRA);
// Config.PatchDropout hides patches in training. Of TrainConfig, Distill learns from a teacher's scores,
// too; CutMix trains on images with patches of two; Binary asks each class's score to recognise the class
// by itself; Hard shows the classes more often that are confused (hard-example sampling); EMA evaluates an
// average of the parameters. A class's score still comes from its own prompt's output alone, through the
// vector that all share, and what the prompt reads is what the map shows. All are off by default. Extend
// adds a class to a trained model.
//
// Where it is known what is where in an image, maps can be measured: a heat.View makes heat.Regions of masks,
// points and boxes; Sight and ScoreTraits tell how much of each head's attention falls on
// them and whether its hottest patch does, beside the backbone's own class token; Swap tells what a
// trait that is exchanged does to the scores. All with intervals.
//
// Reading order: model.go, then vit/block.go; lora.go, explain.go and rank.go; batches.go,
// train.go, loss.go, mix.go, hard.go, evaluate.go and extend.go; sighting.go, traits.go and swap.go measure.
// Package vit/heat has the maps, and package figure draws them.
package promptcam
