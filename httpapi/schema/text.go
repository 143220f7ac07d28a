package schema

import "reflect"

// DecodeText reads a body that was not sent as JSON into dst. The reference takes
// it for one text; where an endpoint has several parameters, it sees none of them.
// It also returns the body as Refusal wants it.
func DecodeText(body []byte, loc []any, dst any) (echo []byte, problems []Problem) {
	echo = []byte(quote(string(body)))
	if programOf(reflect.TypeOf(dst).Elem()).params != nil {
		return echo, Decode(nil, loc, dst)
	}
	return echo, Decode(echo, loc, dst)
}
