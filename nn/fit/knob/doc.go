// Package knob gives a struct of settings one place: the tags of a field state its flag, its name in JSON,
// its default, its limits and its help.
//
//	type Recipe struct {
//		Epochs int     `knob:"epochs" group:"Training" default:"25" range:"[1,)" help:"passes over the images"`
//		LR     float64 `knob:"lr" default:"0.003" range:"(0,1]" arg:"rate" help:"highest learning rate"`
//		Mix    CutMix  // a struct of further knobs, such as Share with the flag mix
//		Out    string  `knob:"out" json:"-" arg:"folder" help:"where results go"`
//	}
//
// The tags are
//
//	knob     name of the flag, without dashes; a field without it is no knob, and of a struct its fields are
//	json     name in JSON, by default the flag's; "-" keeps a setting out of JSON and of Differ
//	default  what Defaults sets
//	range    an interval of numbers, such as [0,1), (0,1] or [1,)
//	choices  words of which a string must be one, such as "sgd adamw"
//	group    heading in the help; it holds for the fields below, until another
//	arg      what the flag's value is called in the help, by default its type
//	help     a line about it
//
// A knob is a number, a bool, a string or a type that is a flag.Value or reads and writes itself as text
// (encoding.TextUnmarshaler). A *Knob is both a flag.Value and a pflag.Value:
//
//	for k := range knob.Walk(&recipe) {
//		flags.Var(k, k.Flag, k.Help)
//	}
//
// A wrong tag is a bug and panics; a wrong setting is an error that names the flag.
package knob
