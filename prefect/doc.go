// Package prefect is the vocabulary of the Prefect API (3.9.1, API version
// 0.8.4): entities, states, policies, filters, sorts, name rules and event
// schemas. It is pure: no I/O, no clock, no random numbers.
//
// Entities serve as table rows and as API answers alike. A `json` tag names a
// field on the wire, a `row` tag numbers it on disk (numbers are never reused);
// a field without a `row` tag is computed when it is read, one with `json:"-"`
// never leaves the server.
package prefect
