// Package probe has the usual baselines on a frozen vision transformer: a linear probe, the nearest class
// mean and the k nearest neighbours, on the class token's features. They explain nothing; they show what an
// explanation costs. The linear probe also serves as a teacher, and the neighbours, which learn nothing,
// measure the features themselves.
//
//	features := probe.Features(backbone, 0, backbone.Embed(images)) // [B, D]
//	linear, err := probe.FitLinear(ctx, train, labels, classes, probe.DefaultPenalty)
//	means, err := probe.FitMeans(train, labels, classes)
//	top1, top5 := probe.Accuracy(linear.Scores(test), testLabels)
//
// Several views of an image are just more rows. Fitting draws no random numbers, and gives the same bits at
// any GOMAXPROCS.
//
// Reading order: features.go; linear.go, objective.go and lbfgs.go; means.go; knn.go.
package probe
