package httpapi

import (
	"context"
	"errors"
	"io"

	"prefectd/httpapi/schema"
	"prefectd/prefect"
)

func streamChannels() []channel {
	return []channel{
		{Path: "/events/in", Handle: receiveEvents, Doc: "Takes in events; a pong says that those before the ping are stored."},
		{Path: "/events/out", Handle: sendEvents, Doc: "Events as they come, on request those of the last minutes first."},
		{Path: "/logs/out", Handle: sendLogs, Doc: "Logs as they come."},
	}
}

// stream answers with a body that is read after the handler returned, while it is
// sent; it is given up when the server does.
func (c *call) stream(status int, contentType string, open func(ctx context.Context) io.Reader) {
	c.req.SetStatusCode(status)
	c.req.SetContentType(contentType)
	c.req.SetBodyStream(open(c.background), -1)
}

// whileThere is a context that ends when the client has left, or the server is
// stopping.
func (s *socket) whileThere() context.Context {
	ctx, cancel := context.WithCancel(s.ctx)
	s.others.Go(func() {
		<-s.gone
		cancel()
	})
	return ctx
}

// left is what a handler returns that went on as long as the client was there: err
// is why it stopped.
func (s *socket) left(err error) error {
	if !errors.Is(err, context.Canceled) {
		return err
	}
	select {
	case <-s.stopping:
		return errStopping
	default:
		return nil
	}
}

// wish is the first message of a client that wants to be sent something.
type wish struct {
	Type     prefect.JSON `json:"type"`
	Filter   prefect.JSON `json:"filter"`
	Backfill prefect.JSON `json:"backfill"`
}

// receiveWish takes the first message, with the filter.
func (s *socket) receiveWish(filter any) (backfill bool, err error) {
	first, err := s.receive()
	if err != nil {
		return false, err
	}
	var w wish
	if !prefect.JSON(first).IsValid() {
		return false, closing(closeInvalid, "Expected a JSON message")
	}
	if prefect.Unmarshal(first, &w) != nil || string(w.Type) != `"filter"` {
		return false, closing(closeProtocol, "Expected 'filter' message")
	}
	if w.Filter == nil {
		return false, closing(closeProtocol, "Invalid filter: 'filter'")
	}
	if problems := schema.Decode(w.Filter, nil, filter); len(problems) > 0 {
		return false, s.drop("invalid filter: " + problemText(problems[0]))
	}
	switch string(w.Backfill) {
	case "false", "null", "0", `""`, "[]", "{}":
		return false, nil
	}
	return true, nil
}

// drop breaks the connection, as the reference does where its reason does not fit
// into a close frame.
func (s *socket) drop(reason string) error {
	s.log.Warn("websocket dropped", "reason", reason)
	s.cut()
	return errBroken
}

// problemText is a problem in one line.
func problemText(p schema.Problem) string {
	place, err := prefect.Marshal(p.Loc)
	if err != nil || len(p.Loc) == 0 {
		return p.Msg
	}
	return string(place) + ": " + p.Msg
}
