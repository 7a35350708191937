// Package birds draws birds whose traits are known to the pixel: a data set for
// fine-grained recognition that tells where the answer is.
//
// A bird is its Traits: one value of each Kind, such as the colour of the crown or the
// ring around the eye. An image is a bird in a Scene, which a seed makes: pose, light,
// landscape, the branch, the leaf in front. With the image come masks of the bird's
// parts and of the places of its traits. In the same scene any trait can be exchanged: such a
// pair of images differs nowhere but in that trait's place.
//
//	all := birds.AllSpecies()
//	image := birds.Draw(all[1].Traits, birds.NewScene(7), 128)
//	where := image.Places[birds.EyeRing]
//	without := birds.Draw(all[1].Traits.Without(birds.EyeRing), birds.NewScene(7), 128)
//	endless := birds.Draw(birds.Random(rng), birds.NewScene(rng.Uint64()), 128)
//
// AllSpecies is a taxonomy: species of one genus share all but one or two traits,
// genera of one family share build and, but for one species, bill. Each small kind of trait is all that tells
// some two species apart; Distinguish says which do.
//
// The same arguments give the same bits on every platform.
//
// # Folders
//
// Write draws a set as a folder in the layout of CUB-200-2011 (Wah et al., "The
// Caltech-UCSD Birds-200-2011 Dataset", CNS-TR-2011-001), which data.Open reads:
//
//	images/001.Plain_Leafling/Plain_Leafling_0001.png
//	images.txt              image, path below images/
//	classes.txt             class, name
//	image_class_labels.txt  image, class
//	train_test_split.txt    image, 1 for training or 0 for test
//	bounding_boxes.txt      image, x, y, width, height of what is seen of the bird, in pixels
//	parts/parts.txt         part, name: the Parts, then the places of the Kinds
//	parts/part_locs.txt     image, part, x, y, 1 if visible
//	attributes/attributes.txt              attribute, has_KIND::VALUE
//	attributes/certainties.txt             certainty, name
//	attributes/image_attribute_labels.txt  image, attribute, 1 if present, certainty, seconds (0)
//	attributes/class_attribute_labels_continuous.txt  a line a class: per cent of each attribute
//
// All numbers of things count from 1. In CUB attributes.txt lies beside the folder. To these come
//
//	masks/parts/CLASS/IMAGE   8-bit grey, [parts * size, size]: the masks of Image.Parts below one another
//	masks/places/CLASS/IMAGE  8-bit grey, [kinds * size, size]: those of Image.Places
//	scenes.txt                image, the seed of its scene
//	taxonomy.csv              class, name, genus, family
//	differences.csv           two classes, kind of trait, the value of each: what tells them apart
//
// Reading order: traits.go, species.go, scene.go; image.go, bird.go, canvas.go, raster.go; cub.go; flock.go.
package birds
