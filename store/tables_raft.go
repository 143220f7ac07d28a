package store

// Answered is what the operations of one log entry answered, as far as they
// carried an id by which they are recognised when they are sent again.
type Answered struct {
	Base    uint64   `row:"1"` // the data entry before this one: it names the entry
	Time    int64    `row:"2"` // by the leader's clock, microseconds since 1970
	IDs     []byte   `row:"3"` // 16 bytes each
	Answers []string `row:"4"` // encoded, in the order of the ids
}

// Operations remembers recent operations, oldest first. It is every group's, and
// its number is from the other end of the range than those of the domain.
var Operations = NewTable("operations", 240, 8,
	func(a *Answered, k Key) Key { return k.Uint64(a.Base) })
