// Package features caches the output of frozen layers.
//
// The layers below the first trained one give the same tokens for an image in every epoch. A Cache is a file
// of these tokens: computed once, read by every epoch of every training that starts from the same layer.
//
//	s := features.Source{Backbone: b.SHA256, Arch: b.Config, Layer: 11, Plain: plain, Augmented: drawn, Seed: 1}
//	c, err := features.Open("birds.safetensors", s, features.Records(4, train))
//	bad, err := c.Fill(ctx, set.FS, b, features.FillConfig{})
//	l, err := c.Loader(train, features.LoaderConfig{Views: 4, Batch: 32, Shuffle: true, Seed: 1})
//	for batch, err := range l.Epoch(ctx, data.Plan{}) { ... } // batch.Values is [B, R, D]
//
// # Views
//
// View 0 of a photograph is transformed by Source.Plain, and view 1 is its mirror image. Views 2, 4, ... are
// transformed by Source.Augmented with random numbers that depend on the seed, the photograph's path and the
// view, so that a record's bits do not depend on the others; views 3, 5, ... are the mirror images of 2, 4,
// .... Fill decodes a photograph once for all its views. An epoch sees one view of each image; under a Plan
// with Weights a different one each time it picks the image, until all were seen.
//
// # Disk and memory
//
// A record is R tokens of D numbers, R = 1 + registers + patches, of two bytes each (F16)
// or four (F32), and 36 bytes of checksums. At 224 pixels and 16 x 16 patches in F16:
//
//	ViT-Ti   75.7 KB    a million records   76 GB
//	ViT-S   151.3 KB                       151 GB
//	ViT-B   302.6 KB                       303 GB
//
// A million photographs at ViT-S with their mirror images take 303 GB, in F32 twice that. Memory holds a few
// batches and, for each photograph, its path and about 300 bytes, 600 with eight views.
//
// # The file
//
// The file is in the safetensors format, for other tools to read:
//
//	tokens   F16 or F32  [N, R, D]
//	sha256   U8          [N, 32]   of the photograph's file; zero until the record is made
//	crc32c   I32         [N]       Castagnoli's CRC of the 32 bytes of sha256, then of the tokens
//	records  U8                    for each photograph its views, as 0,1,2, a space, its path and a zero byte;
//	                           padded with zeros to a multiple of 8 bytes
//
// Records are numbered in the order of that list. Metadata "source" is the Source as JSON, and
// "crc32c" the checksum of source and list. The file is created whole and filled in place,
// each record's tokens before its checksum: a torn record does not match its checksum, and
// Fill makes it again. Every read checks too, because a disk may fail later.
//
// Bugs in the caller panic; faults of files and settings are errors that name them.
package features
