package httpapi

import (
	"bytes"
	"context"
	"log/slog"
	"mime"
	"strings"
	"sync"

	"github.com/valyala/fasthttp"

	"prefectd/httpapi/schema"
	"prefectd/ops"
	"prefectd/prefect"
)

// call is one request on its way through a handler.
type call struct {
	ctx     context.Context // ends when the client has waited long enough
	backend Backend
	config  *Config
	metrics *metrics

	background context.Context // for what goes on after the handler returned
	requests   *gate           // which the server waits for

	req       *fasthttp.RequestCtx
	route     *route // nil before it is known
	pattern   string // of the route or channel that the path leads to, if any
	requestID string
	logger    *slog.Logger
}

// log is the server's log, told which request it is about.
func (c *call) log() *slog.Logger { return c.logger.With("request", c.requestID) }

// id is a value in the path that is a UUID.
func (c *call) id(name string) prefect.ID {
	id, _ := parseID(c.param(name)) // the route would not have matched otherwise
	return id
}

// param is a value in the path, decoded.
func (c *call) param(name string) string { return c.req.UserValue(name).(string) }

// header is the value of a request header, empty when it was not sent.
func (c *call) header(name string) string { return string(c.req.Request.Header.Peek(name)) }

// origin is scheme and host under which the client knows the server.
func (c *call) origin() string { return origin(c.req) }

// decode reads the request's body into dst, a pointer to what package schema can
// decode.
func (c *call) decode(dst any) error {
	body := c.req.PostBody()
	var problems []schema.Problem
	if len(body) == 0 || isJSON(c.req.Request.Header.ContentType()) {
		problems = schema.Decode(body, []any{"body"}, dst)
	} else {
		body, problems = schema.DecodeText(body, []any{"body"}, dst)
	}
	if len(problems) > 0 {
		return &invalid{body: body, problems: problems}
	}
	return nil
}

// window reads the body of a request for a part of a list into q, and says which
// part it is. A limit beyond the server's is refused with a text of its own.
func (c *call) window(q interface {
	Window(most int) (limit, offset int, err error)
}) (limit, offset int, err error) {
	if err := c.decode(q); err != nil {
		return 0, 0, err
	}
	if limit, offset, err = q.Window(c.config.DefaultLimit); err != nil {
		return 0, 0, ops.Unprocessable(err.Error())
	}
	return limit, offset, nil
}

// later does something when the answer is on its way. The server waits for it when it
// stops; a failure is only logged. Nothing of the request may be used any more.
func (c *call) later(what string, do func(ctx context.Context) error) {
	if !c.requests.enter() {
		return
	}
	log := c.log()
	go func() {
		defer c.requests.leave()
		ctx, cancel := context.WithTimeout(c.background, c.config.RequestTimeout)
		defer cancel()
		if err := do(ctx); err != nil {
			log.Warn("could not "+what, "err", err)
		}
	}()
}

// isJSON reports whether a body of a content type is read as JSON; one that does
// not say what it is, is.
func isJSON(contentType []byte) bool {
	if len(contentType) == 0 {
		return true
	}
	kind, _, err := mime.ParseMediaType(string(contentType))
	if err != nil && kind == "" {
		return false
	}
	subtype, ok := strings.CutPrefix(kind, "application/")
	return ok && (subtype == "json" || strings.HasSuffix(subtype, "+json"))
}

// query reads the parameters of the request's query into dst, a pointer to a
// struct with `_ struct{} "check:params"`. Of a parameter that comes twice the
// last one counts.
func (c *call) query(dst any) error {
	problems := schema.DecodeQuery(c.queryValue, dst)
	if len(problems) > 0 {
		return &invalid{problems: problems}
	}
	return nil
}

func (c *call) queryValue(name string) (value string, ok bool) {
	for k, v := range c.req.QueryArgs().All() {
		if string(k) == name {
			value, ok = string(v), true
		}
	}
	return value, ok
}

// reply answers with v as JSON.
func (c *call) reply(status int, v any) error {
	buf := buffers.Get().(*bytes.Buffer)
	defer release(buf)
	if err := prefect.AppendJSON(buf, v); err != nil {
		return err
	}
	c.write(status, "application/json", buf.Bytes())
	return nil
}

// replyMade answers with what a request made (201) or found as it is (200).
func (c *call) replyMade(made bool, v any) error {
	if made {
		return c.reply(201, v)
	}
	return c.reply(200, v)
}

// empty answers without a body: 204 and nothing else.
func (c *call) empty() error {
	c.req.SetStatusCode(fasthttp.StatusNoContent)
	return nil
}

// text answers with a body that is no JSON.
func (c *call) text(status int, contentType string, body []byte) error {
	c.write(status, contentType, body)
	return nil
}

// setHeader adds a header to the answer.
func (c *call) setHeader(name, value string) { c.req.Response.Header.Set(name, value) }

// write puts an answer into the response, compressed when that pays. The body is
// copied.
func (c *call) write(status int, contentType string, body []byte) {
	c.req.SetStatusCode(status)
	c.req.SetContentType(contentType)
	if !compress(c.req, body) {
		c.req.SetBody(body)
	}
}

// buffers are those that answers are encoded in.
var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// maxPooled keeps one big answer from occupying memory for ever.
const maxPooled = 1 << 20

func release(buf *bytes.Buffer) {
	if buf.Cap() <= maxPooled {
		buf.Reset()
		buffers.Put(buf)
	}
}
