// Package node is the life of one prefectd process: its settings, its data
// folder, the groups it hosts, and what runs beside them. It puts the other
// packages together and answers to the HTTP layer as its backend.
package node
