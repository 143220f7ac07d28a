// Package lab makes a network of hosts out of one machine, for tests of several
// nodes: each host is a network namespace with an address of its own on a bridge.
// What goes from one host to another can be cut, delayed and lost, and disks
// filled up. Linux only, as root, with iproute2.
//
// The tests run inside the lab: their program starts itself again in a network,
// mount and process namespace of its own (Enter), and makes everything there. So
// labs do not meet one another or the machine's own network, and however a test
// ends, the kernel removes what it made with the last of its processes.
package lab
