package run

import (
	"context"
	"fmt"
	"math"
	"strings"

	"github.com/promptcam/promptcam/promptcam"
	"github.com/promptcam/promptcam/vit/heat"
)

// calibrate makes prediction sets by the images held out for them or, without those, by those that chose the best
// epoch: one of so few epochs, by their top-1, that the sets are hardly smaller for it. Images that were trained on
// would give sets that are too small.
func (t *training) calibrate(ctx context.Context) error {
	held, least := t.parts.calibration, promptcam.LeastCalibration(t.Coverage)
	if len(held) == 0 {
		held = t.parts.val
	}
	switch {
	case len(held) == 0:
		t.Observer.say(Note, "no prediction sets, since no images were held out from training: --calibrate 0.1 holds out a tenth for them")
		return nil
	case len(held) < least:
		t.Observer.say(Note, "no prediction sets: at %.4g %% they need at least %d images that were held out from training, and there are %d", 100*t.Coverage, least, len(held))
		return nil
	}
	l, err := t.images.asTheyAre(held)
	if err != nil {
		return err
	}
	e, err := t.Model.Evaluate(ctx, l, t.Observer.count("calibration", len(held)))
	if err != nil {
		return err
	}
	t.Model.Conformal, err = promptcam.Calibrate(e.Predictions, t.Coverage)
	return err
}

// conformalMetrics is how prediction sets do on the test images.
type conformalMetrics struct {
	Level    float64  `json:"level"`    // in percent, as Coverage
	Coverage interval `json:"coverage"` // sets with the true class
	Size     float64  `json:"mean_size"`
	Single   float64  `json:"single"`      // sets of one class, in percent
	Images   int      `json:"calibration"` // images that the sets were calibrated on
}

// conformal measures the prediction sets; nil if the model has none.
func (r *results) conformal() *conformalMetrics {
	c := r.Model.Conformal
	if c == nil {
		return nil
	}
	var covered, classes, single float64
	for _, p := range r.Test.Predictions {
		set := c.Set(p.Scores)
		classes += float64(len(set))
		if len(set) == 1 {
			single++
		}
		for _, class := range set {
			if class == p.Class {
				covered++
			}
		}
	}
	n := len(r.Test.Predictions)
	return &conformalMetrics{math.Round(1e10*c.Level) / 1e8, percents(heat.Wilson(covered/float64(n), n)), classes / float64(n), 100 * single / float64(n), c.Images}
}

// String says in words how the sets do.
func (c *conformalMetrics) String() string {
	return fmt.Sprintf("prediction sets at %.4g %%: of %.2f classes in the mean, one class for %.1f %% of the images; %.1f %% (%.1f to %.1f %%) have the true class; calibrated on %d images",
		c.Level, c.Size, c.Single, c.Coverage.Mean, c.Coverage.Low, c.Coverage.High, c.Images)
}

// doubtMetrics is how many test images are doubtful, and how many of these and of the others are predicted rightly, in
// percent: of those whose predicted class the model can doubt.
type doubtMetrics struct {
	Images interval `json:"images"`
	Top1   float64  `json:"top1"`
	Others float64  `json:"others_top1"`

	all bool // these are all test images
}

// doubtful sums up the doubts; nil if the model can have none of any image.
func (r *results) doubtful() *doubtMetrics {
	if r.doubts == nil {
		return nil
	}
	var n, right [2]float64 // of the others, and of those
	for _, p := range r.Test.Predictions {
		if !r.Model.Reference.DoubtsOf(p.Predicted) {
			continue
		}
		i := 0
		if r.doubts[p.Index] != "" {
			i = 1
		}
		if n[i]++; p.Predicted == p.Class {
			right[i]++
		}
	}
	all := n[0] + n[1]
	if all == 0 {
		return nil
	}
	return &doubtMetrics{
		percents(heat.Wilson(n[1]/all, int(all))), 100 * right[1] / max(n[1], 1), 100 * right[0] / max(n[0], 1), int(all) == len(r.Test.Predictions),
	}
}

// String says in words how many images are doubtful.
func (d *doubtMetrics) String() string {
	of := "the test images"
	if !d.all {
		of = fmt.Sprintf("the %d test images that are predicted as a class with 19 or more images to learn from", d.Images.Images)
	}
	if d.Images.Mean == 0 {
		return "each of " + of + " shows a trait that tells the predicted class from its look-alike"
	}
	return fmt.Sprintf("%.1f %% (%.1f to %.1f %%) of %s show no trait that tells the predicted class from its look-alike: %.1f %% of these are right, of the others %.1f %%",
		d.Images.Mean, d.Images.Low, d.Images.High, of, d.Top1, d.Others)
}

// namesOf returns the classes of a set by name.
func namesOf(set []int, classes []string) []string {
	var names []string
	for _, c := range set {
		names = append(names, classes[c])
	}
	return names
}

// listed writes the names of a prediction set's classes as a cell of a table.
func listed(names []string) string { return strings.Join(names, "; ") }
