package run

import (
	"fmt"
	"time"

	"github.com/promptcam/promptcam/nn/fit"
)

// Observer hears how work goes on, one call at a time. Functions that are nil are not called.
type Observer struct {
	Line     func(kind LineKind, text string)
	Progress func(Progress)
}

// LineKind says what a line is.
type LineKind int

const (
	Note    LineKind = iota // how things go
	Outcome                 // what a quiet program prints as well
	Warning
)

// Progress says how far a job has come. Jobs have parts, such as the epochs of a training.
type Progress struct {
	Part        string // such as "epoch 3/10"
	Done, Total int    // images of the part
	Remark      string // such as the loss so far; may be empty

	Began             time.Time // when the job did
	JobDone, JobTotal int       // images of the job
}

// Rate returns the images done in a second.
func (p Progress) Rate() float64 { return float64(p.JobDone) / time.Since(p.Began).Seconds() }

// Left estimates how long the rest of the job takes.
func (p Progress) Left() time.Duration {
	return time.Duration(float64(p.JobTotal-p.JobDone) / p.Rate() * float64(time.Second))
}

func (o Observer) say(kind LineKind, format string, a ...any) {
	if o.Line != nil {
		o.Line(kind, fmt.Sprintf(format, a...))
	}
}

// A meter reports that done of total images of a part of a job are done. Parts come one after the other.
type meter func(part string, done, total int, remark string)

// meter returns a meter of a job of so many images.
func (o Observer) meter(images int) meter {
	began, before := time.Now(), 0
	return func(part string, done, total int, remark string) {
		if o.Progress != nil {
			o.Progress(Progress{part, done, total, remark, began, before + done, images})
		}
		if done == total {
			before += total
		}
	}
}

// count returns a function that reports how many images of a job of one part are done.
func (o Observer) count(part string, images int) func(done int) {
	m := o.meter(images)
	return func(done int) { m(part, done, images, "") }
}

// step reports a step of a training.
func (m meter) step(s fit.Step) {
	m(fmt.Sprintf("epoch %d/%d", s.Epoch, s.Epochs), s.Done, s.Images, fmt.Sprintf("loss %.3f  accuracy %.1f %%", s.Loss, 100*s.Accuracy))
}
