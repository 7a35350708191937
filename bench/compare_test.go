package bench

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTableOfRawFigures(t *testing.T) {
	if _, err := exec.LookPath("awk"); err != nil {
		t.Skip(err)
	}
	out, err := exec.Command("awk", "-f", "table.awk", filepath.Join("testdata", "raw.txt"), "rows.txt").CombinedOutput()
	require.NoError(t, err, "%s", out)
	assert.Equal(t, strings.Split(`A processor, 2026-01-02, commit 1234567, go1.25 linux/amd64. Peers: OpenBLAS 0.3.21. Medians of 3 rounds.

| work | unit | threads | ours | peer | its figure | ratio | goal | ok |
|---|---|---|---|---|---|---|---|---|
| gemm 1024x1024x1024 | GFLOP/s | 1 | 200 | OpenBLAS | 160 | 1.25 | at least 1.05 | yes |
| gemm 1024x1024x1024 | GFLOP/s | 1 | 200 | gonum | 8.00 | 25.00 |  |  |
| gemm 1024x1024x1024, AVX2 | GFLOP/s | 1 | 80.0 | AVX2's peak | 100 | 0.80 | at least 0.85 | **no** |
| vit forward ViT-S b8 | images/s | 2 | 30.0 | ours, 1 thread | 15.0 | 2.00 | at least 1.9 | yes |
| promptcam rank heads ViT-B C=200 | images/s | 2 | 4.00 | the authors' way, PyTorch | 0.0300 | 133.33 | at least 100 | yes |
| memory, deep train ViT-B C=200 b16 | peak-MB | 2 | 3100 |  |  |  | at most 3000 | **no** |
| allocations, deep train ViT-B C=200 b8 | allocs/op | 2 | 50.0 |  |  |  | at most 100 | yes |
| bytes allocated, deep train ViT-B C=200 b8 | B/op | 2 | 9000 |  |  |  | at most 100000 | yes |
`, "\n"), strings.Split(string(out), "\n"))
}
