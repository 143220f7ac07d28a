package httpapi

func rootRoutes() []route {
	return []route{
		{Method: "GET", Path: "/health", Scope: open, Kind: stale, AnyVersion: true, Handle: health, Doc: "Whether the process lives."},
		{Method: "GET", Path: "/ready", Scope: open, Kind: stale, Handle: ready, Doc: "Whether the node can serve requests."},
		{Method: "GET", Path: "/hello", Kind: stale, Handle: hello, Doc: "Says hello."},
		{Method: "GET", Path: "/version", Kind: stale, AnyVersion: true, Handle: version, Doc: "The API's version."},
		{Method: "GET", Path: "/csrf-token", Kind: write, Handle: csrfToken, Doc: "A token against cross-site requests."},
	}
}

func health(c *call) error { return c.reply(200, true) }

func ready(c *call) error {
	type answer struct {
		Message string `json:"message"`
	}
	if err := c.backend.Ready(c.ctx); err != nil {
		c.log().Info("not ready", "err", err)
		return c.reply(503, answer{"Database is not available"})
	}
	return c.reply(200, answer{"OK"})
}

func hello(c *call) error { return c.reply(200, "👋") }

func version(c *call) error { return c.reply(200, apiVersion) }
