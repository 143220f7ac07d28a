package ops

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"prefectd/prefect"
	"prefectd/store"
)

func makeLimit(c *testCluster, name string, limit int, decay float64) *prefect.ConcurrencyLimit {
	return must[*prefect.ConcurrencyLimit](c, Coordination, &CreateLimit{prefect.ConcurrencyLimitCreate{
		Active: true, Name: name, Limit: limit, SlotDecayPerSecond: decay,
	}})
}

// takenOf are the slots of a limit that are taken.
func takenOf(t *testing.T, c *testCluster, name string) int {
	l, err := Ask[*prefect.ConcurrencyLimitResponse](t.Context(), c, Coordination, &ReadLimit{LimitKey{Name: name}})
	require.NoError(t, err)
	return l.ActiveSlots
}

func takeSlots(c *testCluster, lease prefect.Duration, slots int, names ...string) SlotsTaken {
	return must[SlotsTaken](c, Coordination, &TakeSlots{Names: names, Slots: slots, Lease: lease})
}

func TestLeases(t *testing.T) {
	c := newTestCluster(t, 1)
	makeLimit(c, "a", 3, 0)
	makeLimit(c, "b", 2, 0)
	kept := takeSlots(c, prefect.Minute, 1, "a", "b", "unknown")
	require.Len(t, kept.Limits, 2)
	released, forgotten := takeSlots(c, prefect.Minute, 1, "a"), takeSlots(c, prefect.Minute, 1, "a")
	full := takeSlots(c, prefect.Minute, 1, "a", "b")
	require.True(t, full.Full)
	require.Positive(t, full.Wait)
	require.Equal(t, []int{3, 1}, []int{takenOf(t, c, "a"), takenOf(t, c, "b")}, "all or none")

	must[any](c, Coordination, &ReleaseLease{ID: released.Lease})
	must[any](c, Coordination, &ReleaseLease{ID: released.Lease})
	require.Equal(t, 2, takenOf(t, c, "a"), "given back once")
	must[any](c, Coordination, &RenewLease{ID: kept.Lease, Duration: prefect.Hour})
	c.advance(2 * prefect.Minute)
	acted, err := repossessor.Round(t.Context(), c, Coordination)
	require.NoError(t, err)
	require.Equal(t, 1, acted)
	require.Equal(t, []int{1, 1}, []int{takenOf(t, c, "a"), takenOf(t, c, "b")})
	for _, gone := range []prefect.ID{released.Lease, forgotten.Lease} {
		_, err := c.Do(t.Context(), Coordination, &RenewLease{ID: gone, Duration: prefect.Hour})
		require.Equal(t, 410, err.(*Error).Status)
	}
	acted, err = repossessor.Round(t.Context(), c, Coordination)
	require.NoError(t, err)
	require.Zero(t, acted)
}

func TestSlotsOfALimit(t *testing.T) {
	c := newTestCluster(t, 1)
	makeLimit(c, "a", 2, 0)
	makeLimit(c, "off", 0, 0)
	no := false
	must[any](c, Coordination, &UpdateLimit{LimitKey{Name: "off"}, prefect.ConcurrencyLimitUpdate{Active: prefect.Opt[*bool]{Set: true, Value: &no}}})
	require.Len(t, takeSlots(c, 0, 2, "a", "off").Limits, 2, "a limit that is not active stops nobody")
	require.Equal(t, 2, takenOf(t, c, "a"))
	refused := func(op *TakeSlots, text string) {
		_, err := c.Do(t.Context(), Coordination, op)
		require.EqualError(t, err, text)
	}
	refused(&TakeSlots{Names: []string{"a"}, Slots: 3}, "Slots requested is greater than the limit")
	refused(&TakeSlots{Names: []string{"a"}, Slots: 1, Rate: true}, "Only concurrency limits with slot decay can be used for rate limiting. "+
		"The following limits do not have a decay configured: 'a'")
	must[any](c, Coordination, &GiveSlots{Names: []string{"a", "unknown"}, Slots: 1, Occupancy: 10})
	l := view(c, Coordination, func(tx *store.Tx) *prefect.ConcurrencyLimit { return limitNamed(tx, "a") })
	require.Equal(t, 1, l.ActiveSlots)
	require.InDelta(t, 2+(10.0-2)/4, float64(l.AvgOccupancySeconds), 1e-9)
}

