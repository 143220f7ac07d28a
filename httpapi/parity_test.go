package httpapi

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// parityRow is a row of a table in docs/parity.md.
type parityRow struct{ name, status, missing string }

// readParity reads the rows below a heading of docs/parity.md whose first column
// is set as code, up to the next heading of that level.
func readParity(t *testing.T, heading string) map[string]parityRow {
	t.Helper()
	page, err := os.ReadFile("../docs/parity.md")
	require.NoError(t, err)
	_, section, found := strings.Cut(string(page), "\n## "+heading+"\n")
	require.True(t, found, heading)
	section, _, _ = strings.Cut(section, "\n## ")
	rows := map[string]parityRow{}
	for _, m := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\| ([^|]+) \\| ?([^|]*)\\|$").FindAllStringSubmatch(section, -1) {
		require.NotContains(t, rows, m[1], "twice in the table")
		rows[m[1]] = parityRow{m[1], strings.TrimSpace(m[2]), strings.TrimSpace(m[3])}
	}
	return rows
}

func (r parityRow) check(t *testing.T, built bool) {
	t.Helper()
	switch r.status {
	case "works", "partly":
		require.True(t, built, "%s is said to be there", r.name)
	case "not yet":
		require.False(t, built, "%s is said to be missing", r.name)
	default:
		require.Fail(t, "no such status", "%s: %s", r.name, r.status)
	}
	if r.status == "partly" {
		require.NotEmpty(t, r.missing, "say what %s lacks", r.name)
	}
}

// TestParityOfOperations holds docs/parity.md to the routes, and both to the
// list of what the reference publishes.
func TestParityOfOperations(t *testing.T) {
	rows := readParity(t, "Operations")
	list, err := os.ReadFile("testdata/operations.txt")
	require.NoError(t, err)
	published := strings.Split(strings.TrimSpace(string(list)), "\n")
	require.Len(t, published, 188)

	routed := map[string]bool{}
	for _, r := range routes() {
		operation := r.Method + " " + r.Path
		require.False(t, routed[operation], "%s is routed twice", operation)
		require.NotEmpty(t, r.Doc, operation)
		routed[operation] = true
		require.Contains(t, rows, operation, "docs/parity.md lacks a row")
		rows[operation].check(t, !slices.Contains(unbuilt, operation))
	}
	for _, operation := range published {
		require.True(t, routed[operation], "%s is not routed", operation)
	}
	for operation := range rows {
		if strings.Contains(operation, " ") { // others are routes that nobody publishes
			require.True(t, routed[operation], "%s has a row but no route", operation)
		}
	}
}

// TestParityOfWebsockets holds docs/parity.md to the channels.
func TestParityOfWebsockets(t *testing.T) {
	rows := readParity(t, "Websockets")
	built := map[string]bool{}
	for _, ch := range channels() {
		require.NotEmpty(t, ch.Doc, ch.Path)
		require.Contains(t, rows, ch.Path, "docs/parity.md lacks a row")
		built[ch.Path] = true
	}
	require.Len(t, rows, 5)
	for path, row := range rows {
		row.check(t, built[path])
	}
}

// TestUnbuiltOperationsAnswer501 asks for each of them.
func TestUnbuiltOperationsAnswer501(t *testing.T) {
	s := serveRoutes(t, Config{})
	for _, operation := range unbuilt {
		method, path, _ := strings.Cut(operation, " ")
		path = pathParam.ReplaceAllStringFunc(path, func(p string) string {
			if isID(strings.Trim(p, "{}")) {
				return someID
			}
			return "x"
		})
		got := s.do(method, "/api"+path, "")
		require.Equal(t, 501, got.status, operation)
		require.Equal(t, `{"detail":"`+operation+` is not implemented by this server yet"}`, got.body)
	}
}
