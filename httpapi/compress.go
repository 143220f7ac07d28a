package httpapi

import (
	"bytes"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/valyala/fasthttp"
)

// compressFrom is the size from which an answer is worth compressing.
const compressFrom = 500

// gzips are writers at the level that costs a server least.
var gzips = sync.Pool{New: func() any {
	w, _ := gzip.NewWriterLevel(nil, gzip.BestSpeed) // the level is valid
	return w
}}

// compress puts a body into the response as gzip, when the client takes that and
// it is big enough; it reports whether it did.
func compress(ctx *fasthttp.RequestCtx, body []byte) bool {
	if len(body) < compressFrom || !bytes.Contains(ctx.Request.Header.Peek(fasthttp.HeaderAcceptEncoding), []byte("gzip")) {
		return false
	}
	w := gzips.Get().(*gzip.Writer)
	defer gzips.Put(w)
	ctx.Response.ResetBody()
	w.Reset(ctx.Response.BodyWriter())
	w.Write(body) // a response in memory takes everything
	w.Close()
	ctx.Response.Header.Set(fasthttp.HeaderContentEncoding, "gzip")
	ctx.Response.Header.Set(fasthttp.HeaderVary, "Accept-Encoding, Origin")
	return true
}
