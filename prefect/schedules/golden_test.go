package schedules

import (
	"os"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"prefectd/prefect"
)

// golden is a case that was recorded with the reference.
type golden struct {
	ID         string       `json:"id"`
	Kind       string       `json:"kind"`
	Spec       prefect.JSON `json:"spec"`
	Start      string       `json:"start"`
	End        string       `json:"end"`
	N          int          `json:"n"`
	Note       string       `json:"note"`
	Dates      []string     `json:"dates"`
	UTC        []string     `json:"dates_utc"`
	Newer      []string     `json:"dates_utc_py313"`
	Validation prefect.JSON `json:"validation_error"`
	Raises     prefect.JSON `json:"raises_after_dates"`
	Error      prefect.JSON `json:"error"`
}

func goldens(t *testing.T) []golden {
	raw, err := os.ReadFile("testdata/golden.json")
	require.NoError(t, err)
	var all struct {
		Cases []golden `json:"cases"`
	}
	require.NoError(t, prefect.Unmarshal(raw, &all))
	return all.Cases
}

func instant(t *testing.T, text string) time.Time {
	if text == "" {
		return time.Time{}
	}
	at, err := time.Parse(time.RFC3339Nano, text)
	require.NoError(t, err)
	return at
}

func TestDatesAreThoseOfTheReference(t *testing.T) {
	for _, g := range goldens(t) {
		t.Run(g.ID+" "+g.Note, func(t *testing.T) {
			s, err := Parse(g.Spec)
			if !prefect.IsNull(g.Validation) {
				require.Error(t, err, string(g.Spec))
				return
			}
			require.NoError(t, err, string(g.Spec))
			dates, err := Dates(s, g.N, instant(t, g.Start), instant(t, g.End))
			if !prefect.IsNull(g.Raises) || !prefect.IsNull(g.Error) {
				require.Error(t, err, string(g.Spec))
			} else {
				require.NoError(t, err, string(g.Spec))
			}
			texts := g.UTC
			if g.Newer != nil {
				texts = g.Newer
			}
			var want []time.Time
			for _, text := range texts {
				want = append(want, instant(t, text))
			}
			slices.SortFunc(want, time.Time.Compare) // there by wall time
			for i, date := range dates {
				dates[i] = date.UTC()
			}
			require.Equal(t, want, dates, string(g.Spec)+" from "+g.Start)
		})
	}
}
