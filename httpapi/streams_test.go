package httpapi

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fasthttp/websocket"
	"github.com/stretchr/testify/require"

	"prefectd/ops"
	"prefectd/prefect"
)

// keeper is a backend of one run group that keeps events and logs in memory.
type keeper struct {
	stub
	hub *ops.Hub

	mu     sync.Mutex
	events []*prefect.Event
	logs   []prefect.LogCreate
	fail   error
	gate   chan struct{} // operations wait for it, if set
	came   atomic.Int32  // how many operations came
}

func newKeeper() *keeper {
	return &keeper{hub: ops.NewHub(ops.Groups{Runs: 1})}
}

func (k *keeper) Streams() *ops.Hub { return k.hub }
func (k *keeper) TaskWorkers(context.Context) ([]ops.ConnectedWorker, error) {
	return k.hub.Workers.Connected(), nil
}
func (k *keeper) Groups() ops.Groups      { return ops.Groups{Runs: 1} }
func (k *keeper) Settings() *ops.Settings { return ops.DefaultSettings() }
func (k *keeper) Now() prefect.Time       { return prefect.TimeOf(time.Now()) }

func (k *keeper) Do(_ context.Context, group int, op ops.Operation) (any, error) {
	k.mu.Lock()
	gate := k.gate
	k.mu.Unlock()
	k.came.Add(1)
	if gate != nil {
		<-gate
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.fail != nil {
		return nil, k.fail
	}
	switch op := op.(type) {
	case *ops.AppendEvents:
		for i := range op.Events {
			e := op.Events[i]
			e.Sequence, e.Received = uint64(len(k.events)+1), k.Now()
			k.events = append(k.events, &e)
		}
		k.hub.Replaced(group)
		return ops.Appended{New: len(op.Events)}, nil
	case *ops.AppendLogs:
		k.logs = append(k.logs, op.Logs...)
	}
	return nil, nil
}

func (k *keeper) Ask(_ context.Context, group int, q ops.Query) (any, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch q := q.(type) {
	case *ops.FindEvents:
		found := ops.FoundEvents{}
		if group == 1 {
			found = k.find(q)
		}
		return found, nil
	case *ops.ReadEvents:
		return slices.Collect(func(yield func(*prefect.Event) bool) {
			for _, n := range q.Sequences {
				if !yield(k.events[n-1]) {
					return
				}
			}
		}), nil
	case *ops.ReadStream:
		if group != 1 || int(q.From) > len(k.events) {
			return []*prefect.Event(nil), nil
		}
		rest := k.events[q.From-1:]
		return rest[:min(len(rest), q.Limit)], nil
	case *ops.CountEvents:
		return []prefect.EventCount{}, nil
	case *ops.NameOfFlowRun:
		name := "run, ä"
		return &name, nil
	case *ops.FindLogs:
		return k.findLogs(q), nil
	}
	return nil, fmt.Errorf("%T", q)
}

func (k *keeper) find(q *ops.FindEvents) ops.FoundEvents {
	found := ops.FoundEvents{Last: uint64(len(k.events))}
	m := q.Filter.Compile()
	for _, e := range k.events {
		if m.Match(e, prefect.AllColumns) == prefect.Yes {
			found.Total++
			found.Places = append(found.Places, ops.EventPlace{Occurred: e.Occurred, Sequence: e.Sequence})
		}
	}
	if q.Limit >= 0 {
		found.Places = found.Places[:min(len(found.Places), q.Limit)]
	}
	return found
}

// findLogs pages by the number of places that it answered before.
func (k *keeper) findLogs(q *ops.FindLogs) (found ops.FoundLogs) {
	from := 0
	if q.After != nil {
		from = int(q.After.Uint64At(0)) + 1
	}
	for i := from; i < len(k.logs) && len(found.Logs) < q.Limit; i++ {
		l := k.logs[i]
		found.Places = append(found.Places, q.After[:0].Uint64(uint64(i)))
		found.Logs = append(found.Logs, &prefect.Log{
			Name: l.Name, Level: l.Level, Message: l.Message, Timestamp: l.Timestamp, FlowRunID: l.FlowRunID, TaskRunID: l.TaskRunID,
		})
	}
	return found
}

func (k *keeper) AskAll(ctx context.Context, groups []int, q ops.Query) (answers []any, err error) {
	for _, g := range groups {
		a, err := k.Ask(ctx, g, q)
		if err != nil {
			return nil, err
		}
		answers = append(answers, a)
	}
	return answers, nil
}

func (k *keeper) stored() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.events)
}

