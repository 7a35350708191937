package knob_test

import (
	"errors"
	"flag"
	"math"
	"strings"
	"testing"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/promptcam/promptcam/nn/fit/knob"
)

var _ pflag.Value = (*knob.Knob)(nil)
var _ flag.Getter = (*knob.Knob)(nil)

// mode reads and writes itself as text.
type mode int

func (m mode) MarshalText() ([]byte, error) { return []byte([]string{"deep", "last"}[m]), nil }
func (m *mode) UnmarshalText(text []byte) error {
	switch string(text) {
	case "deep", "last":
		*m = mode(strings.Index("deep last", string(text)) / 5)
		return nil
	}
	return errors.New("want deep or last")
}

// list is a flag.Value.
type list []string

func (l *list) String() string     { return strings.Join(*l, ",") }
func (l *list) Set(s string) error { *l = strings.Split(s, ","); return nil }

type cutMix struct {
	Share float64 `knob:"mix" default:"0.7" range:"[0,1]" help:"share of steps"`
	Until float32 `knob:"mix-until" range:"[0,1)"`
}

type base struct {
	Mode mode `knob:"mode" group:"Model" default:"last" help:"where prompts are"`
}

type recipe struct {
	base
	LR      float64 `knob:"lr" json:"rate" group:"Training" default:"0.003" range:"(0,1]" arg:"rate" help:"highest learning rate"`
	Mix     cutMix
	Seed    int64  `knob:"seed" default:"1"`
	Size    uint8  `knob:"size" default:"12"`
	Optim   string `knob:"optimizer" default:"sgd" choices:"sgd adamw muon"`
	Long    bool   `knob:"long"`
	Classes list   `knob:"classes" json:"-"`
	Other   float64
	hidden  struct{ x int }
}

func defaults() *recipe {
	r := &recipe{Other: 5}
	knob.Defaults(r)
	return r
}

func TestWalk(t *testing.T) {
	var flags, names, groups, values []string
	for k := range knob.Walk(defaults()) {
		flags, names, groups, values = append(flags, k.Flag), append(names, k.JSON), append(groups, k.Group), append(values, k.String())
	}
	assert.Equal(t, []string{"mode", "lr", "mix", "mix-until", "seed", "size", "optimizer", "long", "classes"}, flags)
	assert.Equal(t, []string{"mode", "rate", "mix", "mix-until", "seed", "size", "optimizer", "long", ""}, names)
	assert.Equal(t, []string{"Model", "Training", "Training", "Training", "Training", "Training", "Training", "Training", "Training"}, groups)
	assert.Equal(t, []string{"last", "0.003", "0.7", "0", "1", "12", "sgd", "false", ""}, values)
	for range knob.Walk(defaults()) {
		break
	}
}

// parse parses flags into a recipe with defaults.
func parse(args ...string) (*recipe, error) {
	r := defaults()
	fs := flag.NewFlagSet("", flag.ContinueOnError)
	fs.SetOutput(&strings.Builder{})
	for k := range knob.Walk(r) {
		fs.Var(k, k.Flag, k.Help)
	}
	return r, fs.Parse(args)
}

func TestFlagsSetFields(t *testing.T) {
	r, err := parse("-mode", "deep", "-lr", "1e-2", "-mix", "0.5", "--mix-until=0.1", "-seed", "-3", "-size", "200", "-optimizer", "muon", "-long", "-classes", "a,b")
	require.NoError(t, err)
	assert.Equal(t, &recipe{base: base{0}, LR: 0.01, Mix: cutMix{0.5, 0.1}, Seed: -3, Size: 200, Optim: "muon", Long: true, Classes: list{"a", "b"}, Other: 5}, r)
	for want, args := range map[string][]string{
		"flag -lr: want a number":          {"-lr", "fast"},
		"flag -seed: want a whole number":  {"-seed", "1.5"},
		"flag -size: want a whole number":  {"-size", "256"},
		"flag -mode: want deep or last":    {"-mode", "none"},
		"want true or false":               {"--long=perhaps"},
		"flag -mix-until: want a number":   {"-mix-until", "1e99"},
		"flag provided but not defined: -": {"-other", "1"},
	} {
		_, err := parse(args...)
		assert.ErrorContains(t, err, want)
	}
}

