package bench

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const module = "github.com/promptcam/promptcam/"

// imports says which packages of ours each package may use. Imports go one
// way, from the paper down to the multiply. Two that compute write files too: nn/fit its checkpoints, and
// promptcam/figure pages and pictures, whole or not at all; both by tensor/checkpoint, and that by tensor/machine,
// which needs none of ours.
const imports = `
tensor/machine:
tensor/internal/parallel:
tensor/internal/kernel:
tensor: tensor/internal/kernel tensor/internal/parallel
tensor/tensortest: tensor
tensor/checkpoint: tensor tensor/machine
autograd: tensor
autograd/gradcheck: tensor autograd
nn: tensor autograd
nn/optim: tensor autograd nn
nn/fit/knob:
nn/fit: tensor tensor/checkpoint nn nn/optim
vit: tensor tensor/checkpoint autograd nn
vit/pretrained: tensor/checkpoint vit
data/internal/jpeg:
data/internal/tiff:
data: tensor data/internal/jpeg data/internal/tiff
data/birds: data tensor/machine
data/datatest:
data/download: tensor/machine
vit/heat: tensor data
promptcam/figure: promptcam tensor/checkpoint vit/heat data
promptcam/figure/curves:
promptcam: nn/fit vit/heat tensor tensor/checkpoint autograd nn nn/optim vit data
vit/features: tensor tensor/checkpoint autograd vit data
vit/probe: tensor autograd vit data
vit/pretrain: tensor tensor/checkpoint autograd nn nn/optim nn/fit nn/fit/knob vit vit/probe data tensor/machine
promptcam/measure: promptcam vit/heat tensor data
promptcam/measure/drawn: promptcam/measure data data/birds
promptcam/run: promptcam promptcam/figure promptcam/figure/curves promptcam/measure promptcam/measure/drawn vit vit/features vit/heat vit/probe nn nn/fit nn/fit/knob nn/optim autograd tensor tensor/checkpoint data data/birds tensor/machine
examples/cub: promptcam/run promptcam vit vit/pretrained nn/fit/knob tensor/checkpoint data data/birds data/download tensor/machine examples/internal/console
examples/internal/console: data
examples/pretrain: examples/internal/console promptcam/figure/curves tensor/checkpoint nn nn/fit nn/fit/knob vit/pretrain data data/birds tensor/machine
bench:
`

// heavy are packages that few users want to build, and the only packages of ours that may
// import them; the examples may too.
var heavy = map[string][]string{
	"gonum.org/v1/plot":       {"promptcam/figure/curves"},
	"golang.org/x/image/font": {"promptcam/figure"},
	"golang.org/x/term":       {},
}

func TestImportsGoOneWay(t *testing.T) {
	table := map[string][]string{}
	for line := range strings.Lines(strings.TrimSpace(imports)) {
		name, allowed, _ := strings.Cut(line, ":")
		table[name] = strings.Fields(allowed)
	}
	out := goList(t, "-json=ImportPath,Imports", "../...")
	seen := map[string]bool{}
	for d := json.NewDecoder(strings.NewReader(out)); ; {
		var p struct {
			ImportPath string
			Imports    []string
		}
		if err := d.Decode(&p); err == io.EOF {
			break
		} else {
			require.NoError(t, err)
		}
		name := strings.TrimPrefix(p.ImportPath, module)
		allowed, known := table[name]
		if !assert.True(t, known, "package %s has no row in the table", name) {
			continue
		}
		seen[name] = true
		for _, i := range p.Imports {
			if ours, ok := strings.CutPrefix(i, module); ok {
				assert.True(t, slices.Contains(allowed, ours), "%s imports %s", name, ours)
			} else if !strings.HasPrefix(name, "examples/") {
				for h, users := range heavy {
					assert.False(t, strings.HasPrefix(i, h) && !slices.Contains(users, name), "%s imports %s", name, i)
				}
			}
			assert.NotEqual(t, "C", i, "%s uses cgo", name)
		}
	}
	for name := range table {
		assert.True(t, seen[name], "the table has package %s, which is gone", name)
	}
}

// What a package brings along, itself or by what it imports, decides what a program that uses it carries.
func TestWhatPackagesBring(t *testing.T) {
	for name, without := range map[string][]string{
		"promptcam":         {"gonum.org", "golang.org/x/image/font", "golang.org/x/image/draw", module + "promptcam/figure"},
		"promptcam/measure": {module + "data/birds", "golang.org/x/image/draw"},
		"vit/heat":          {module + "promptcam", module + "autograd", "gonum.org"},
	} {
		for _, dep := range strings.Fields(goList(t, "-deps", "../"+name)) {
			for _, heavy := range without {
				assert.False(t, dep == heavy || strings.HasPrefix(dep, heavy+"/"), "%s brings %s", name, dep)
			}
		}
	}
}

// goList returns what go list prints.
func goList(t *testing.T, args ...string) string {
	out, err := exec.Command("go", append([]string{"list"}, args...)...).Output()
	var failed *exec.ExitError
	if errors.As(err, &failed) {
		t.Fatalf("%s", failed.Stderr)
	}
	require.NoError(t, err)
	return string(out)
}
