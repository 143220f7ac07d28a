package httpapi

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/fasthttp/websocket"
	"github.com/stretchr/testify/require"

	"prefectd/ops"
	"prefectd/prefect"
)

// desk is a backend of one run group with task runs for task workers.
type desk struct {
	*keeper
	waiting chan *prefect.TaskRun
	settled chan ops.TaskAnswer
}

func newDesk() *desk {
	return &desk{newKeeper(), make(chan *prefect.TaskRun, 9), make(chan ops.TaskAnswer, 9)}
}

func (d *desk) NewID() prefect.ID { return prefect.ID{1} }

func (d *desk) Do(_ context.Context, _ int, op ops.Operation) (any, error) {
	switch op := op.(type) {
	case *ops.ClaimTask:
		select {
		case task := <-d.waiting:
			return task, nil
		default:
			return (*prefect.TaskRun)(nil), nil
		}
	case *ops.SettleClaim:
		d.settled <- op.Answer
		return nil, nil
	}
	return nil, fmt.Errorf("%T", op)
}

func (d *desk) AskAll(context.Context, []int, ops.Query) ([]any, error) {
	return []any{len(d.waiting) > 0}, nil
}

// schedule lets a task run wait, as the node does.
func (d *desk) schedule(name string) {
	d.waiting <- &prefect.TaskRun{Name: name}
	d.hub.Replaced(1) // tells of everything
}

func TestATaskWorkersConversation(t *testing.T) {
	for _, test := range []struct {
		answer  string
		settled ops.TaskAnswer
		code    int
	}{
		{`{"type":"quit"}`, ops.TaskLost, websocket.CloseNormalClosure},
		{`{"type":"nack"}`, ops.TaskLost, websocket.CloseAbnormalClosure},
		{`what?`, ops.TaskLost, websocket.CloseAbnormalClosure},
		{``, ops.TaskLost, websocket.CloseNormalClosure}, // it says goodbye
	} {
		t.Run(test.answer, func(t *testing.T) {
			d := newDesk()
			s := serveKeeper(t, d, Config{})
			conn := s.connect("/api/task_runs/subscriptions/scheduled")
			say(t, conn, `{"type":"subscribe","keys":["t"],"client_id":"c"}`)
			for _, name := range []string{"one", "two", "three"} {
				d.schedule(name)
				var task struct{ Name string }
				require.NoError(t, json.Unmarshal([]byte(hear(t, conn)), &task))
				require.Equal(t, name, task.Name)
				if name != "three" {
					say(t, conn, `{"type":"ack"}`)
					require.Equal(t, ops.TaskTaken, <-d.settled)
				}
			}
			if test.answer != "" {
				say(t, conn, test.answer)
			} else {
				require.NoError(t, conn.WriteControl(websocket.CloseMessage, goodbyeFrame, time.Now().Add(time.Second)))
			}
			require.Equal(t, test.settled, <-d.settled)
			require.Equal(t, test.code, closed(t, conn).Code)
		})
	}
}

func TestATaskWorkerHasOneTaskRunAtATime(t *testing.T) {
	d := newDesk()
	s := serveKeeper(t, d, Config{})
	conn := s.connect("/api/task_runs/subscriptions/scheduled")
	d.schedule("one")
	d.schedule("two")
	say(t, conn, `{"type":"subscribe","keys":["t"],"client_id":"c"}`)
	require.Contains(t, hear(t, conn), "one")
	require.Len(t, d.waiting, 1, "the second waits for the answer")
	say(t, conn, `{"type":"ack"}`)
	require.Contains(t, hear(t, conn), "two")
	say(t, conn, `{"type":"ack"}`)
	require.Equal(t, ops.TaskTaken, <-d.settled)
	require.Equal(t, ops.TaskTaken, <-d.settled)
	say(t, conn, `{"type":"quit"}`) // while none waits
	require.Equal(t, websocket.CloseNormalClosure, closed(t, conn).Code)
}

func TestSubscriptionsThatBreakTheProtocol(t *testing.T) {
	s := serveKeeper(t, newDesk(), Config{})
	for first, missing := range map[string]string{
		`{"type":"hello"}`: "'subscribe' message", `nonsense`: "'subscribe' message", `[]`: "'subscribe' message",
		`{"type":"subscribe"}`:                                     "'keys' in subscribe message",
		`{"type":"subscribe","keys":[],"client_id":"c"}`:           "'keys' in subscribe message",
		`{"type":"subscribe","keys":["t"]}`:                        "'client_id' in subscribe message",
		`{"type":"subscribe","keys":["t"],"client_id":{"no":"c"}}`: "'client_id' in subscribe message",
	} {
		conn := s.connect("/api/task_runs/subscriptions/scheduled")
		say(t, conn, first)
		end := closed(t, conn)
		require.Equal(t, 4001, end.Code, first)
		require.Equal(t, "Protocol violation: expected "+missing, end.Text)
	}
}

func TestTaskWorkersAreKnownWhileTheyAreConnected(t *testing.T) {
	s := serveKeeper(t, newDesk(), Config{})
	known := func(body string) string {
		answer := s.do("POST", "/api/task_workers/filter", body)
		require.Equal(t, 200, answer.status, answer.body)
		var workers []prefect.TaskWorker
		require.NoError(t, prefect.Unmarshal([]byte(answer.body), &workers))
		text := ""
		for _, w := range workers {
			require.NotZero(t, w.Timestamp)
			text += fmt.Sprint(w.Identifier, w.TaskKeys)
		}
		return text
	}
	eventually := func(body, want string) {
		t.Helper()
		require.Eventually(t, func() bool { return known(body) == want }, 10*time.Second, time.Millisecond, want)
	}
	require.Empty(t, known(`{}`))
	conns := map[string]*websocket.Conn{}
	for socket, first := range map[string]string{
		"1": `{"type":"subscribe","keys":["b","a"],"client_id":"one"}`,
		"2": `{"type":"subscribe","keys":["c"],"client_id":"two"}`,
		"3": `{"type":"subscribe","keys":["a"],"client_id":"two"}`,
	} {
		conns[socket] = s.connect("/api/task_runs/subscriptions/scheduled")
		say(t, conns[socket], first)
	}
	eventually(`{}`, "one[a b]two[a c]")
	require.Equal(t, "two[a c]", known(`{"task_worker_filter":{"task_keys":["c"]}}`))
	require.Equal(t, "one[a b]two[a c]", known(`{"task_worker_filter":{"task_keys":[]}}`))
	require.Empty(t, known(`{"task_worker_filter":{"task_keys":["d"]}}`))
	conns["3"].Close()
	eventually(`{"task_worker_filter":null}`, "one[a b]two[c]")
}
