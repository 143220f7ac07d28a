package prefect_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"prefectd/prefect"
)

func TestTextQueriesAsTheReference(t *testing.T) {
	lower := func(terms []string) (list [][]byte) {
		for _, term := range terms {
			list = append(list, []byte(strings.ToLower(term)))
		}
		return list
	}
	for _, one := range load(t).Queries {
		want := prefect.TextQuery{Include: lower(one.Include), Exclude: lower(one.Exclude), Required: lower(one.Required)}
		require.Equal(t, want, prefect.ParseTextQuery(one.Query), one.Query)
	}
}

func TestTextOfEvents(t *testing.T) {
	e := &prefect.Event{
		Event:    "Run.Started",
		Resource: prefect.Resource{"prefect.resource.id": "flow-run.1", "prefect.resource.name": "Näme One"},
		Related:  []prefect.Resource{{"prefect.resource.id": "flow.2", "prefect.resource.role": "flow"}},
		Payload:  prefect.JSON(`{"message":"caf\u00e9 50%","n":1.50}`),
	}
	for query, want := range map[string]bool{
		"started": true, "NÄME": true, `"näme one"`: true, "flow.2": true, "-flow.2": false, "café": true, `"café 50%"`: true, "50_": false,
		"+1.50 +one": true, "nothing": false, "nothing started": true, " ": true, "-nothing": true, `"one prefect"`: false, "role": true,
	} {
		f := &prefect.EventFilter{Text: &prefect.FilterQuery{Query: query}}
		require.Equal(t, want, f.Compile().Match(e, prefect.AllColumns) == prefect.Yes, query)
		require.Equal(t, want, f.CompileLive().Match(e, prefect.AllColumns) == prefect.Yes, query)
	}
}
