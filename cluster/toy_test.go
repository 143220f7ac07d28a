package cluster

import (
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"prefectd/store"
)

func TestMain(m *testing.M) {
	if crashChild() {
		return
	}
	goleak.VerifyTestMain(m)
}

// item is the row of a table that only tests know.
type item struct {
	Number  uint64 `row:"1"`
	Count   int    `row:"2"`
	Padding []byte `row:"3"`
}

var items = store.NewTable("items", 1, 8, func(i *item, k store.Key) store.Key { return k.Uint64(i.Number) })

var errNope = errors.New("nope")

// add raises the count of an item and answers it.
type add struct {
	number  uint64
	padding int
	fail    bool          // after the write
	panic   bool          // after the write
	started chan struct{} // closed when it is evaluated for the first time
	hold    chan struct{} // evaluated when it is closed
}

// look reads the count of an item.
type look struct {
	number uint64
}

// toy evaluates the operations and counts how often.
type toy struct {
	mu    sync.Mutex
	runs  int
	rows  [][]store.Change // of each entry
	begun map[chan struct{}]bool
}

func (y *toy) evaluate(tx *store.Tx, op any) (any, error) {
	y.mu.Lock()
	y.runs++
	y.mu.Unlock()
	if o, ok := op.(look); ok {
		return countOf(tx, o.number), nil
	}
	o := op.(add)
	if o.started != nil {
		y.once(o.started)
	}
	if o.hold != nil {
		<-o.hold
	}
	row := items.Get(tx, store.Key{}.Uint64(o.number))
	if row == nil {
		row = &item{Number: o.number}
	}
	row.Count++
	row.Padding = make([]byte, o.padding)
	items.Put(tx, row)
	if o.panic {
		panic("boom")
	}
	if o.fail {
		return nil, errNope
	}
	return row.Count, nil
}

func (y *toy) once(started chan struct{}) {
	y.mu.Lock()
	defer y.mu.Unlock()
	if y.begun == nil {
		y.begun = map[chan struct{}]bool{}
	}
	if !y.begun[started] {
		y.begun[started] = true
		close(started)
	}
}

func (y *toy) observe(changes []store.Change) {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.rows = append(y.rows, changes)
}

// entries is how many entries changed rows.
func (y *toy) entries() int {
	y.mu.Lock()
	defer y.mu.Unlock()
	return len(y.rows)
}

// replaced is whether it was told that the whole state was replaced.
func (y *toy) replaced() bool {
	y.mu.Lock()
	defer y.mu.Unlock()
	return slices.ContainsFunc(y.rows, func(c []store.Change) bool { return c == nil })
}

func (y *toy) evaluations() int {
	y.mu.Lock()
	defer y.mu.Unlock()
	return y.runs
}

func countOf(tx *store.Tx, number uint64) int {
	if row := items.Get(tx, store.Key{}.Uint64(number)); row != nil {
		return row.Count
	}
	return 0
}

// numbers encodes the toy's answers.
type numbers struct{}

func (numbers) EncodeAnswer(_, answer any) ([]byte, error) { return json.Marshal(answer) }

func (numbers) DecodeAnswer(_ any, data []byte) (any, error) {
	var n int
	err := json.Unmarshal(data, &n)
	return n, err
}

func (y *toy) config(dir string) Config {
	return Config{
		Dir: dir, Node: "n1", Number: 1, Schema: store.Schema{items, store.Operations},
		Evaluate: y.evaluate, Observe: y.observe, Answers: numbers{},
		Log: slog.New(slog.DiscardHandler),
	}
}

// alone opens a group of one member; it is closed with the test unless it was.
func alone(t *testing.T, dir string, change ...func(*Config)) (*Group, *toy) {
	t.Helper()
	y := &toy{}
	c := y.config(dir)
	for _, f := range change {
		f(&c)
	}
	g, err := Open(c)
	require.NoError(t, err)
	t.Cleanup(func() { g.Close() })
	require.NoError(t, g.Ready(t.Context()))
	return g, y
}

func submit(t *testing.T, g *Group, op any) any {
	t.Helper()
	answer, err := g.Submit(t.Context(), op)
	require.NoError(t, err)
	return answer
}

// count reads an item as a client would.
func count(t *testing.T, g *Group, number uint64) (n int) {
	t.Helper()
	require.NoError(t, g.View(t.Context(), func(tx *store.Tx) error {
		n = countOf(tx, number)
		return nil
	}))
	return n
}

// stale reads an item from a replica as it is.
func stale(t require.TestingT, g *Group, number uint64) (n int) {
	require.NoError(t, g.Stale(func(tx *store.Tx) error {
		n = countOf(tx, number)
		return nil
	}))
	return n
}

func eventually(t *testing.T, condition func() bool, what ...any) {
	t.Helper()
	require.Eventually(t, condition, 30*time.Second, 2*time.Millisecond, what...)
}

// hold makes the writer busy with an operation until release is called, which
// returns when that is answered.
func hold(t *testing.T, g *Group) (release func()) {
	t.Helper()
	started, gate, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		_, err := g.Submit(t.Context(), add{number: 999, started: started, hold: gate})
		done <- err
	}()
	<-started
	return func() {
		close(gate)
		require.NoError(t, <-done)
	}
}

// queued waits until a number of operations are waiting.
func queued(t *testing.T, g *Group, n int) {
	t.Helper()
	eventually(t, func() bool {
		w, _ := g.leading()
		return w != nil && len(w.queue) == n
	})
}
