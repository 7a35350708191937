package download

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cache", ".lock")
	unlock, err := Lock(t.Context(), path, func() { t.Error("nothing to wait for") })
	require.NoError(t, err)

	ctx, cancel := context.WithCancel(t.Context())
	_, err = Lock(ctx, path, cancel)
	require.ErrorIs(t, err, context.Canceled, "it is held")

	waited := false
	second, err := Lock(t.Context(), path, func() { waited = true; require.NoError(t, unlock()) })
	require.NoError(t, err)
	assert.True(t, waited)
	require.NoError(t, second())

	_, err = Lock(t.Context(), t.TempDir(), nil)
	require.Error(t, err)
}
