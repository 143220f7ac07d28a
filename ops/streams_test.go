package ops

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"prefectd/prefect"
	"prefectd/store"
)

// cluster is a Backend of state files without a log: what an operation changes is
// written at once. All that it is asked and answers goes through the encoding
// between nodes, but for what is measured.
type testCluster struct {
	t        testing.TB
	near     bool // nothing is encoded
	layout   Groups
	settings *Settings
	dbs      []*store.DB
	hub      *Hub
	known    Known
	random   *rand.Rand

	mu   []sync.Mutex // per group: one operation at a time
	gate func(group int, op Operation) error

	largest int // rows that one operation changed

	clock sync.Mutex
	now   prefect.Time
}

func newTestCluster(t testing.TB, runGroups int) *testCluster {
	c := &testCluster{
		t: t, layout: Groups{Runs: runGroups}, settings: DefaultSettings(),
		random: rand.New(rand.NewPCG(1, 2)), mu: make([]sync.Mutex, runGroups+1),
		now: at("2027-01-02T03:04:05Z"),
	}
	_, c.near = t.(*testing.B)
	c.hub = NewHub(c.layout)
	for i := range runGroups + 1 {
		db, err := store.Open(filepath.Join(t.TempDir(), fmt.Sprint(i)), store.State, store.Options{NoSync: true})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, db.Close()) })
		c.dbs = append(c.dbs, db)
	}
	return c
}

func at(text string) (t prefect.Time) {
	if err := prefect.Unmarshal([]byte(`"`+text+`"`), &t); err != nil {
		panic(err)
	}
	return t
}

func (c *testCluster) Do(_ context.Context, group int, op Operation) (any, error) {
	if c.gate != nil {
		if err := c.gate(group, op); err != nil {
			return nil, err
		}
	}
	run := func(op Operation) (any, error) { return c.run(group, op) }
	if _, ok := op.(operation); ok || c.near {
		return run(op)
	}
	return sendRequest(op, EncodeOperation, DecodeOperation, run)
}

func (c *testCluster) run(group int, op Operation) (answer any, err error) {
	c.mu[group].Lock()
	defer c.mu[group].Unlock()
	batch, err := c.dbs[group].Batch()
	if err != nil {
		return nil, err
	}
	answer, err = op.Run(&Context{
		Tx: batch.Tx(), Now: c.Now(), Rand: rand.New(rand.NewPCG(rand.Uint64(), 1)), Settings: c.settings, Groups: c.layout, Group: group,
	})
	changes := batch.Changes()
	if closed := batch.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return nil, err
	}
	if err := c.dbs[group].Update(func(w *store.Writer) error { return w.Apply(changes) }); err != nil {
		return nil, err
	}
	c.clock.Lock()
	c.largest = max(c.largest, len(changes))
	c.clock.Unlock()
	c.hub.Observe(group, changes)
	return answer, nil
}

func (c *testCluster) Ask(_ context.Context, group int, q Query) (any, error) {
	read := func(q Query) (any, error) { return c.read(group, q) }
	if c.near {
		return read(q)
	}
	return sendRequest(q, EncodeQuery, DecodeQuery, read)
}

// sendRequest answers an operation or a query as if it came from another node.
func sendRequest[R any](request R, encode func(R) ([]byte, error), decode func([]byte) (R, error), run func(R) (any, error)) (any, error) {
	data, err := encode(request)
	if err != nil {
		return nil, err
	}
	arrived, err := decode(data)
	if err != nil {
		return nil, err
	}
	answer, err := run(arrived)
	if err != nil {
		return nil, DecodeError(EncodeError(err))
	}
	if data, err = EncodeAnswer(arrived, answer); err != nil {
		return nil, err
	}
	return DecodeAnswer(request, data)
}

func (c *testCluster) read(group int, q Query) (answer any, err error) {
	err = c.dbs[group].View(func(tx *store.Tx) (err error) {
		answer, err = q.Read(tx, c.Now())
		return err
	})
	return answer, err
}

func (c *testCluster) AskAll(ctx context.Context, groups []int, q Query) (answers []any, err error) {
	for _, g := range groups {
		a, err := c.Ask(ctx, g, q)
		if err != nil {
			return nil, err
		}
		answers = append(answers, a)
	}
	return answers, nil
}

func (c *testCluster) Groups() Groups      { return c.layout }
func (c *testCluster) Settings() *Settings { return c.settings }
func (c *testCluster) Known() *Known       { return &c.known }

func (c *testCluster) NewID() prefect.ID {
	c.clock.Lock()
	defer c.clock.Unlock()
	return NewID(c.now, c.random, byte(c.random.Uint32()))
}

func (c *testCluster) Now() prefect.Time {
	c.clock.Lock()
	defer c.clock.Unlock()
	c.now++
	return c.now
}

// view reads one group's state.
func view[T any](c *testCluster, group int, read func(tx *store.Tx) T) (answer T) {
	require.NoError(c.t, c.dbs[group].View(func(tx *store.Tx) error {
		answer = read(tx)
		return nil
	}))
	return answer
}

// put writes rows without an operation.
func (c *testCluster) put(group int, write func(tx *store.Tx)) {
	_, err := c.Do(c.t.Context(), group, operation(func(ctx *Context) { write(ctx.Tx) }))
	require.NoError(c.t, err)
}

type operation func(c *Context)

func (o operation) Run(c *Context) (any, error) {
	o(c)
	return nil, nil
}

// flowRun makes a flow run that exists.
func (c *testCluster) flowRun() prefect.ID {
	id := c.NewID()
	c.put(c.layout.Of(id), func(tx *store.Tx) { store.FlowRuns.Put(tx, &prefect.FlowRun{ID: id, Name: "run"}) })
	return id
}
