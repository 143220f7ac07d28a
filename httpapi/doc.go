// Package httpapi is the server's HTTP face: routes, decoding and validation,
// errors, websockets. It knows the node through Backend alone.
//
// # Adding an endpoint
//
// A route is one row of its entity's file:
//
//	{Method: "GET", Path: "/flows/{id}", Kind: read, Handle: readFlow, Doc: "One flow."},
//
// Its handler decodes, calls one function or operation of package ops, and
// replies; whatever goes wrong it returns, and errors.go turns that into the
// answer that clients know:
//
//	func readFlow(c *call) error {
//		flow, err := ops.Ask[*prefect.Flow](c.ctx, c.backend, ops.Coordination, &ops.ReadFlow{ID: c.id("id")})
//		if err != nil {
//			return err
//		}
//		return c.reply(200, flow)
//	}
//
// In a path, {id} and {schedule_id} match a UUID only, any other {name} one
// segment of text. Take the operation's line out of unbuilt.go, and say in
// docs/parity.md what works; a test compares the three.
//
// Nothing that a handler gets from its call, save what was decoded or is a
// string, may be used after the handler returned: the server reuses it for the
// next request.
//
// # Adding a websocket
//
// A websocket is one row too, a channel, whose handler speaks over a socket from
// the moment the client is let in until it returns:
//
//	{Path: "/events/in", Handle: receiveEvents, Doc: "Events from clients."},
//
// See socket for what the handler may rely on.
package httpapi
