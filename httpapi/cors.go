package httpapi

import (
	"slices"
	"strings"

	"github.com/valyala/fasthttp"
)

// CORS says from which pages browsers may call the API. An empty list and one
// with "*" allow everything.
type CORS struct {
	Origins, Methods, Headers []string
}

// Methods and headers as the reference lists them.
var (
	corsMethods  = []string{"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "QUERY"}
	corsSafelist = []string{"Accept", "Accept-Language", "Content-Language", "Content-Type"}
)

const (
	corsMaxAge        = "600"
	corsPreflightVary = "Origin, Access-Control-Request-Method, Access-Control-Request-Headers, Access-Control-Request-Private-Network"
)

func anything(list []string) bool { return len(list) == 0 || slices.Contains(list, "*") }

// origin is the value of Access-Control-Allow-Origin for a page, empty when it
// may not call.
func (c *CORS) origin(page string) string {
	switch {
	case anything(c.Origins):
		return "*"
	case slices.Contains(c.Origins, page):
		return page
	}
	return ""
}

// allow adds the headers of an ordinary answer.
func (c *CORS) allow(ctx *fasthttp.RequestCtx) {
	ctx.Response.Header.Set(fasthttp.HeaderVary, "Origin")
	page := ctx.Request.Header.Peek(fasthttp.HeaderOrigin)
	if len(page) == 0 {
		return
	}
	if allowed := c.origin(string(page)); allowed != "" {
		ctx.Response.Header.Set(fasthttp.HeaderAccessControlAllowOrigin, allowed)
	}
}

// preflight answers a browser's question before the call that it wants to make,
// and reports whether the request was one.
func (c *CORS) preflight(ctx *fasthttp.RequestCtx) bool {
	ask := &ctx.Request.Header
	page := string(ask.Peek(fasthttp.HeaderOrigin))
	method := string(ask.Peek(fasthttp.HeaderAccessControlRequestMethod))
	if !ctx.IsOptions() || page == "" || method == "" {
		return false
	}
	answer := &ctx.Response.Header
	answer.Set(fasthttp.HeaderVary, corsPreflightVary)
	answer.Set(fasthttp.HeaderAccessControlMaxAge, corsMaxAge)
	methods := c.Methods
	if anything(methods) {
		methods = corsMethods
	}
	answer.Set(fasthttp.HeaderAccessControlAllowMethods, strings.Join(methods, ", "))

	var refused []string
	if allowed := c.origin(page); allowed != "" {
		answer.Set(fasthttp.HeaderAccessControlAllowOrigin, allowed)
	} else {
		refused = append(refused, "origin")
	}
	if !slices.Contains(methods, method) {
		refused = append(refused, "method")
	}
	if !c.preflightHeaders(ctx) {
		refused = append(refused, "headers")
	}
	if len(ask.Peek("Access-Control-Request-Private-Network")) > 0 {
		refused = append(refused, "private-network")
	}
	ctx.SetContentType("text/plain; charset=utf-8")
	if len(refused) > 0 {
		ctx.SetStatusCode(400)
		ctx.SetBodyString("Disallowed CORS " + strings.Join(refused, ", "))
	} else {
		ctx.SetBodyString("OK")
	}
	return true
}

// preflightHeaders tells which headers may be sent, and whether that covers those
// that were asked for.
func (c *CORS) preflightHeaders(ctx *fasthttp.RequestCtx) bool {
	asked := string(ctx.Request.Header.Peek(fasthttp.HeaderAccessControlRequestHeaders))
	answer := &ctx.Response.Header
	if anything(c.Headers) {
		if asked != "" {
			answer.Set(fasthttp.HeaderAccessControlAllowHeaders, asked)
		}
		return true
	}
	allowed := slices.Concat(corsSafelist, c.Headers)
	slices.Sort(allowed)
	allowed = slices.Compact(allowed)
	answer.Set(fasthttp.HeaderAccessControlAllowHeaders, strings.Join(allowed, ", "))
	if asked == "" {
		return true
	}
	for name := range strings.SplitSeq(asked, ",") {
		name = strings.TrimSpace(name)
		if !slices.ContainsFunc(allowed, func(a string) bool { return strings.EqualFold(a, name) }) {
			return false
		}
	}
	return true
}
