// Package birds draws birds: a data set for fine-grained recognition with the place of every trait known to
// the pixel.
//
// A bird is its Traits: one value of each Kind, such as the colour of the crown or the ring around the eye.
// An image is a bird in a Scene, drawn from a seed: pose, light, landscape, the branch, the leaf in front. It
// comes with masks of the bird's parts and of the places of its traits. Exchanging a trait in the same scene
// changes the image in that trait's place alone.
//
//	all := birds.AllSpecies()
//	image := birds.Draw(all[1].Traits, birds.NewScene(7), 128)
//	where := image.Places[birds.EyeRing]
//	without := birds.Draw(all[1].Traits.Without(birds.EyeRing), birds.NewScene(7), 128)
//	endless := birds.Draw(birds.Random(rng), birds.NewScene(rng.Uint64()), 128)
//
// AllSpecies is a taxonomy: species of one genus share all but one or two traits, genera of one family share
// build and, except one species, bill. For each small kind of trait two species differ in it alone:
// Traits.Diff.
//
// The same arguments give the same bits on every platform.
//
// # Folders
//
// Write draws a set as a folder in the layout of CUB-200-2011 (Wah et al., "The Caltech-UCSD Birds-200-2011
// Dataset", CNS-TR-2011-001), which data.Open reads:
//
//	images/001.Plain_Leafling/Plain_Leafling_0001.png
//	images.txt              image, path below images/
//	classes.txt             class, name
//	image_class_labels.txt  image, class
//	train_test_split.txt    image, 1 for training or 0 for test
//	bounding_boxes.txt      image, x, y, width, height of the visible bird, in pixels
//	parts/parts.txt         part, name: the Parts, then the places of the Kinds
//	parts/part_locs.txt     image, part, x, y, 1 if visible
//	attributes/attributes.txt              attribute, has_KIND::VALUE
//	attributes/certainties.txt             certainty, name
//	attributes/image_attribute_labels.txt  image, attribute, 1 if present, certainty, seconds (0)
//	attributes/class_attribute_labels_continuous.txt  a line a class: per cent of each attribute
//
// All numbers count from 1. In CUB attributes.txt is beside the folder. Further files:
//
//	masks/parts/CLASS/IMAGE   8-bit grey, [parts * size, size]: the masks of Image.Parts below one another
//	masks/places/CLASS/IMAGE  8-bit grey, [kinds * size, size]: those of Image.Places
//	scenes.txt                image, the seed of its scene
//	taxonomy.csv              class, name, genus, family
//	differences.csv           two classes, a kind of trait in which they differ, the value of each
//
// Reading order: traits.go, species.go, scene.go; image.go, bird.go, canvas.go, raster.go; cub.go; flock.go.
package birds
