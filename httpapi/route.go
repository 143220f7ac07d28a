package httpapi

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/fasthttp/router"
	"github.com/valyala/fasthttp"

	"prefectd/prefect"
)

// route is one endpoint: the only place that says where it is and who may use it.
type route struct {
	Method string
	Path   string // below the API's mount
	Beside bool   // and beside it too, where a browser looks
	Scope  scope
	Kind   kind
	Handle func(c *call) error
	Doc    string

	AnyVersion bool // answers clients of every API version

	params []string // names of the values in the path
}

// scope says which credentials a route asks for.
type scope byte

const (
	api  scope = iota // those of the API, when the server has any
	open              // none
)

// kind says what a route does to the state.
type kind byte

const (
	write kind = iota // changes it
	read              // sees every write that was answered before
	stale             // may see a state that is a little older
)

func (k kind) String() string { return [...]string{"write", "read", "stale"}[k] }

// routes are all endpoints, by entity.
func routes() []route {
	return slices.Concat(
		rootRoutes(),
		adminRoutes(),
		flowRoutes(),
		flowRunRoutes(),
		taskRunRoutes(),
		flowReadRoutes(),
		flowRunReadRoutes(),
		taskRunReadRoutes(),
		deploymentRoutes(),
		deploymentReadRoutes(),
		stateRoutes(),
		logRoutes(),
		eventRoutes(),
		uiRoutes(),
		concurrencyRoutes(),
		taskWorkerRoutes(),
		workPoolRoutes(),
		workQueueRoutes(),
		tagLimitRoutes(),
		savedSearchRoutes(),
		variableRoutes(),
		automationRoutes(),
		blockRoutes(),
		artifactRoutes(),
		workerRoutes(),
		workPollRoutes(),
		collectionRoutes(),
		clusterRoutes(),
		metricsRoutes(),
		unbuiltRoutes(),
	)
}

// methods are those that routes may have.
var methods = []string{"GET", "POST", "PUT", "PATCH", "DELETE"}

// upgrade stands for a method in the router's tree of websockets; no client can
// send it.
const upgrade = "websocket upgrade"

// table finds the route or channel of a request.
type table struct {
	base   string // the API's mount, such as /api
	router *router.Router
}

func newTable(base string, routes []route, channels []channel) *table {
	t := &table{base: base, router: router.New()}
	for i := range routes {
		r := &routes[i]
		if !slices.Contains(methods, r.Method) {
			panic(fmt.Sprintf("route %s %s: no such method", r.Method, r.Path))
		}
		r.params = pathParams(r.Path)
		t.add(r.Method, t.base+r.Path, r)
		if r.Beside && t.base != "" {
			t.add(r.Method, r.Path, r)
		}
	}
	for i := range channels {
		ch := &channels[i]
		ch.params = pathParams(ch.Path)
		t.add(upgrade, t.base+ch.Path, ch)
	}
	return t
}

// matched is the user value under which the router leaves what it found.
const matched = "matched route"

func (t *table) add(method, path string, found any) {
	t.router.Handle(method, path, func(ctx *fasthttp.RequestCtx) { ctx.SetUserValue(matched, found) })
}

// lookup finds the row for a method and a decoded path, and leaves the values of
// the path in the request. Only the router's tree is used: what it would do with
// slashes, letter case, OPTIONS and unknown methods is not what the reference does.
func (t *table) lookup(ctx *fasthttp.RequestCtx, method, path string) any {
	found, _ := t.router.Lookup(method, path, ctx)
	if found == nil {
		return nil
	}
	found(ctx)
	return ctx.UserValue(matched)
}

// route finds the route of a request, nil if there is none.
func (t *table) route(ctx *fasthttp.RequestCtx, method, path string) *route {
	if !slices.Contains(methods, method) {
		return nil
	}
	r, _ := t.lookup(ctx, method, path).(*route)
	if r == nil || !validParams(ctx, r.params) {
		return nil
	}
	return r
}

// channel finds the websocket of a path, nil if there is none.
func (t *table) channel(ctx *fasthttp.RequestCtx, path string) *channel {
	ch, _ := t.lookup(ctx, upgrade, path).(*channel)
	if ch == nil || !validParams(ctx, ch.params) {
		return nil
	}
	return ch
}

// allowed lists the methods that a path knows.
func (t *table) allowed(ctx *fasthttp.RequestCtx, path string) []string {
	var list []string
	for _, method := range methods {
		if t.route(ctx, method, path) != nil {
			list = append(list, method)
		}
	}
	return list
}

// otherSlash is the path with a slash at its end, or without.
func otherSlash(path string) string {
	if strings.HasSuffix(path, "/") {
		return strings.TrimRight(path, "/")
	}
	return path + "/"
}

var pathParam = regexp.MustCompile(`\{([a-z_]+)\}`)

// pathParams are the names of the values in a path.
func pathParams(path string) (names []string) {
	for _, m := range pathParam.FindAllStringSubmatch(path, -1) {
		names = append(names, m[1])
	}
	return names
}

// isID reports whether a value in a path must be a UUID, by its name.
func isID(name string) bool { return name == "id" || name == "schedule_id" }

// validParams reports whether the values in a path are such that the route
// matches: the router takes an empty one, and any text.
func validParams(ctx *fasthttp.RequestCtx, names []string) bool {
	for _, name := range names {
		value := ctx.UserValue(name).(string)
		if value == "" {
			return false
		}
		if isID(name) {
			if _, ok := parseID(value); !ok {
				return false
			}
		}
	}
	return true
}

// parseID reads a UUID as paths accept it: 32 hexadecimal digits, and each of the
// four dashes or not.
func parseID(s string) (id prefect.ID, ok bool) {
	digits := 0
	for i := 0; i < len(s); i++ {
		c := unhex(s[i])
		switch {
		case c < 16 && digits < 32:
			id[digits/2] = id[digits/2]<<4 | c
			digits++
		case s[i] == '-' && s[i-1] != '-' && (digits == 8 || digits == 12 || digits == 16 || digits == 20):
		default:
			return id, false
		}
	}
	return id, digits == 32
}

// decodePath replaces the escapes of a path, before it is matched: %2F is a
// slash, as the reference sees it. What is no escape stays.
func decodePath(path string) string {
	first := strings.IndexByte(path, '%')
	if first < 0 {
		return path
	}
	b := append(make([]byte, 0, len(path)), path[:first]...)
	for i := first; i < len(path); i++ {
		if path[i] == '%' && i+2 < len(path) {
			high, low := unhex(path[i+1]), unhex(path[i+2])
			if high < 16 && low < 16 {
				b = append(b, high<<4|low)
				i += 2
				continue
			}
		}
		b = append(b, path[i])
	}
	return string(b)
}

// unhex is the value of a hexadecimal digit, 16 or more for what is none.
func unhex(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c|0x20 && c|0x20 <= 'f':
		return c | 0x20 - 'a' + 10
	}
	return 255
}