// However often somebody asks meanwhile, the slots of a rate limit come back at its rate.
func TestSlotsDecay(t *testing.T) {
	c := newTestCluster(t, 1)
	makeLimit(c, "rate", 10, 0.5)
	take := func() bool {
		return !must[SlotsTaken](c, Coordination, &TakeSlots{Names: []string{"rate"}, Slots: 1, Rate: true}).Full
	}
	for range 10 {
		require.True(t, take())
	}
	taken := 0
	for range 100 {
		c.advance(200 * prefect.Millisecond)
		if take() {
			taken++
		}
	}
	require.Equal(t, 10, taken, "in twenty seconds")
}

func TestTagLimits(t *testing.T) {
	c := newTestCluster(t, 1)
	set := func(tag string, limit int) Upserted[prefect.TagLimit] {
		return must[Upserted[prefect.TagLimit]](c, Coordination, &SetTagLimit{prefect.TagLimitCreate{Tag: tag, Limit: limit}})
	}
	require.True(t, set("red", 1).Created)
	require.False(t, set("red", 2).Created)
	set("blue", 1)
	set("none", 0)
	run := func() prefect.ID { return c.NewID() }
	take := func(run prefect.ID, tags ...string) error {
		_, err := c.Do(t.Context(), Coordination, &TakeTagSlots{prefect.TagSlots{Names: tags, TaskRunID: run}})
		return err
	}
	first, second := run(), run()
	require.NoError(t, take(first, "red", "blue", "unknown"))
	err := take(second, "red", "blue")
	require.EqualError(t, err, "Concurrency limit for the blue tag has been reached")
	require.Equal(t, map[string]string{"Retry-After": "10.0"}, err.(*Error).Headers)
	require.ErrorContains(t, take(second, "none"), "will deadlock")
	require.NoError(t, take(second, "red"))
	holders := func(tag string) []prefect.ID {
		l, err := Ask[*prefect.TagLimit](t.Context(), c, Coordination, &ReadTagLimit{TagLimitKey{Tag: tag}})
		require.NoError(t, err)
		return l.ActiveSlots
	}
	require.Equal(t, []prefect.ID{first, second}, holders("red"))
	must[any](c, Coordination, &GiveTagSlots{prefect.TagSlots{Names: []string{"red"}, TaskRunID: first}})
	require.Equal(t, []prefect.ID{second}, holders("red"))
	require.Empty(t, holders("blue"), "the lease was on both")
	require.Equal(t, 1, takenOf(t, c, "tag:red"))

	third := run()
	must[any](c, Coordination, &ResetTagLimit{Tag: "red", Slots: []prefect.ID{third}})
	require.Equal(t, []prefect.ID{third}, holders("red"))
	require.Equal(t, 1, takenOf(t, c, "tag:red"))
	must[any](c, Coordination, &ResetTagLimit{Tag: "red"})
	require.Zero(t, takenOf(t, c, "tag:red"))
	list, err := Ask[[]*prefect.TagLimit](t.Context(), c, Coordination, &FindTagLimits{Window{From: 1, Limit: 2}})
	require.NoError(t, err)
	require.Equal(t, []string{"none", "red"}, []string{list[0].Tag, list[1].Tag})
	must[any](c, Coordination, &DeleteTagLimit{TagLimitKey{Tag: "red"}})
	_, err = c.Do(t.Context(), Coordination, &DeleteTagLimit{TagLimitKey{Tag: "red"}})
	require.EqualError(t, err, "Concurrency limit not found")
}

