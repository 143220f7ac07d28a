package cluster

// Level is the newest of the formats that this program knows, of log entries and rows.
// A group writes only those that every member of the cluster knows.
//
// Level 2: log entries carry a checksum.
const Level = 2

// SetLevel says which formats all members know. A new group is at level 1.
func (g *Group) SetLevel(level int) { g.fsm.SetLevel(level) }
