package ops

import "prefectd/store"

// A deletion of many rows is cut into steps, each an operation, so that other writes
// of the group get in between.

// stepKeys is about how many keys of rows and indexes one step writes: a few
// milliseconds of the group's writer.
const stepKeys = 1000

// deletion is one of them.
type deletion struct {
	tx   *store.Tx
	from int
}

func (c *Context) deletion() deletion { return deletion{c.Tx, c.Tx.Savepoint()} }

// full reports whether what follows has to wait for the next step.
func (d deletion) full() bool { return d.tx.Savepoint()-d.from >= stepKeys }

// deleteLogs removes the logs in a range of store.LogsByRun and answers whether there
// are more than the step takes.
func deleteLogs(d deletion, r store.Range) (more bool) {
	for e := range store.LogsByRun.Entries(d.tx, r) {
		if d.full() {
			return true
		}
		store.Logs.Delete(d.tx, append(store.Key{}, e.Primary...))
	}
	return false
}
