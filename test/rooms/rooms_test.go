// Package rooms holds the test of who may import whom.
package rooms

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "prefectd"

// rooms are the top-level folders, with those of ours that each may import.
// docs/design.md gives the reasons.
var rooms = map[string][]string{
	"prefect": {},
	"store":   {"prefect"},
	"fsm":     {"store"},
	"ops":     {"prefect", "store"},
	"cluster": {"store", "fsm"},
	"node":    {"prefect", "store", "fsm", "ops", "cluster"},
	"httpapi": {"prefect", "ops"},
	"cmd":     {"node", "httpapi"},
	"test":    {"prefect", "store", "fsm", "ops", "cluster", "node", "httpapi", "cmd"},
}

// TestImports reads the imports of every package, its tests included. A package
// may always import from its own room.
func TestImports(t *testing.T) {
	list := exec.Command("go", "list", "-e", "-json=ImportPath,Imports,TestImports,XTestImports", module+"/...")
	out, err := list.Output()
	require.NoError(t, err)
	for decoder := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p struct {
			ImportPath                         string
			Imports, TestImports, XTestImports []string
		}
		err := decoder.Decode(&p)
		if errors.Is(err, io.EOF) {
			return
		}
		require.NoError(t, err)
		from := room(p.ImportPath)
		t.Run(p.ImportPath, func(t *testing.T) {
			allowed, known := rooms[from]
			require.True(t, known, "%s is no room of the design", from)
			for _, path := range slices.Concat(p.Imports, p.TestImports, p.XTestImports) {
				if to := room(path); to != "" && to != from {
					require.Contains(t, allowed, to, "%s may not import %s", p.ImportPath, path)
				}
			}
		})
	}
}

// room is the top-level folder of one of our packages, empty for others'.
func room(path string) string {
	rest, ours := strings.CutPrefix(path, module+"/")
	if !ours {
		return ""
	}
	name, _, _ := strings.Cut(rest, "/")
	return name
}
