package schedules_test

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"prefectd/prefect"
	"prefectd/prefect/schedules"
)

// golden is a case that the classes of the Python server computed.
type golden struct {
	ID, Kind, Note  string
	Spec            json.RawMessage
	Start, End      string
	N               int
	Dates           []string // with the offset of the zone
	DatesUTC        []string `json:"dates_utc"`
	DatesUTC313     []string `json:"dates_utc_py313"` // what is right where Python versions differ
	ValidationError string   `json:"validation_error"`
	Raises          string   `json:"raises_after_dates"`
}

func goldens(t testing.TB) []golden {
	text, err := os.ReadFile("testdata/golden.json")
	require.NoError(t, err)
	var file struct{ Cases []golden }
	require.NoError(t, json.Unmarshal(text, &file))
	require.Len(t, file.Cases, 412)
	return file.Cases
}

func instant(t testing.TB, text string) prefect.Time {
	if text == "" {
		return 0
	}
	at, err := time.Parse(time.RFC3339Nano, text)
	require.NoError(t, err)
	return prefect.TimeOf(at)
}

func TestDatesAsTheReference(t *testing.T) {
	for _, c := range goldens(t) {
		t.Run(c.ID, func(t *testing.T) {
			s, err := schedules.Parse(prefect.JSON(c.Spec))
			if c.ValidationError != "" {
				var invalid *schedules.Invalid
				require.ErrorAs(t, err, &invalid)
				require.Contains(t, c.ValidationError, "Value error, Invalid ")
				return
			}
			require.NoError(t, err, "%s", c.Spec)
			dates, err := s.Dates(c.N, instant(t, c.Start), instant(t, c.End))
			require.Equal(t, c.Raises != "", err != nil, "%v", err)
			var utc, local []string
			for _, d := range dates {
				utc = append(utc, d.Time.String())
				local = append(local, d.RFC3339())
			}
			if c.DatesUTC313 != nil {
				require.Equal(t, slices.Sorted(slices.Values(c.DatesUTC313)), utc, "%s %s", c.Spec, c.Note)
				return
			}
			require.Equal(t, zulu(c.DatesUTC), utc, "%s %s", c.Spec, c.Note)
			require.Equal(t, zulu(c.Dates), local)
		})
	}
}

// zulu writes offsets of zero as the API does.
func zulu(texts []string) (out []string) {
	for _, text := range texts {
		if rest, ok := strings.CutSuffix(text, "+00:00"); ok {
			text = rest + "Z"
		}
		out = append(out, text)
	}
	return out
}
