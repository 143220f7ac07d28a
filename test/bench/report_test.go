package main

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestNumber(t *testing.T) {
	for value, want := range map[float64]string{
		0: "0", 0.0512: "0.051", 1.234: "1.23", 12.34: "12.3", 123.4: "123", 999.6: "1,000", 1234567: "1,234,567",
	} {
		require.Equal(t, want, number(value))
	}
}

// figures makes a report in which each side was measured with some rates, and
// used 10 ms an operation on one side and 1 ms on the other.
func figures(python, prefectd []float64, err error) *report {
	r := newReport(&options{})
	r.begin("Writes")
	for _, rate := range python {
		r.add(&side{name: "python"}, figure{name: "runs", unit: "run", rate: rate, cpu: 10 * time.Millisecond}, nil)
	}
	for _, rate := range prefectd {
		r.add(&side{name: "prefectd"}, figure{name: "runs", unit: "run", rate: rate, cpu: time.Millisecond}, err)
	}
	return r
}

func TestTable(t *testing.T) {
	tests := []struct {
		name             string
		python, prefectd []float64
		err              error
		row              string
	}{
		{"median and ratios", []float64{10, 40, 20}, []float64{300, 200, 250}, nil, "| runs | run | 20.0 | 250 | **12.5** | 10.0 | 1.00 | **10.0** | – | – | 0 / 0 |"},
		{"a failure leaves no figure", []float64{10}, []float64{200, 300}, errors.New("wrong answer"), "| runs | run | 10.0 | failed | **–** | 10.0 | failed | **–** | – | – | 0 / 0 |"},
		{"one side alone", nil, []float64{200}, nil, "| runs | run | – | 200 | **–** | – | 1.00 | **–** | – | – | 0 / 0 |"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := figures(test.python, test.prefectd, test.err)
			var out strings.Builder
			r.print(&out)
			require.Contains(t, out.String(), test.row)
			require.Equal(t, test.err != nil, r.failed())
		})
	}
}

// The shares of contents are those that the data set has.
func TestContents(t *testing.T) {
	const runs = 1000
	var started, failed, events int
	for i := range runs {
		switch finalOf(i) {
		case "PENDING":
			events++
			continue
		case "RUNNING":
			events += 2
		case "FAILED":
			failed++
			events += 3
		default:
			events += 3
		}
		started++
		events += 3
	}
	c := contents{runs}
	require.Equal(t, []int{started, failed, events}, []int{c.started(), c.failed(), c.events()})
}
