package httpapi

import (
	"strings"

	"prefectd/httpapi/webui"
)

// UI says how the web UIs are served.
type UI struct {
	Enabled bool
	Pages   *webui.UI
	Base    string // path under which they are served
	APIURL  string // that browsers call; by default the address that they came to
	Default string // v1 or v2
}

// uiSettings is what a UI has to know of its server.
type uiSettings struct {
	APIURL    string   `json:"api_url"`
	CSRF      bool     `json:"csrf_enabled"`
	Auth      *string  `json:"auth"` // BASIC, or null if the API asks for no credentials
	Flags     []string `json:"flags"`
	Default   string   `json:"default_ui"`
	Available []string `json:"available_uis"`
	V1        *string  `json:"v1_base_url"`
	V2        *string  `json:"v2_base_url"`
}

// page answers a request for something of the UIs; false says that it is none.
func (s *Server) page(c *call, path string) bool {
	ui := &s.config.UI
	if path == strings.TrimRight(ui.Base, "/")+"/ui-settings" && (c.req.IsGet() || c.req.IsHead()) {
		c.setHeader("Cache-Control", "no-cache")
		if err := c.reply(200, s.uiSettings(c)); err != nil {
			c.fail(err)
		}
		return true
	}
	switch {
	case !ui.Enabled:
		return false
	case ui.Pages.Serve(c.req, path):
		c.pattern = "ui"
		return true
	case path == "/" && c.req.IsGet():
		c.req.SetContentType("text/html; charset=utf-8")
		c.req.SetBodyString(noUI)
		return true
	}
	return false
}

func (s *Server) uiSettings(c *call) *uiSettings {
	ui := &s.config.UI
	told := &uiSettings{APIURL: ui.APIURL, CSRF: s.config.CSRF.Enabled, Flags: []string{}, Default: ui.Default, Available: []string{}}
	if told.APIURL == "" {
		told.APIURL = c.origin() + s.config.BasePath
	}
	if s.config.AuthString != "" {
		basic := "BASIC"
		told.Auth = &basic
	}
	if !ui.Enabled {
		return told
	}
	v1, v2 := ui.Pages.Bases()
	if v1 != "" {
		told.Available, told.V1 = append(told.Available, "v1"), &v1
	}
	if v2 != "" {
		told.Available, told.V2 = append(told.Available, "v2"), &v2
	}
	return told
}

// noUI is shown where the UI would be.
const noUI = `<!doctype html>
<meta charset="utf-8">
<title>prefectd</title>
<style>body { font: 16px/1.5 system-ui, sans-serif; max-width: 40em; margin: 4em auto; padding: 0 1em }</style>
<h1>prefectd runs</h1>
<p>Its API is at <code>/api</code>, and <a href="/cluster">/cluster</a> shows the node or nodes. The web UI was not built in: that takes Python and
a network when <code>scripts/build</code> runs. To add it, build again with both, or start the server with <code>--ui-dir</code> and the folder
<code>prefect/server</code> of an installed Prefect ` + webui.Version + `:</p>
<pre>prefectd server --ui-dir "$(python -c 'import prefect, os; print(os.path.dirname(prefect.__file__))')/server"</pre>
`
