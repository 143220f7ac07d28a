//go:build linux

package chaos

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/stretchr/testify/require"
)

// outcome is what was measured in the rounds of a test.
type outcome struct {
	gaps  map[string][]time.Duration // by kind of fault: the longest time without an accepted write
	calms []time.Duration            // from the last fault of a round until every node took writes
}

func newOutcome() *outcome { return &outcome{gaps: map[string][]time.Duration{}} }

// table is what was measured, as Markdown.
func (o *outcome) table(c *cluster, l *load, began time.Time) string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n%s in %s, seed %d: %d writes accepted, %d refused, %d without an answer.\n", size(c),
		time.Since(began).Truncate(time.Second), *seed, l.accepted.count(), l.refused, l.unanswered)
	fmt.Fprintf(&b, "\n| fault | times | longest pause in a group's writes, median | at most |\n|---|---|---|---|\n")
	for _, kind := range slices.Sorted(maps.Keys(o.gaps)) {
		gaps := o.gaps[kind]
		fmt.Fprintf(&b, "| %s | %d | %s | %s |\n", kind, len(gaps), seconds(median(gaps)), seconds(slices.Max(gaps)))
	}
	fmt.Fprintf(&b, "| all healed, until every node takes writes | %d | %s | %s |\n", len(o.calms), seconds(median(o.calms)), seconds(slices.Max(o.calms)))
	return b.String()
}

func size(c *cluster) string {
	if len(c.nodes) == 1 {
		return "One node"
	}
	return fmt.Sprintf("%d nodes", len(c.nodes))
}

// failoverTable is the times of failovers, as Markdown.
func failoverTable(c *cluster, took []time.Duration) string {
	what := "until the first accepted write of its group"
	if len(c.nodes) == 1 {
		what = "and start, " + what
	}
	return fmt.Sprintf("\n| %s: kill -9 of a leader %s | times | median | at least | at most |\n|---|---|---|---|---|\n| | %d | %s | %s | %s |\n",
		size(c), what, len(took), seconds(median(took)), seconds(slices.Min(took)), seconds(slices.Max(took)))
}

func median[T cmp.Ordered](all []T) (m T) {
	sorted := slices.Sorted(slices.Values(all))
	return sorted[len(sorted)/2]
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.2f s", d.Seconds()) }

// publish prints a table, and adds it to the file that is asked for.
func (c *cluster) publish(table string) {
	c.t.Log(table)
	if *figures == "" {
		return
	}
	f, err := os.OpenFile(*figures, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	require.NoError(c.t, err)
	_, err = f.WriteString(table)
	require.NoError(c.t, err)
	require.NoError(c.t, f.Close())
}
