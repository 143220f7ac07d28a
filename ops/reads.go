package ops

import (
	"context"
	"fmt"
)

// Reads is what a read is to show.
type Reads byte

// What reads can be asked to show.
const (
	// Linearizable reads show every write that was answered before, on any node: the
	// leader confirms with a majority that it leads.
	Linearizable Reads = iota
	// Stale reads show what the node that was asked has, which may be behind. They are
	// answered also when a group has no leader.
	Stale
)

// UnmarshalText reads a setting or a request's header.
func (r *Reads) UnmarshalText(text []byte) error {
	switch string(text) {
	case "linearizable":
		*r = Linearizable
	case "stale":
		*r = Stale
	default:
		return fmt.Errorf("%q is neither linearizable nor stale", text)
	}
	return nil
}

type readsKey struct{}

// WithReads says what the reads of a request are to show.
func WithReads(ctx context.Context, r Reads) context.Context {
	return context.WithValue(ctx, readsKey{}, r)
}

// ReadsOf is what the reads of a request are to show.
func ReadsOf(ctx context.Context) Reads {
	r, _ := ctx.Value(readsKey{}).(Reads)
	return r
}
