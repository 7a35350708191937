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
// way, from the paper down to the multiply.
var imports = map[string][]string{
	"tensor/internal/parallel": {},
	"tensor/internal/kernel":   {},
	"tensor":                   {"tensor/internal/kernel", "tensor/internal/parallel"},
	"tensor/tensortest":        {"tensor"},
	"tensor/checkpoint":        {"tensor"},
	"autograd":                 {"tensor"},
	"autograd/gradcheck":       {"tensor", "autograd"},
	"nn":                       {"tensor", "autograd"},
	"nn/optim":                 {"tensor", "autograd", "nn"},
	"vit":                      {"tensor", "tensor/checkpoint", "autograd", "nn"},
	"vit/pretrained":           {"tensor/checkpoint", "vit"},
	"data":                     {"tensor"},
	"data/birds":               {"data"},
	"data/download":            {},
	"vit/heat":                 {"data"},
	"promptcam/figure":         {"promptcam", "tensor/checkpoint", "vit/heat"},
	"promptcam/measure":        {"promptcam", "vit/heat", "tensor", "autograd", "data", "data/birds"},
	"promptcam":                {"vit/heat", "tensor", "tensor/checkpoint", "autograd", "nn", "nn/optim", "vit", "data"},
	"vit/features":             {"tensor", "tensor/checkpoint", "autograd", "vit", "data"},
	"vit/probe":                {"tensor", "autograd", "vit"},
	"examples/cub":             {"vit/heat", "promptcam/measure", "promptcam/figure", "tensor", "tensor/checkpoint", "nn", "vit", "data", "data/birds", "data/download", "promptcam", "autograd", "vit/features", "vit/probe", "vit/pretrained"},
	"examples/pretrain":        {"tensor", "tensor/checkpoint", "autograd", "nn", "nn/optim", "vit", "data", "data/birds"},
	"bench":                    {},
}

// heavy are modules that a user of the library should not have to build.
var heavy = []string{"gonum.org/v1/plot", "golang.org/x/term"}

func TestImportsGoOneWay(t *testing.T) {
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports", "../...")
	out, err := cmd.Output()
	var failed *exec.ExitError
	if errors.As(err, &failed) {
		t.Fatalf("%s", failed.Stderr)
	}
	require.NoError(t, err)
	seen := map[string]bool{}
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
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
		allowed, known := imports[name]
		if !assert.True(t, known, "package %s has no row in the table", name) {
			continue
		}
		seen[name] = true
		for _, i := range p.Imports {
			if ours, ok := strings.CutPrefix(i, module); ok {
				assert.True(t, slices.Contains(allowed, ours), "%s imports %s", name, ours)
			} else if !strings.HasPrefix(name, "examples/") {
				for _, h := range heavy {
					assert.False(t, strings.HasPrefix(i, h), "%s imports %s", name, i)
				}
			}
			assert.NotEqual(t, "C", i, "%s uses cgo", name)
		}
	}
	for name := range imports {
		assert.True(t, seen[name], "the table has package %s, which is gone", name)
	}
}
