package vit

import "github.com/promptcam/promptcam/tensor"

// ResampleWeights returns the weights [to[0]·to[1], from[0]·from[1]] with which Load resizes
// the position embeddings of one grid of patches, rows by columns, to another: as a product
// that gradients pass through, for images of several sizes in one training run. Between equal
// grids they are the identity.
func ResampleWeights(from, to [2]int) *tensor.Tensor {
	all := tensor.New(to[0]*to[1], from[0]*from[1])
	columns := bicubicTaps(from[1], to[1])
	for y, down := range bicubicTaps(from[0], to[0]) {
		for x, across := range columns {
			for i, v := range down.weights {
				for j, w := range across.weights {
					all.Set(v*w, y*to[1]+x, (down.first+i)*from[1]+across.first+j)
				}
			}
		}
	}
	return all
}