// serveKeeper runs a server with the real routes and websockets, as if another node
// held the data.
func serveKeeper(t *testing.T, k Backend, config Config) *served {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	dial := func() (net.Conn, error) { return net.Dial("tcp", l.Addr().String()) }
	return serveOn(t, l, dial, far{k}, config, nil, channels())
}

func eventText(n int) string {
	return fmt.Sprintf(`{"occurred":%q,"event":"e.%d","resource":{"prefect.resource.id":"r.%d"},"related":[],"payload":{"n":%[2]d},"id":"00000000-0000-4000-8000-%012[2]d","follows":null}`,
		time.Now().UTC().Format(time.RFC3339Nano), n, n%3)
}

func say(t *testing.T, conn *websocket.Conn, text string) {
	t.Helper()
	require.NoError(t, conn.WriteMessage(websocket.TextMessage, []byte(text)))
}

// connect opens a websocket and logs in.
func (s *served) connect(path string) *websocket.Conn {
	conn := s.login(path, `{"type":"auth","token":null}`)
	require.JSONEq(s.t, `{"type":"auth_success"}`, hear(s.t, conn))
	return conn
}

func hear(t *testing.T, conn *websocket.Conn) string {
	t.Helper()
	conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	_, message, err := conn.ReadMessage()
	require.NoError(t, err)
	return string(message)
}

// goodbyeFrame is how a client ends a conversation.
var goodbyeFrame = websocket.FormatCloseMessage(websocket.CloseNormalClosure, "")

func TestPongComesWhenEventsAreStored(t *testing.T) {
	k := newKeeper()
	k.gate = make(chan struct{})
	s := serveKeeper(t, k, Config{})
	conn := s.connect("/api/events/in")
	pongs := make(chan string, 9)
	conn.SetPongHandler(func(data string) error { pongs <- data; return nil })
	ended := make(chan *websocket.CloseError)
	go func() { ended <- closed(t, conn) }()

	require.NoError(t, conn.WriteControl(websocket.PingMessage, []byte("first"), time.Now().Add(time.Second)))
	require.Equal(t, "first", <-pongs, "nothing to wait for")
	say(t, conn, eventText(0))
	require.Eventually(t, func() bool { return k.came.Load() == 1 }, 10*time.Second, time.Millisecond)
	for n := range 99 {
		say(t, conn, eventText(1+n))
	}
	require.NoError(t, conn.WriteControl(websocket.PingMessage, []byte("second"), time.Now().Add(time.Second)))
	for n := range 100 {
		say(t, conn, eventText(100+n))
	}
	k.gate <- struct{}{}
	require.Eventually(t, func() bool { return k.stored() > 0 }, 10*time.Second, time.Millisecond)
	require.Equal(t, 1, k.stored())
	require.Empty(t, pongs)
	close(k.gate)
	require.Equal(t, "second", <-pongs)
	require.GreaterOrEqual(t, k.stored(), 100)
	require.NoError(t, conn.WriteControl(websocket.CloseMessage, goodbyeFrame, time.Now().Add(time.Second)))
	require.Equal(t, websocket.CloseNormalClosure, (<-ended).Code)
	require.Equal(t, 200, k.stored(), "all is stored before the goodbye")
}

