// Package facts has clients that keep servers busy and note what was answered.
// Each fact is a claim about what must be there afterwards, whatever was done to
// the servers: a write that was answered is there once, one without an answer may
// have happened or not, but never in part.
package facts