// Whatever is taken, given back, renewed and left to expire: never more slots are taken
// than there are, and in the end all are free.
func TestSlotsAreNeitherLostNorDoubled(t *testing.T) {
	c := newTestCluster(t, 1)
	limits := map[string]int{"a": 1, "b": 3, "c": 5}
	for name, n := range limits {
		makeLimit(c, name, n, 0)
	}
	names := []string{"a", "b", "c"}
	var leases []prefect.ID
	for range 400 {
		switch c.random.IntN(5) {
		case 0, 1:
			c.random.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
			taken := takeSlots(c, prefect.Minute, 1, names[:1+c.random.IntN(3)]...)
			if !taken.Full {
				leases = append(leases, taken.Lease)
			}
		case 2:
			if len(leases) > 0 {
				must[any](c, Coordination, &ReleaseLease{ID: leases[c.random.IntN(len(leases))]})
			}
		case 3:
			if len(leases) > 0 {
				_, _ = c.Do(t.Context(), Coordination, &RenewLease{ID: leases[c.random.IntN(len(leases))], Duration: prefect.Minute})
			}
		default:
			c.advance(10 * prefect.Second)
			_, err := repossessor.Round(t.Context(), c, Coordination)
			require.NoError(t, err)
		}
		for name, n := range limits {
			held := view(c, Coordination, func(tx *store.Tx) (held int) {
				for lease := range store.LeasesByLimit.Rows(tx, store.Range{Prefix: key(limitNamed(tx, name).ID)}) {
					held += lease.Slots
				}
				return held
			})
			require.Equal(t, held, takenOf(t, c, name))
			require.LessOrEqual(t, held, n)
		}
	}
	c.advance(prefect.Hour)
	_, err := repossessor.Round(t.Context(), c, Coordination)
	require.NoError(t, err)
	for name := range limits {
		require.Zero(t, takenOf(t, c, name))
	}
}

// A lease gives back what it took, whatever became of the limit meanwhile.
func TestLeasesOfLimitsThatRest(t *testing.T) {
	c := newTestCluster(t, 1)
	limit := makeLimit(c, "a", 1, 0)
	set := func(active bool) {
		must[any](c, Coordination, &UpdateLimit{LimitKey{ID: limit.ID}, prefect.ConcurrencyLimitUpdate{Active: prefect.Opt[*bool]{Set: true, Value: &active}}})
	}
	set(false)
	early := takeSlots(c, prefect.Hour, 1, "a")
	set(true)
	second := takeSlots(c, prefect.Hour, 1, "a")
	require.False(t, second.Full)
	must[any](c, Coordination, &ReleaseLease{ID: early.Lease})
	require.True(t, takeSlots(c, prefect.Hour, 1, "a").Full, "it took nothing while the limit rested")
	set(false)
	must[any](c, Coordination, &ReleaseLease{ID: second.Lease})
	set(true)
	require.Zero(t, takenOf(t, c, "a"))
}

// Refusals are not counted, so the wait does not grow with them; and a count that clients
// set to any number does not overflow.
func TestRefusalsOfSlots(t *testing.T) {
	c := newTestCluster(t, 1)
	makeLimit(c, "a", 1, 0)
	takeSlots(c, prefect.Hour, 1, "a")
	for range 20 {
		full := takeSlots(c, prefect.Hour, 1, "a")
		require.True(t, full.Full)
		require.Less(t, full.Wait, 2*1.3+0.1)
	}
	most := math.MaxInt
	must[any](c, Coordination, &UpdateLimit{LimitKey{Name: "a"}, prefect.ConcurrencyLimitUpdate{ActiveSlots: prefect.Opt[*int]{Set: true, Value: &most}}})
	require.True(t, takeSlots(c, prefect.Hour, 1, "a").Full)
}

// The slots that the older routes give stay until they are given back, or the task run goes.
func TestTagSlotsStay(t *testing.T) {
	c := newTestCluster(t, 1)
	must[any](c, Coordination, &SetTagLimit{prefect.TagLimitCreate{Tag: "x", Limit: 1}})
	take := func() error {
		_, err := c.Do(t.Context(), Coordination, &TakeTagSlots{prefect.TagSlots{Names: []string{"x"}, TaskRunID: c.NewID()}})
		return err
	}
	require.NoError(t, take())
	c.advance(prefect.Day)
	_, err := repossessor.Round(t.Context(), c, Coordination)
	require.NoError(t, err)
	require.ErrorContains(t, take(), "has been reached")
	must[any](c, Coordination, &ResetTagLimit{Tag: "x"})

	task := c.newTaskRun(prefect.TaskRunCreate{FlowRunID: c.runningFlowRun(prefect.FlowRunPolicy{}).ID, Tags: []string{"x"}})
	c.setTaskRun(task.ID, stateCreate(prefect.Running, "")).accepted(t, "Running")
	require.ErrorContains(t, take(), "has been reached")
	require.NoError(t, RemoveTaskRun(t.Context(), c, task.ID))
	require.NoError(t, c.Settle(t.Context(), Coordination))
	require.NoError(t, take())
}
