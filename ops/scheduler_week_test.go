package ops

import (
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"prefectd/prefect"
)

// recordedWeek is what the Python scheduler makes of many schedules in a week; see
// test/schedules/week.py.
type recordedWeek struct {
	Start     prefect.Time `json:"start"`
	End       prefect.Time `json:"end"`
	Schedules []struct {
		Schedule prefect.JSON `json:"schedule"`
		Dates    int          `json:"dates"`
		SHA256   string       `json:"sha256"`
	} `json:"schedules"`
}

// A thousand deployments for a week in which clocks change and leaders go at random: each
// date that the Python scheduler has a run for has one, made before it is due, and there
// are no others.
func TestAWeekOfSchedules(t *testing.T) {
	text, err := os.ReadFile("testdata/week.json")
	require.NoError(t, err)
	var week recordedWeek
	require.NoError(t, prefect.Unmarshal(text, &week))

	c := newTestCluster(t, 3)
	c.now = week.Start.Add(-prefect.Second / 2) // what is made before the first date takes no time
	r := &restless{c, rand.New(rand.NewPCG(20270310, 1))}
	var deployments []*prefect.Deployment
	for _, s := range week.Schedules {
		deployments = append(deployments, c.newDeployment(string(s.Schedule)))
	}
	require.Less(t, c.Now(), week.Start)
	for c.Now() < week.End {
		if err := c.scheduleRound(r); err != nil {
			require.ErrorIs(t, err, errGone)
			continue // another leader begins at once
		}
		c.advance(prefect.Duration(60+r.random.IntN(2400)) * prefect.Second)
	}
	require.NoError(t, c.scheduleRound(c))

	for i, d := range deployments {
		prefix := fmt.Sprintf("scheduled %s %s ", d.ID, d.Schedules[0].ID)
		var dates []string
		for _, run := range c.runsOf(d.ID) {
			if run.ExpectedStartTime > week.End {
				continue
			}
			date, ok := strings.CutPrefix(*run.IdempotencyKey, prefix)
			require.True(t, ok, *run.IdempotencyKey)
			require.LessOrEqual(t, run.Created, run.ExpectedStartTime)
			dates = append(dates, date)
		}
		want := week.Schedules[i]
		require.Len(t, dates, want.Dates, "%s", want.Schedule)
		require.Equal(t, want.SHA256, fmt.Sprintf("%x", sha256.Sum256([]byte(strings.Join(dates, "\n")))), "%s: %v", want.Schedule, dates)
	}
}
