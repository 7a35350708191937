// Package nn provides the layers of models. A layer is a struct of Params, with their names in checkpoints,
// and a Forward method that does not change the layer. A model is a struct of layers:
//
//	type Model struct {
//		Norm *nn.LayerNorm `state:"norm"`
//		Head *nn.Linear    `state:"head"`
//	}
//
// [Params] lists all Params of such a struct by their full names, such as norm.weight; [Load] fills them from a
// [Source], such as a checkpoint. New layers are zeros: see [KaimingUniform].
//
// Reading order: linear.go, module.go, layers.go.
package nn
