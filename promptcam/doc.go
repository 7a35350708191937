// Package promptcam makes a pre-trained vision transformer explain how it tells similar classes apart.
//
// Prompt-CAM (Chowdhury et al., CVPR 2025, arXiv 2501.09333) gives a frozen transformer one learned prompt
// per class. In the last block each class prompt attends to the image with several heads, and one score
// vector, shared by all classes, reads the prompt's output. The attention maps of the heads show where the
// class's prompt looks, and [Explanation.Rank] how much each matters.
//
// What ranks first is often what a whole family shares. [Explanation.Evidence] shows what tells a class from its
// look-alike: signed, exact, by head and patch, compared with what the prompts usually read in the look-alike's
// images, the model's [Reference].
//
//	model, err := promptcam.Open("model.safetensors", "vit.safetensors")
//	explanation, err := model.Explain(photo)
//	evidence := explanation.Evidence(explanation.Question())
//	heat := evidence.Map()
//
// What the heads read is added to the prompt itself, which can be enough for the prediction:
// [Explanation.Survives] says whether it is. [Explanation.Subsets] answers exactly what the ranking finds greedily:
// the fewest heads that suffice, and what each head is worth. [Explanation.LeaveOneOut] leaves out one patch at a
// time, and [Explanation.Counterfactual] finds the fewest that change the prediction. [Explanation.Doubt] says that no
// trait which tells the class from its look-alike is visible, and [Explanation.PredictionSet] which classes the
// image may show, after [Calibrate].
//
// [Train] trains a [New] model on a backbone, and [Extend] adds a class to a trained one. A model knows its
// classes and its transform; its file holds everything but the backbone, whose identity [Load] checks.
//
// The tokens that enter block [Model.Layer] depend on nothing learned. [Train], [Model.Evaluate] and
// [Model.Explanations] take such tokens in place of images, so they can be cached.
//
// # Concurrency
//
// Any number of goroutines may call the methods of one [Model] and of its [Explanation]s at once, [Model.Forward],
// [Model.Scores] and [Model.ScoresOf] each with its own tape, while nobody trains the model or sets its fields.
// [Train] changes its model, and no other; it must be the only one to use it, but for the loop that it yields
// to. [Extend] reads the old model and makes a new one.
//
// Any number of models may share a backbone, and be made, loaded, trained and used at once: the parameters of a
// loaded backbone are frozen, and nothing here writes to them; what a Config sets, such as DropPath, is the
// model's own. Only a backbone from vit.New must not be in use while [New] makes the first model on it, and
// freezes it.
//
// A service passes the request's context to [Model.ExplainContext], which ends between two blocks of the
// backbone once nobody waits for the answer. Ranking heads takes less time than one block, all subsets of 12 heads
// somewhat more than half of the backbone's. errors.Is tells [ErrWrongBackbone] and [ErrFormat] from other errors.
//
// # Differences from the authors' code
//
// Class prompts are rows of their own, not prepended to the tokens and cut off again, and class-agnostic
// prompts are only keys and values. Scores, gradients and attention are the same, in about half the work.
// Heads are ranked without further forward passes. The number of class-agnostic prompts is free.
//
// Each backbone keeps the normalisation it was trained with. The authors' code uses 0.5 for all, so their own
// checkpoints do here. Maps are drawn in true colours on an absolute scale, and [Share] says how much of a
// head's attention falls on the image at all.
//
// Options beyond the paper, off by default, raise accuracy, move maps closer to the traits and keep predictions
// from doing without them: mode [Last], LoRA and patch dropout in [Config]; distillation, CutMix, binary
// cross-entropy, needed maps, hard-example sampling and EMA in [TrainConfig]. With each, a class's score still
// comes only from its own prompt's output through the shared vector, and the map still shows what the prompt
// attends to.
//
// Package measure scores the maps, package figure draws them, and package vit/heat holds them.
//
// Reading order: model.go, then vit/block.go; lora.go, explain.go, reference.go, evidence.go, leaveout.go,
// counterfactual.go; blur.go, rank.go, subsets.go, shapley.go, removal.go; conformal.go, doubt.go; save.go; train.go, loss.go, needed.go,
// mix.go, hard.go, evaluate.go and extend.go.
package promptcam
