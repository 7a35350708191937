package tensortest

import (
	"os"
	"path/filepath"
	"testing"
)

// Shared returns the path of a file or folder, named relative to it with
// slashes, in the folder of development data: "shared", beside the folder that
// holds go.mod, which is looked for from the working folder upwards. A test
// runs in its package's folder. Where the data is absent, as it is for whoever
// only has the repository, Shared skips the test, saying what it looked for.
func Shared(t testing.TB, path string) string {
	t.Helper()
	from, err := os.Getwd()
	if err != nil {
		t.Fatalf("tensortest: Shared: %v", err)
	}
	return shared(t, from, path)
}

func shared(t testing.TB, from, path string) string {
	t.Helper()
	root := from
	for {
		if _, err := os.Stat(filepath.Join(root, "go.mod")); err == nil {
			break
		}
		up := filepath.Dir(root)
		if up == root {
			t.Skipf("no go.mod above %s, so no development data", from)
		}
		root = up
	}
	file := filepath.Join(filepath.Dir(root), "shared", filepath.FromSlash(path))
	if _, err := os.Stat(file); err != nil {
		t.Skipf("needs development data that is not here: shared/%s (%v)", path, err)
	}
	return file
}