func TestEventsBeforeAMistakeAreStored(t *testing.T) {
	for _, test := range []struct {
		frame, reason string
		code          int
	}{
		{`{"occurred":`, "Invalid JSON", 1007},
		{`{}`, `Invalid event: ["occurred"]: Field required`, 1002},
		{strings.Replace(eventText(1), `"prefect.resource.id"`, `"id"`, 1), `Invalid event: ["resource"]: Value error, Resources must include the prefect.resource.id label`, 1002},
		{strings.Replace(eventText(1), `"e.1"`, `"`+strings.Repeat("e", 1025)+`"`, 1), `Invalid event: ["event"]`, 1002},
		{`[]`, "Invalid event: Input should be", 1002},
	} {
		k := newKeeper()
		s := serveKeeper(t, k, Config{})
		conn := s.connect("/api/events/in")
		say(t, conn, eventText(1))
		say(t, conn, eventText(2))
		say(t, conn, test.frame)
		say(t, conn, eventText(3))
		end := closed(t, conn)
		require.Equal(t, test.code, end.Code, end.Text)
		require.Contains(t, end.Text, test.reason)
		require.Equal(t, 2, k.stored())
	}
}

func TestOversizeEventIsDropped(t *testing.T) {
	k := newKeeper()
	s := serveKeeper(t, k, Config{})
	conn := s.connect("/api/events/in")
	say(t, conn, strings.Replace(eventText(1), `"n":1`, `"n":"`+strings.Repeat("x", 1_500_000)+`"`, 1))
	say(t, conn, eventText(2))
	require.NoError(t, conn.WriteControl(websocket.CloseMessage, goodbyeFrame, time.Now().Add(time.Second)))
	require.Equal(t, websocket.CloseNormalClosure, closed(t, conn).Code)
	require.Equal(t, 1, k.stored())
	require.Contains(t, s.log.String(), "event dropped")

	body := "[" + strings.Replace(eventText(1), `"n":1`, `"n":"`+strings.Repeat("x", 1_500_000)+`"`, 1) + "]"
	answer := s.do("POST", "/api/events", body)
	require.Equal(t, 422, answer.status, answer.body)
	require.Equal(t, 1, k.stored())
}

func TestEventsThatCannotBeStored(t *testing.T) {
	k := newKeeper()
	k.fail = fmt.Errorf("disk is gone")
	s := serveKeeper(t, k, Config{})
	conn := s.connect("/api/events/in")
	say(t, conn, eventText(1))
	require.NoError(t, conn.WriteControl(websocket.PingMessage, nil, time.Now().Add(time.Second)))
	conn.SetPongHandler(func(string) error {
		t.Error("a pong for what is lost")
		return nil
	})
	require.Equal(t, websocket.CloseInternalServerErr, closed(t, conn).Code)
}

// received reads event messages and answers their numbers.
func received(t *testing.T, conn *websocket.Conn, n int) (numbers []int) {
	t.Helper()
	for range n {
		var frame struct {
			Type  string
			Event struct {
				Payload  struct{ N int }
				Received time.Time
			}
		}
		require.NoError(t, json.Unmarshal([]byte(hear(t, conn)), &frame))
		require.Equal(t, "event", frame.Type)
		require.NotZero(t, frame.Event.Received)
		numbers = append(numbers, frame.Event.Payload.N)
	}
	return numbers
}

const everything = `"occurred":{"since":"2000-01-01T00:00:00Z","until":"2999-01-01T00:00:00Z"}`

