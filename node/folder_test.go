package node

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// newNode describes a node for a new folder.
func newNode() (*newcomer, error) {
	t, err := foundTrust("c1", "n1")
	return &newcomer{identity: identity{Name: "n1", ClusterID: "c1", RunGroups: 4}, trust: t}, err
}

func TestFolderKeepsItsIdentity(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a", "data")
	first, err := openFolder(path, newNode)
	require.NoError(t, err)
	require.NotEmpty(t, first.ClusterID)
	require.NoError(t, first.close())

	second, err := openFolder(path, func() (*newcomer, error) { panic("it is not new") })
	require.NoError(t, err)
	defer second.close()
	require.Equal(t, first.identity, second.identity)
	require.Equal(t, identity{Format: 1, Name: "n1", ClusterID: "c1", RunGroups: 4}, second.identity)
}

func TestFoldersThatCannotBeUsed(t *testing.T) {
	node := func(content string) func(t *testing.T, path string) {
		return func(t *testing.T, path string) {
			require.NoError(t, os.WriteFile(filepath.Join(path, nodeFile), []byte(content), 0o600))
		}
	}
	tests := []struct {
		name    string
		spoil   func(t *testing.T, path string)
		message string
	}{
		{"in use", func(t *testing.T, path string) {
			f, err := openFolder(path, newNode)
			require.NoError(t, err)
			t.Cleanup(func() { f.close() })
		}, "is in use: another prefectd runs on it"},
		{"newer", node(`{"format":2,"new":true}`), "node.json is of format 2, this prefectd knows format 1: run the version that wrote"},
		{"garbage", node("\x00\x01"), "node.json is damaged: restore the data folder from a backup"},
		{"empty", node(""), "node.json is damaged"},
		{"no name", node(`{"format":1,"run_groups":4}`), "node.json is damaged"},
		{"no groups", node(`{"format":1,"node":"n1"}`), "node.json is damaged"},
		{"lost", func(t *testing.T, path string) {
			require.NoError(t, os.MkdirAll(filepath.Join(path, "groups", "0"), 0o700))
		}, "node.json is missing beside the data of a node"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			path := t.TempDir()
			test.spoil(t, path)
			_, err := openFolder(path, newNode)
			require.ErrorContains(t, err, test.message)
			require.ErrorContains(t, err, path)
			require.NotContains(t, err.Error(), "\n")
		})
	}
	t.Run("a file", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "file")
		require.NoError(t, os.WriteFile(path, nil, 0o600))
		_, err := openFolder(path, newNode)
		require.ErrorContains(t, err, "is a file, not a folder")
	})
}
