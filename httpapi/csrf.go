package httpapi

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"time"

	"github.com/valyala/fasthttp"

	"prefectd/ops"
	"prefectd/prefect"
)

// CSRF says whether requests that change something need a token.
type CSRF struct {
	Enabled bool
	Lasts   time.Duration // of a token; an hour
}

// Headers of a request with a token.
const (
	csrfTokenHeader  = "Prefect-Csrf-Token"
	csrfClientHeader = "Prefect-Csrf-Client"
)

// The refusals. Clients fetch a new token when they see part of the last one.
var (
	errNoCSRFToken    = ops.Forbidden("Missing CSRF token.")
	errNoCSRFClient   = ops.Forbidden("Missing client identifier.")
	errWrongCSRFToken = ops.Forbidden("Invalid CSRF token or client identifier.")
)

// checkCSRF refuses a request that changes something and has no token.
func (s *Server) checkCSRF(c *call) error {
	if !s.config.CSRF.Enabled || !changes(string(c.req.Method())) {
		return nil
	}
	token, client := c.header(csrfTokenHeader), c.header(csrfClientHeader)
	switch {
	case token == "":
		return errNoCSRFToken
	case client == "":
		return errNoCSRFClient
	}
	ctx, cancel := context.WithTimeout(s.base, s.config.RequestTimeout)
	defer cancel()
	ok, err := ops.IsCSRFToken(ctx, s.backend, client, token)
	if err == nil && !ok {
		c.req.Response.Header.Set(fasthttp.HeaderAccessControlAllowOrigin, "*")
		err = errWrongCSRFToken
	}
	return err
}

func changes(method string) bool {
	switch method {
	case "POST", "PUT", "PATCH", "DELETE":
		return true
	}
	return false
}

// tokenBytes is how many random bytes a token has.
const tokenBytes = 32

// csrfToken gives a client a token. If the protection is off, clients look for the text
// that says so.
func csrfToken(c *call) error {
	var query struct {
		_      struct{} `check:"params"`
		Client string   `json:"client" check:"required"`
	}
	if err := c.query(&query); err != nil {
		return err
	}
	if !c.config.CSRF.Enabled {
		return ops.Unprocessable("CSRF protection is disabled.")
	}
	random := make([]byte, tokenBytes)
	_, _ = rand.Read(random) // it never fails
	issue := &ops.IssueCSRFToken{Client: query.Client, Token: hex.EncodeToString(random), Lasts: prefect.Duration(c.config.CSRF.Lasts / time.Microsecond)}
	return replyWith[*prefect.CSRFToken](c)(ops.Do[*prefect.CSRFToken](c.ctx, c.backend, ops.Coordination, issue))
}
