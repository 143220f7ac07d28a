package cluster

// Level is the newest of the formats that this program knows, of log entries and rows.
// A group writes only those that every member of the cluster knows.
const Level = 1
