// Package store is the table engine over one bbolt file, and the declaration of
// every table.
//
// A table is declared once, with its key, its row type and its indexes (see the
// tables_*.go files); filters, sorts, pages and counts run on those. A row is
// the compact form of a Go struct (codec.go), addressed by the struct's `row`
// tags. Indexes are derived: only rows are replicated, every replica keeps its
// own index entries, and rebuilds those whose declaration changed.
//
// A Tx is a consistent view of the file and of what was applied since (layer.go).
// A Batch adds the writes of operations that are being evaluated on top of such a
// view; what it changed is replicated as a list of Change and applied by a Writer
// on every replica. What was applied goes to the file many entries at a time: the
// replicated log has it until then.
//
// A query walks ranges of a table or an index with a Scan. What index entries carry
// (cover.go) lets it decide on most rows without them; a Projection reads a few
// columns of a row.
//
// Bytes read from the file die with the transaction. Rows returned by this package
// are copies; what an Entry, a Reader and a Projection give is not, and says so.
package store
