package httpapi

import (
	"context"
	"errors"
	"strconv"

	"prefectd/httpapi/schema"
	"prefectd/ops"
)

// invalid is a request that does not validate.
type invalid struct {
	body     []byte // as JSON or as it came; nil when the problems are not in it
	problems []schema.Problem
}

func (e *invalid) Error() string { return "Invalid request received." }

// detail and message are the two shapes of errors.
type (
	detail struct {
		Text string `json:"detail"`
	}
	message struct {
		Text string `json:"exception_message"`
	}
)

// Answers that need no more than their text.
var (
	errNotFound    = ops.NotFound("Not Found")
	errUnavailable = ops.Unavailable("Service Unavailable")
	errGivenUp     = ops.UnknownOutcome("Bad Gateway: the request took too long, and may still take place")
	errInternal    = &ops.Error{Status: 500, Shape: ops.ExceptionMessage, Detail: "Internal Server Error"}
	errUnauthorize = &ops.Error{Status: 401, Shape: ops.ExceptionMessage, Detail: "Unauthorized"}
)

// retryAfter is how many seconds a client waits before it sends again what was
// not done.
const retryAfter = 1

// fail answers with an error. This is the only place that knows how errors are
// told; whatever is no refusal is a defect, of which the client learns nothing
// and the log all.
func (c *call) fail(err error) {
	var wrong *invalid
	if errors.As(err, &wrong) {
		if err = c.failInvalid(wrong); err == nil {
			return
		}
	}
	var refusal *ops.Error
	switch {
	case errors.As(err, &refusal):
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		c.log().Warn("request was given up", "err", err)
		if refusal = errUnavailable; c.route != nil && c.route.Kind == write {
			refusal = errGivenUp
		}
	default:
		c.log().Error("request failed", "err", err)
		refusal = errInternal
	}
	if refusal.Retryable {
		c.setHeader("Retry-After", strconv.Itoa(retryAfter))
	}
	for name, value := range refusal.Headers {
		c.setHeader(name, value)
	}
	var body any = detail{refusal.Detail}
	if refusal.Shape == ops.ExceptionMessage {
		body = message{refusal.Detail}
	}
	c.reply(refusal.Status, body) // two texts can be encoded
}

// failInvalid answers with the problems of a request.
func (c *call) failInvalid(wrong *invalid) error {
	status, body, err := schema.Refusal(wrong.body, wrong.problems)
	if err != nil {
		return err
	}
	c.write(status, "application/json", body)
	return nil
}
