package webui

import (
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/valyala/fasthttp"
)

// folder makes a package's folder with both UIs.
func folder(t *testing.T) string {
	root := t.TempDir()
	for name, content := range map[string]string{
		"ui/index.html":         `<script src="/PREFECT_UI_SERVE_BASE_REPLACE_PLACEHOLDER/assets/a-1.js">v1`,
		"ui/assets/a-1.js":      `base="/PREFECT_UI_SERVE_BASE_REPLACE_PLACEHOLDER"` + strings.Repeat(";", 1000),
		"ui-v2/index.html":      `<script src="/PREFECT_UI_SERVE_BASE_REPLACE_PLACEHOLDER/assets/b-2.js">v2`,
		"ui-v2/assets/b-2.js":   strings.Repeat("no placeholder;", 100),
		"ui-v2/completed.svg":   `<svg/>`,
		"ui-v2/assets/logo.png": "\x89PNG",
		"secret.txt":            "no part of a UI",
	} {
		path := filepath.Join(root, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(content), 0o644))
	}
	return root
}

func open(t *testing.T, base string) *UI {
	u, err := Open(Config{Folder: folder(t), Base: base, NewUI: true})
	require.NoError(t, err)
	return u
}

// ask is a request with headers, given as name: value.
func ask(u *UI, method, path string, headers ...string) (ctx *fasthttp.RequestCtx, served bool) {
	ctx = &fasthttp.RequestCtx{}
	ctx.Request.Header.SetMethod(method)
	ctx.Request.SetRequestURI("http://localhost" + path)
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		ctx.Request.Header.Set(name, value)
	}
	return ctx, u.Serve(ctx, string(ctx.URI().Path()))
}

const page = "Accept: text/html,*/*;q=0.8"

func TestServe(t *testing.T) {
	for _, test := range []struct {
		name, base, method, path string
		headers                  []string
		status                   int // 0: not served
		has, location            string
	}{
		{name: "a browser is led to version 2", path: "/?a=b", headers: []string{page}, status: 307, location: "/v2/?a=b"},
		{name: "by what it fetches", path: "/", headers: []string{"Sec-Fetch-Dest: document"}, status: 307, location: "/v2/"},
		{name: "but not if it wants version 1", path: "/", headers: []string{page, "Cookie: prefect_ui_version=v1"}, status: 200, has: "v1"},
		{name: "nor a program", path: "/", status: 200, has: "v1"},
		{name: "version 2 without a slash", path: "/v2", status: 307, location: "/v2/"},
		{name: "version 2", path: "/v2/", headers: []string{page}, status: 200, has: `src="/v2/assets/b-2.js"`},
		{name: "a page of version 2", path: "/v2/runs/a.b", headers: []string{page}, status: 200, has: "v2"},
		{name: "a page of version 1", path: "/flows", headers: []string{page}, status: 200, has: "v1"},
		{name: "a path that only begins alike", path: "/v2nope", headers: []string{page}, status: 200, has: "v1"},
		{name: "a file", path: "/v2/completed.svg", status: 200, has: "<svg/>"},
		{name: "an edited file", path: "/assets/a-1.js", status: 200, has: `base="";`},
		{name: "a missing file", path: "/assets/nope.js", status: 0},
		{name: "a missing file for a browser", path: "/assets/nope.js", headers: []string{page}, status: 200, has: "v1"},
		{name: "one that takes no page", path: "/flows", headers: []string{"Accept: text/html;q=0.0"}, status: 0},
		{name: "writing a file", method: "POST", path: "/v2/completed.svg", status: 405},
		{name: "writing a page", method: "POST", path: "/flows", headers: []string{page}, status: 0},
		{name: "out of the folder", path: "/v2/../../secret.txt", status: 0},
		{name: "below a path", base: "/pre/", path: "/pre/", headers: []string{page}, status: 307, location: "/pre/v2/"},
		{name: "version 2 below a path", base: "/pre/v2", path: "/pre/v2/", headers: []string{page}, status: 200, has: `src="/pre/v2/assets/b-2.js"`},
		{name: "an edited file below a path", base: "/pre", path: "/pre/assets/a-1.js", status: 200, has: `base="/pre"`},
		{name: "beside the path", base: "/pre", path: "/flows", headers: []string{page}, status: 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			method := test.method
			if method == "" {
				method = "GET"
			}
			ctx, served := ask(open(t, test.base), method, test.path, test.headers...)
			require.Equal(t, test.status != 0, served)
			if served {
				require.Equal(t, test.status, ctx.Response.StatusCode())
				require.Contains(t, string(ctx.Response.Body()), test.has)
				require.Equal(t, test.location, string(ctx.Response.Header.Peek("Location")))
			}
		})
	}
}

func TestHeaders(t *testing.T) {
	u := open(t, "")
	for path, kind := range map[string]string{"/v2/assets/b-2.js": "text/javascript; charset=utf-8", "/assets/a-1.js": "text/javascript; charset=utf-8", "/v2/assets/logo.png": "image/png"} {
		plain, _ := ask(u, "GET", path)
		require.Equal(t, kind, string(plain.Response.Header.ContentType()))
		require.Contains(t, string(plain.Response.Header.Peek("Cache-Control")), "immutable")
		tag := string(plain.Response.Header.Peek("ETag"))
		require.NotEmpty(t, tag)

		packed, _ := ask(u, "GET", path, "Accept-Encoding: gzip, br")
		require.Equal(t, "gzip", string(packed.Response.Header.Peek("Content-Encoding")))
		r, err := gzip.NewReader(bytes.NewReader(packed.Response.Body()))
		require.NoError(t, err)
		body, err := io.ReadAll(r) // checks length and sum
		require.NoError(t, err)
		require.Equal(t, string(plain.Response.Body()), string(body))

		known, _ := ask(u, "GET", path, "If-None-Match: "+tag)
		require.Equal(t, 304, known.Response.StatusCode())
		require.Empty(t, known.Response.Body())

		part, _ := ask(u, "GET", path, "Range: bytes=1-2", "Accept-Encoding: gzip")
		require.Equal(t, 206, part.Response.StatusCode())
		require.Equal(t, string(body[1:3]), string(part.Response.Body()))
		beyond, _ := ask(u, "GET", path, "Range: bytes=99999-")
		require.Equal(t, 416, beyond.Response.StatusCode())
	}
	first, _ := ask(u, "GET", "/v2/")
	require.Equal(t, "no-cache", string(first.Response.Header.Peek("Cache-Control")))
}

func TestBases(t *testing.T) {
	for base, want := range map[string][2]string{"/": {"/", "/v2"}, "": {"/", "/v2"}, "/pre/fix": {"/pre/fix", "/pre/fix/v2"}, "/x/v2": {"/x", "/x/v2"}} {
		v1, v2 := open(t, base).Bases()
		require.Equal(t, want, [2]string{v1, v2})
	}
}

func TestFoldersWithout(t *testing.T) {
	_, err := Open(Config{Folder: filepath.Join(t.TempDir(), "none")})
	require.ErrorContains(t, err, "none")
	one := folder(t)
	require.NoError(t, os.Remove(filepath.Join(one, "ui", "index.html")))
	u, err := Open(Config{Folder: one})
	require.NoError(t, err)
	v1, v2 := u.Bases()
	require.Empty(t, v1)
	require.Equal(t, "/v2", v2)
	_, served := ask(u, "GET", "/flows", page)
	require.False(t, served)
}
