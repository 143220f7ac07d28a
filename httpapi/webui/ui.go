package webui

import (
	"errors"
	"io/fs"
	"strings"

	"github.com/valyala/fasthttp"
)

// Config says which UIs are served and where.
type Config struct {
	Folder string // with ui and ui-v2, instead of what is embedded
	Base   string // path of version 1; version 2 is below it at v2. If it ends in /v2, it is that of version 2
	NewUI  bool   // whether browsers are led to version 2
}

// UI is both versions.
type UI struct {
	v1, v2 *site // nil if it is not there
	newUI  bool
}

// cookie is what a browser says that wants another version than the default.
const cookie = "prefect_ui_version"

// Open makes ready what there is.
func Open(c Config) (*UI, error) {
	a, err := openArchive(c.Folder)
	if err != nil {
		return nil, err
	}
	base := strings.TrimRight(c.Base, "/")
	base = strings.TrimSuffix(base, "/v2")
	u := &UI{newUI: c.NewUI}
	if a == nil {
		return u, nil
	}
	u.v1 = a.site("ui", base)
	u.v2 = a.site("ui-v2", base+"/v2")
	return u, nil
}

// site is one of the UIs, nil if the archive has no first page of it.
func (a *archive) site(folder, base string) *site {
	if a.files[folder+"/index.html"] == nil {
		return nil
	}
	return &site{archive: a, folder: folder, base: base, edited: map[string]*file{}}
}

// Bases are the paths of both versions, empty for one that is not there.
func (u *UI) Bases() (v1, v2 string) {
	if u.v1 != nil {
		v1 = u.v1.base + "/"
		if u.v1.base != "" {
			v1 = u.v1.base
		}
	}
	if u.v2 != nil {
		v2 = u.v2.base
	}
	return v1, v2
}

// Serve answers a request whose path is below one of the UIs; false says that it is
// not, or that nothing is there.
func (u *UI) Serve(ctx *fasthttp.RequestCtx, p string) bool {
	if u.v2 != nil {
		if p == u.v2.base {
			redirect(ctx, p+"/")
			return true
		}
		if rest, ok := strings.CutPrefix(p, u.v2.base+"/"); ok {
			return u.v2.serve(ctx, rest)
		}
	}
	if u.v1 == nil {
		return false
	}
	rest, ok := strings.CutPrefix(p, u.v1.base+"/")
	if !ok && p != u.v1.base {
		return false
	}
	if rest == "" && u.v2 != nil && u.newUI && visits(ctx) && string(ctx.Request.Header.Cookie(cookie)) != "v1" {
		redirect(ctx, u.v2.base+"/")
		return true
	}
	return u.v1.serve(ctx, rest)
}

// redirect leads a browser on, with its query.
func redirect(ctx *fasthttp.RequestCtx, to string) {
	if query := ctx.URI().QueryString(); len(query) > 0 {
		to += "?" + string(query)
	}
	ctx.Response.Header.Set(fasthttp.HeaderLocation, to)
	ctx.SetStatusCode(fasthttp.StatusTemporaryRedirect)
}

// visits reports whether a browser asks for a page to show.
func visits(ctx *fasthttp.RequestCtx) bool {
	h := &ctx.Request.Header
	if !ctx.IsGet() && !ctx.IsHead() {
		return false
	}
	switch string(h.Peek("Sec-Fetch-Dest")) {
	case "document", "iframe":
		return true
	}
	return string(h.Peek("Sec-Fetch-Mode")) == "navigate" || strings.Contains(string(h.Peek(fasthttp.HeaderAccept)), "text/html")
}

// wantsPage reports whether a client takes a page, however little it likes it.
func wantsPage(ctx *fasthttp.RequestCtx) bool {
	for part := range strings.SplitSeq(string(ctx.Request.Header.Peek(fasthttp.HeaderAccept)), ",") {
		kind, parameters, _ := strings.Cut(part, ";")
		switch strings.TrimSpace(kind) {
		case "text/html", "application/xhtml+xml":
			quality := strings.TrimRight(strings.ReplaceAll(parameters, " ", ""), "0")
			return quality != "q=" && quality != "q=0."
		}
	}
	return false
}

const firstPage = "index.html"

// serve answers with a file, or with the first page where a browser asks for a page that
// the UI makes itself.
func (s *site) serve(ctx *fasthttp.RequestCtx, rest string) bool {
	name := inside(rest)
	if name == "" {
		name = firstPage
	}
	f, err := s.find(name)
	read := ctx.IsGet() || ctx.IsHead()
	switch {
	case err == nil && !read:
		ctx.Response.Header.Set(fasthttp.HeaderAllow, "GET, HEAD")
		ctx.Error(`{"detail":"Method Not Allowed"}`, fasthttp.StatusMethodNotAllowed)
		ctx.SetContentType("application/json")
		return true
	case errors.Is(err, fs.ErrNotExist) && read && wantsPage(ctx):
		name = firstPage
		f, err = s.find(name)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return false
	}
	if err == nil {
		err = f.send(ctx, strings.HasPrefix(name, "assets/"))
	}
	if err != nil {
		ctx.Error(err.Error(), fasthttp.StatusInternalServerError)
	}
	return true
}

// send answers with a file. The names of assets have a hash in them, so they can be kept.
func (f *file) send(ctx *fasthttp.RequestCtx, asset bool) error {
	h := &ctx.Response.Header
	h.Set(fasthttp.HeaderETag, f.tag)
	h.Set(fasthttp.HeaderLastModified, string(fasthttp.AppendHTTPDate(nil, f.source.Modified.UTC())))
	h.Set(fasthttp.HeaderVary, "Accept-Encoding, Origin")
	h.Set(fasthttp.HeaderAcceptRanges, "bytes")
	h.Set(fasthttp.HeaderCacheControl, "no-cache")
	if asset {
		h.Set(fasthttp.HeaderCacheControl, "public, max-age="+keepSeconds+", immutable")
	}
	if strings.Contains(string(ctx.Request.Header.Peek(fasthttp.HeaderIfNoneMatch)), f.tag) {
		ctx.SetStatusCode(fasthttp.StatusNotModified)
		return nil
	}
	ctx.SetContentType(f.kind)
	part := ctx.Request.Header.Peek(fasthttp.HeaderRange)
	if f.zipped != nil && len(part) == 0 && strings.Contains(string(ctx.Request.Header.Peek(fasthttp.HeaderAcceptEncoding)), "gzip") {
		h.Set(fasthttp.HeaderContentEncoding, "gzip")
		ctx.SetBody(f.zipped)
		return nil
	}
	body, err := f.content()
	if err != nil {
		return err
	}
	if len(part) > 0 {
		from, to, err := fasthttp.ParseByteRange(part, len(body))
		if err != nil {
			ctx.Error("", fasthttp.StatusRequestedRangeNotSatisfiable)
			return nil
		}
		h.SetContentRange(from, to, len(body))
		ctx.SetStatusCode(fasthttp.StatusPartialContent)
		body = body[from : to+1]
	}
	ctx.SetBody(body)
	return nil
}

// keepSeconds is a year.
const keepSeconds = "31536000"
