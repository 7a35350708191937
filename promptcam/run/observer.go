package run

import (
	"fmt"
	"time"

	"github.com/promptcam/promptcam/nn/fit"
)

// Observer hears how work goes on, one call at a time. Functions that are nil are not called.
type Observer struct {
	Line     func(kind Kind, text string)
	Progress func(Progress)
}

// Kind says what a line is.
type Kind int

const (
	Note    Kind = iota // how things go
	Outcome             // what a quiet program prints as well
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

func (o Observer) line(kind Kind, format string, a ...any) {
	if o.Line != nil {
		o.Line(kind, fmt.Sprintf(format, a...))
	}
}

func (o Observer) note(format string, a ...any)    { o.line(Note, format, a...) }
func (o Observer) outcome(format string, a ...any) { o.line(Outcome, format, a...) }
func (o Observer) warn(format string, a ...any)    { o.line(Warning, format, a...) }

// meter reports the progress of a job.
type meter struct {
	observer Observer
	began    time.Time
	all      int // images of the job
	before   int // images of the parts that are done
}

func (o Observer) meter(images int) *meter {
	return &meter{observer: o, began: time.Now(), all: images}
}

// show reports that done of total images of a part are done.
func (m *meter) show(part string, done, total int, remark string) {
	if m.observer.Progress != nil {
		m.observer.Progress(Progress{part, done, total, remark, m.began, m.before + done, m.all})
	}
}

// part returns a function that reports how many images of a part are done.
func (m *meter) part(part string, total int) func(done int) {
	return func(done int) { m.show(part, done, total, "") }
}

// step reports a step of a training.
func (m *meter) step(s fit.Step) {
	m.show(fmt.Sprintf("epoch %d/%d", s.Epoch, s.Epochs), s.Done, s.Images, fmt.Sprintf("loss %.3f  accuracy %.1f %%", s.Loss, 100*s.Accuracy))
}

// end closes a part of so many images.
func (m *meter) end(images int) { m.before += images }