func TestEventsOut(t *testing.T) {
	k := newKeeper()
	s := serveKeeper(t, k, Config{StreamEvents: true})
	post := func(numbers ...int) {
		var list []string
		for _, n := range numbers {
			list = append(list, eventText(n))
		}
		require.Equal(t, 204, s.do("POST", "/api/events", "["+strings.Join(list, ",")+"]").status)
	}
	post(1, 2, 3)
	all := s.connect("/api/events/out")
	say(t, all, `{"type":"filter","filter":{`+everything+`}}`)
	some := s.openLegacy("/api/events/out")
	say(t, some, `{"type":"filter","backfill":false,"filter":{"event":{"name":["e.4","e.6"]},`+everything+`}}`)
	past := s.connect("/api/events/out")
	say(t, past, `{"type":"filter","filter":{}}`)
	require.Equal(t, []int{1, 2, 3}, received(t, all, 3))
	require.Equal(t, []int{1, 2, 3}, received(t, past, 3))
	// The other subscriber is there, too, when it has seen an event.
	others := make(chan string, 9)
	go func() {
		for {
			_, message, err := some.ReadMessage()
			if err != nil {
				close(others)
				return
			}
			others <- string(message)
		}
	}()
	for seen := false; !seen; {
		post(4)
		received(t, all, 1)
		select {
		case message := <-others:
			require.Contains(t, message, `"e.4"`)
			seen = true
		default:
		}
	}
	post(5)
	post(6)
	require.Equal(t, []int{5, 6}, received(t, all, 2))
	last := ""
	for !strings.Contains(last, `"e.6"`) {
		last = <-others
		require.NotContains(t, last, `"e.5"`)
	}
	require.NoError(t, all.WriteControl(websocket.CloseMessage, goodbyeFrame, time.Now().Add(time.Second)))
	require.Equal(t, websocket.CloseNormalClosure, closed(t, all).Code)
}

func TestEventsOutThatAreSwitchedOff(t *testing.T) {
	k := newKeeper()
	s := serveKeeper(t, k, Config{})
	require.Equal(t, 204, s.do("POST", "/api/events", "["+eventText(1)+"]").status)
	conn := s.connect("/api/events/out")
	say(t, conn, `{"type":"filter","filter":{`+everything+`}}`)
	require.Equal(t, []int{1}, received(t, conn, 1))
	require.Equal(t, 204, s.do("POST", "/api/events", "["+eventText(2)+"]").status)
	require.NoError(t, conn.WriteControl(websocket.CloseMessage, goodbyeFrame, time.Now().Add(time.Second)))
	_, _, err := conn.ReadMessage()
	require.True(t, websocket.IsCloseError(err, websocket.CloseNormalClosure), "no event, only the goodbye: %v", err)
}

func TestWrongWishes(t *testing.T) {
	k := newKeeper()
	s := serveKeeper(t, k, Config{StreamEvents: true, StreamLogs: true})
	for _, path := range []string{"/api/events/out", "/api/logs/out"} {
		for _, test := range []struct {
			first, reason string
			code          int
		}{
			{`hello`, "Expected a JSON message", 1007},
			{`[]`, "Expected 'filter' message", 1002},
			{`{"type":"nonsense"}`, "Expected 'filter' message", 1002},
			{`{"type":"filter"}`, "Invalid filter: 'filter'", 1002},
			{`{"type":"filter","filter":{"colour":"red"}}`, "unexpected EOF", 1006},
			{`{"type":"filter","filter":5}`, "unexpected EOF", 1006},
		} {
			conn := s.connect(path)
			say(t, conn, test.first)
			end := closed(t, conn)
			require.Equal(t, test.code, end.Code, test.first)
			require.Contains(t, end.Text, test.reason)
		}
	}
	require.Contains(t, s.log.String(), `colour`)
}

func TestServerThatStopsTellsSubscribers(t *testing.T) {
	k := newKeeper()
	s := serveKeeper(t, k, Config{StreamEvents: true})
	var conns []*websocket.Conn
	for _, path := range []string{"/api/events/out", "/api/logs/out"} {
		conn := s.connect(path)
		say(t, conn, `{"type":"filter","filter":{}}`)
		conns = append(conns, conn)
	}
	stopped := make(chan error)
	go func() { stopped <- s.Shutdown(t.Context()) }()
	for _, conn := range conns {
		require.Equal(t, websocket.CloseGoingAway, closed(t, conn).Code)
	}
	require.NoError(t, <-stopped)
}