func TestCheck(t *testing.T) {
	assert.NoError(t, knob.Check(defaults()))
	for want, change := range map[string]func(r *recipe){
		"--lr is 0, want more than 0 and at most 1":                 func(r *recipe) { r.LR = 0 },
		"--lr is 1.5, want more than 0 and at most 1":               func(r *recipe) { r.LR = 1.5 },
		"--mix is -0.1, want at least 0 and at most 1":              func(r *recipe) { r.Mix.Share = -0.1 },
		"--mix-until is 1, want at least 0 and less than 1":         func(r *recipe) { r.Mix.Until = 1 },
		"--mix is NaN, want a finite number":                        func(r *recipe) { r.Mix.Share = math.NaN() },
		"--lr is 1e-320, want 0 or a number that is not so near":    func(r *recipe) { r.LR = 1e-320 },
		"--mix is 1e-46, want 0 or a number that is not so near":    func(r *recipe) { r.Mix.Share = 1e-46 },
		"--lr is -Inf, want a finite number":                        func(r *recipe) { r.LR = math.Inf(-1) },
		`--optimizer is "lion", want sgd, adamw or muon`:            func(r *recipe) { r.Optim = "lion" },
		"--lr is 2, want more than 0 and at most 1\n--mix is 2, wa": func(r *recipe) { r.LR, r.Mix.Share = 2, 2 },
	} {
		r := defaults()
		change(r)
		assert.ErrorContains(t, knob.Check(r), want)
	}
}

func TestJSON(t *testing.T) {
	r, err := parse("-classes", "a", "-long", "-mix-until", "0.25")
	require.NoError(t, err)
	text, err := knob.Marshal(r)
	require.NoError(t, err)
	assert.Equal(t, `{"mode":"last","rate":0.003,"mix":0.7,"mix-until":0.25,"seed":1,"size":12,"optimizer":"sgd","long":true}`, string(text))
	again := &recipe{Other: 5, Classes: list{"a"}}
	require.NoError(t, knob.Unmarshal(text, again))
	assert.Equal(t, r, again)

	older := defaults()
	require.NoError(t, knob.Unmarshal([]byte(`{"rate":0.5}`), older))
	assert.Equal(t, 0.5, older.LR)
	assert.Equal(t, 0.7, older.Mix.Share, "a knob that the text lacks")
	assert.ErrorContains(t, knob.Unmarshal([]byte(`{"rate":1,"b":1,"a":1}`), older), "unknown settings: a, b")
	assert.ErrorContains(t, knob.Unmarshal([]byte(`{"rate":"x"}`), older), "rate")
	assert.Error(t, knob.Unmarshal([]byte(`[]`), older))
}

func TestDiffer(t *testing.T) {
	a, b := defaults(), defaults()
	assert.Empty(t, knob.Differ(a, b))
	b.LR, b.Mode, b.Mix.Until, b.Classes, b.Other = 0.01, 0, 0.5, list{"x"}, 6
	assert.Equal(t, []string{"--mode was last, now deep", "--lr was 0.003, now 0.01", "--mix-until was 0, now 0.5"}, knob.Differ(a, b))
}

func TestUsage(t *testing.T) {
	var out strings.Builder
	require.NoError(t, knob.Usage(&out, knob.Walk(defaults())))
	for _, want := range []string{
		"Model:\n  --mode value            where prompts are (default last)\n\nTraining:\n",
		"  --lr rate               highest learning rate (default 0.003)\n",
		"\n  --mix-until float\n", "\n  --size int              (default 12)\n", "\n  --long\n", "\n  --classes value\n",
	} {
		assert.Contains(t, out.String(), want)
	}
	for line := range strings.Lines(out.String()) {
		assert.LessOrEqual(t, len(line), 101)
	}
}

// A wrong tag is a bug.
func TestWrongTags(t *testing.T) {
	assert.Panics(t, func() {
		knob.Defaults(&struct {
			N int `knob:"n" default:"x"`
		}{})
	})
	assert.Panics(t, func() {
		_ = knob.Check(&struct {
			N int `knob:"n" range:"0-1"`
		}{})
	})
	assert.Panics(t, func() {
		_ = knob.Check(&struct {
			N int `knob:"n" range:"[a,1]"`
		}{})
	})
	assert.Panics(t, func() {
		knob.Defaults(&struct {
			N []int `knob:"n" default:"1"`
		}{})
	})
	assert.Panics(t, func() {
		knob.Defaults(&struct {
			n int `knob:"n" default:"1"`
		}{})
	})
}

// Help has the width that is asked for, down to the longest of its words.
func TestUsageIn(t *testing.T) {
	settings := defaults()
	var wide strings.Builder
	require.NoError(t, knob.UsageIn(&wide, knob.Walk(settings), 1000))
	for width := 45; width <= 130; width++ {
		var out strings.Builder
		require.NoError(t, knob.UsageIn(&out, knob.Walk(settings), width))
		assert.Equal(t, strings.Fields(wide.String()), strings.Fields(out.String()))
		for line := range strings.Lines(out.String()) {
			assert.LessOrEqual(t, len(line), width+1, line)
		}
	}
}
