// Package data turns folders of photographs into batches for a network.
//
// Open reads a folder in one of four layouts and numbers its classes once, over all splits. A Transform, a
// plain value, turns a photograph into the network's input; a Loader decodes, transforms and batches in
// parallel.
//
//	set, err := data.Open("CUB_200_2011", data.Options{TestShare: 0.2, Seed: 1})
//	train, held := data.Split(set.Train, 0.1, 1)
//	l, err := data.NewLoader(set.FS, train, data.LoaderConfig{
//		Transform: data.TrainTransform([2]int{224, 224}, mean, std), Batch: 16, Shuffle: true, Seed: 1,
//	})
//	for batch, err := range l.Epoch(ctx, data.Plan{}) { ... } // batch.Values is [B, 3, 224, 224]
//
// Limits bound what an image may cost, for a service that decodes uploads; IsBad tells a bad image from a
// system that cannot read it.
//
// OpenAnnotations reads parts, boxes and masks. Duplicates finds files of the same contents. OpenFS and the
// other FS forms read embedded files, archives and object stores.
//
// Everything random follows from a seed: the order of an epoch from the seed and the Plan,
// the augmentation of an image from the seed, the epoch, its index and how often the epoch
// has picked it before. The number of workers and GOMAXPROCS change no bit of the result.
//
// Pixels equal those of Pillow and torchvision, on which the published weights were trained: JPEG files decode
// to libjpeg's and the resize is Pillow's antialiased one, bit for bit; chroma of WebP is interpolated as in
// libwebp.
//
// Reading order: set.go, tree.go, folder.go, splits.go, cub.go; decode.go, limits.go, jpeg.go, png.go, resize.go,
// transform.go; sample.go, loader.go.
//
// Bugs in the caller panic; whatever a file, a folder or a setting can cause is an error that names it.
package data