func TestEventPages(t *testing.T) {
	k := newKeeper()
	s := serveKeeper(t, k, Config{})
	require.Equal(t, 204, s.do("POST", "/api/events", "[]").status)
	for n := range 5 {
		require.Equal(t, 204, s.do("POST", "/api/events", "["+eventText(n)+"]").status)
	}
	var page struct {
		Events   []prefect.Event `json:"events"`
		Total    int             `json:"total"`
		NextPage *string         `json:"next_page"`
	}
	answer := s.do("POST", "/api/events/filter", `{"limit":2}`)
	for n := 0; n < 5; n += 2 {
		require.Equal(t, 200, answer.status, answer.body)
		require.NoError(t, prefect.Unmarshal([]byte(answer.body), &page))
		require.Equal(t, 5, page.Total)
		require.Len(t, page.Events, min(2, 5-n))
		if page.NextPage == nil {
			require.Equal(t, 4, n)
			break
		}
		path, found := strings.CutPrefix(*page.NextPage, "http://prefect.test")
		require.True(t, found, *page.NextPage)
		answer = s.do("GET", path, "")
	}
	for _, token := range []string{"x", "e30=", ""} {
		answer = s.do("GET", "/api/events/filter/next?page-token="+token, "")
		require.Equal(t, 403, answer.status, token)
		require.JSONEq(t, `{"detail":"Forbidden"}`, answer.body)
	}
	require.Equal(t, 422, s.do("GET", "/api/events/filter/next", "").status)
	require.Equal(t, 422, s.do("POST", "/api/events/filter", `{"limit":51}`).status)
	require.JSONEq(t, `[]`, s.do("POST", "/api/events/count-by/event", `{"filter":{}}`).body)
	answer = s.do("POST", "/api/events/count-by/colour", `{"filter":{}}`)
	require.Equal(t, 422, answer.status)
	require.Contains(t, answer.body, `"loc":["path","countable"]`)
	answer = s.do("POST", "/api/events/count-by/time", `{"filter":{},"time_unit":"second"}`)
	require.Equal(t, 422, answer.status)
	require.Contains(t, answer.body, "buckets, which is too many")
}

func TestLogTable(t *testing.T) {
	k := newKeeper()
	s := serveKeeper(t, k, Config{})
	run, task := "11111111-2222-4333-8444-555555555555", "99999999-2222-4333-8444-555555555555"
	body := `[{"name":"n","level":20,"message":"plain","timestamp":"2026-11-23T01:00:00Z","flow_run_id":"` + run + `"},
		{"name":"n","level":40,"message":"a \"quote\", a\nline","timestamp":"2026-11-23T01:00:00.5Z","flow_run_id":"` + run + `","task_run_id":"` + task + `"}`
	for range 2500 {
		body += `,{"name":"n","level":10,"message":"","timestamp":"2026-11-23T01:00:01Z","flow_run_id":"` + run + `"}`
	}
	answer := s.do("POST", "/api/logs/", body+"]")
	require.Equal(t, 201, answer.status, answer.body)
	require.Equal(t, "null", answer.body)
	answer = s.do("GET", "/api/flow_runs/"+run+"/logs/download", "")
	require.Equal(t, 200, answer.status)
	require.Equal(t, "text/csv; charset=utf-8", answer.header.Get("Content-Type"))
	require.Equal(t, `attachment; filename="flow-run-logs.csv"; filename*=UTF-8''run%2C%20%C3%A4-logs.csv`, answer.header.Get("Content-Disposition"))
	lines := strings.SplitAfter(answer.body, "\r\n")
	require.Equal(t, "timestamp,level,flow_run_id,task_run_id,message\r\n", lines[0])
	require.Equal(t, "2026-11-23 01:00:00+00:00,20,"+run+",,plain\r\n", lines[1])
	require.Equal(t, "2026-11-23 01:00:00.500000+00:00,40,"+run+","+task+",\"a \"\"quote\"\", a\nline\"\r\n", lines[2])
	require.Equal(t, "2026-11-23 01:00:01+00:00,10,"+run+",,\r\n", lines[2502])
	require.Len(t, lines, 2504)
}
