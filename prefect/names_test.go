package prefect

import (
	"math"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRandomNames(t *testing.T) {
	slug := regexp.MustCompile(`^[a-z]+-[a-z]+$`)
	seen := map[string]bool{}
	for r := range uint64(len(adjectives) * len(animals)) {
		name := RandomName(r)
		require.Regexp(t, slug, name)
		seen[name] = true
	}
	require.Len(t, seen, len(adjectives)*len(animals), "each number has a name of its own")
	require.Greater(t, len(seen), 50_000)
	require.Regexp(t, slug, RandomName(math.MaxUint64))
}
