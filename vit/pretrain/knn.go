package pretrain

import (
	"context"
	"fmt"

	"github.com/promptcam/promptcam/data"
	"github.com/promptcam/promptcam/vit"
	"github.com/promptcam/promptcam/vit/probe"
)

// Test measures how well features find images of the same class: each image of Asked gets the class for which
// its nearest neighbours in Bank vote, see probe.KNN.
type Test struct{ Bank, Asked Labelled }

// Labelled is images of known classes, of the backbone's size.
type Labelled struct {
	Images []*data.RGB
	Labels []int
}

// OpenTest reads the images of a set for a backbone of c: its training images are the bank, and its test
// images are asked about. It uses the first `most` images of each class and split; 0: all.
func OpenTest(ctx context.Context, set *data.Set, c vit.Config, most int) (*Test, error) {
	t := &Test{}
	transform := data.EvalTransform(c.ImageSize, c.Mean, c.Std)
	for to, items := range map[*Labelled][]data.Item{&t.Bank: set.Train, &t.Asked: set.Test} {
		used := make([]int, len(set.Classes))
		for _, it := range items {
			if used[it.Class]++; most > 0 && used[it.Class] > most {
				continue
			}
			img, err := data.Limits{}.Read(ctx, set.FS, it.Path)
			if err != nil {
				return nil, err
			}
			to.Add(transform.Apply(img, nil), it.Class)
		}
	}
	if len(t.Asked.Images) == 0 {
		return nil, fmt.Errorf("%s: no test images", set.Root)
	}
	return t, nil
}

// Add adds an image of the backbone's size.
func (l *Labelled) Add(img *data.RGB, label int) {
	l.Images, l.Labels = append(l.Images, img), append(l.Labels, label)
}

// Accuracy makes the test with a backbone. It returns the share of images that get their own class, from 0 to
// 1, by the class token, and by it together with the mean of the other tokens.
func (t *Test) Accuracy(ctx context.Context, b *vit.Model) (class, patches float64, err error) {
	bank, err := probe.Pooled(ctx, b, t.Bank.Images)
	if err != nil {
		return 0, 0, err
	}
	asked, err := probe.Pooled(ctx, b, t.Asked.Images)
	if err != nil {
		return 0, 0, err
	}
	share := func(cols int) float64 {
		k := probe.NewKNN(bank.Slice(1, 0, cols), t.Bank.Labels)
		k.Temperature *= float64(cols / b.Config.Dim) // products of rows of length sqrt(2) are twice a cosine
		right := 0
		for i, class := range k.Classes(asked.Slice(1, 0, cols)) {
			if class == t.Asked.Labels[i] {
				right++
			}
		}
		return float64(right) / float64(len(t.Asked.Labels))
	}
	return share(b.Config.Dim), share(2 * b.Config.Dim), nil
}
