package store

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// mapped is how much of the address space a file is mapped to.
func mapped(t *testing.T, path string) (size int64) {
	t.Helper()
	file, err := os.Open("/proc/self/maps")
	require.NoError(t, err)
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if strings.HasSuffix(lines.Text(), path) {
			var from, to int64
			_, err := fmt.Sscanf(lines.Text(), "%x-%x", &from, &to)
			require.NoError(t, err)
			size += to - from
		}
	}
	return size
}

// However large a file is, it can grow while it is being copied.
func TestTheMappingHasRoom(t *testing.T) {
	table, _, _, _, _ := newThings()
	path := filepath.Join(t.TempDir(), "state")
	db, err := Open(path, Schema{table}, Options{NoSync: true})
	require.NoError(t, err)
	require.NoError(t, db.Close())
	const large = 3 << 30
	require.NoError(t, os.Truncate(path, large)) // takes no room on the disk
	db, err = Open(path, Schema{table}, Options{NoSync: true})
	require.NoError(t, err)
	require.GreaterOrEqual(t, mapped(t, path), int64(large+mmapRoom))
	require.NoError(t, db.Close())
}
