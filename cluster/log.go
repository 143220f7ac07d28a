package cluster

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"
	raftboltdb "github.com/hashicorp/raft-boltdb/v2"
	"go.etcd.io/bbolt"
)

// logFile is Raft's log and what it must not forget (its term and vote). It
// knows how long the log is, and what to do when it cannot be written.
type logFile struct {
	*raftboltdb.BoltStore
	path       string
	maxEntries int
	maxBytes   int64
	long       chan struct{} // told when the log is longer than it may be

	fail    func(error) // called when the file cannot be written
	running atomic.Bool // Raft has been started

	mu    sync.Mutex
	first uint64   // index of the first entry
	sizes []uint32 // of the entries, from the first on
	bytes int64    // all of them

	reservations []*reservation
}

var (
	_ raft.LogStore    = (*logFile)(nil)
	_ raft.StableStore = (*logFile)(nil)
)

// openLog opens the Raft log; a damaged one is an error that names it, also
// where the library panics.
func openLog(path string, maxEntries int, maxBytes int64, fail func(error)) (l *logFile, err error) {
	defer func() {
		if r := recover(); r != nil {
			l, err = nil, fmt.Errorf("log file %s is damaged: %v", path, r)
		}
	}()
	bolt, err := raftboltdb.New(raftboltdb.Options{
		Path: path,
		BoltOptions: &bbolt.Options{
			Timeout: time.Second, NoFreelistSync: true, FreelistType: bbolt.FreelistMapType, InitialMmapSize: 256 << 20,
		},
	})
	if err != nil {
		return nil, fmt.Errorf("log file %s: %w", path, err)
	}
	l = &logFile{
		BoltStore: bolt, path: path, maxEntries: maxEntries, maxBytes: maxBytes,
		long: make(chan struct{}, 1), fail: fail,
	}
	if err := l.measure(); err != nil {
		return nil, fmt.Errorf("log file %s: %w", path, errors.Join(err, bolt.Close()))
	}
	return l, nil
}

// measure takes the length of the log that is there. How its bytes are spread
// over its entries would have to be read, so they are taken to be alike.
func (l *logFile) measure() error {
	first, err := l.FirstIndex()
	if err != nil {
		return err
	}
	last, err := l.LastIndex()
	if err != nil || last == 0 {
		return err
	}
	info, err := os.Stat(l.path)
	if err != nil {
		return err
	}
	stats := l.Stats()
	used := info.Size() - int64(stats.FreePageN+stats.PendingPageN)*int64(os.Getpagesize())
	l.first, l.sizes = first, make([]uint32, last-first+1)
	for i := range l.sizes {
		l.sizes[i] = uint32(min(used/int64(len(l.sizes)), math.MaxUint32))
		l.bytes += int64(l.sizes[i])
	}
	l.check()
	return nil
}

// extent is the first and the last index of the log, 0 if it is empty, and its
// size.
func (l *logFile) extent() (first, last uint64, bytes int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.sizes) == 0 {
		return 0, 0, 0
	}
	return l.first, l.first + uint64(len(l.sizes)) - 1, l.bytes
}

// check tells if the log is too long.
func (l *logFile) check() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.sizes) > l.maxEntries || l.bytes > l.maxBytes {
		select {
		case l.long <- struct{}{}:
		default:
		}
	}
}

// slack is the part of the bounds that is cut off beyond them, so that the log
// is cut in pieces that are worth a transaction and hold up nobody.
const slack = 16

// keep is how many entries may stay when the log is cut, and whether to cut it is worth
// the while.
func (l *logFile) keep() (entries uint64, worth bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	reserved := l.reserved()
	from, dropped := 0, int64(0)
	for len(l.sizes)-from > 1 && l.first+uint64(from) < reserved &&
		(len(l.sizes)-from > l.maxEntries-l.maxEntries/slack || l.bytes-dropped > l.maxBytes-l.maxBytes/slack) {
		dropped += int64(l.sizes[from])
		from++
	}
	worth = from > 0 && (from >= l.maxEntries/slack || dropped >= l.maxBytes/slack)
	return uint64(len(l.sizes) - from), worth
}

// StoreLog appends one entry.
func (l *logFile) StoreLog(log *raft.Log) error { return l.StoreLogs([]*raft.Log{log}) }

// StoreLogs appends entries.
func (l *logFile) StoreLogs(logs []*raft.Log) error {
	if err := l.BoltStore.StoreLogs(logs); err != nil {
		return l.stopRaft(err)
	}
	l.mu.Lock()
	for _, log := range logs {
		l.append(log.Index, uint32(len(log.Data)+len(log.Extensions)+entryOverhead))
	}
	l.mu.Unlock()
	l.check()
	return nil
}

// entryOverhead is about what the file adds to an entry's data.
const entryOverhead = 64

func (l *logFile) append(index uint64, size uint32) {
	if index <= l.first || index > l.first+uint64(len(l.sizes)) {
		l.first, l.sizes, l.bytes = index, nil, 0 // what is before a gap is no longer needed
	} else {
		l.drop(int(index-l.first), len(l.sizes))
	}
	l.sizes = append(l.sizes, size)
	l.bytes += int64(size)
}

// drop takes some entries out of the account: the first or the last ones.
func (l *logFile) drop(from, to int) {
	for _, size := range l.sizes[from:to] {
		l.bytes -= int64(size)
	}
	if from == 0 {
		l.first += uint64(to)
		l.sizes = l.sizes[to:]
		return
	}
	l.sizes = l.sizes[:from]
}

// DeleteRange removes entries, both ends included: the oldest, as far as they are not
// reserved, or the newest.
func (l *logFile) DeleteRange(low, high uint64) error {
	l.mu.Lock()
	if last := l.first + uint64(len(l.sizes)) - 1; low <= l.first && high < last {
		high = min(high, l.reserved()-1)
	}
	l.mu.Unlock()
	if high < low {
		return nil
	}
	if err := l.BoltStore.DeleteRange(low, high); err != nil {
		err = fmt.Errorf("log file %s: %w", l.path, err)
		l.fail(err)
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	end := l.first + uint64(len(l.sizes))
	if low, high = max(low, l.first), min(high+1, end); low < high {
		l.drop(int(low-l.first), int(high-l.first))
	}
	return nil
}

// Set stores a value, unless it is the one that is there: Raft stores its term
// and vote anew each time it starts.
func (l *logFile) Set(key, value []byte) error {
	if old, err := l.Get(key); err == nil && bytes.Equal(old, value) {
		return nil
	}
	if err := l.BoltStore.Set(key, value); err != nil {
		return l.stopRaft(err)
	}
	return nil
}

// SetUint64 stores a number, unless it is the one that is there.
func (l *logFile) SetUint64(key []byte, value uint64) error {
	if old, err := l.GetUint64(key); err == nil && old == value {
		return nil
	}
	if err := l.BoltStore.SetUint64(key, value); err != nil {
		return l.stopRaft(err)
	}
	return nil
}

// stopRaft ends the goroutine of Raft that found the file unwritable. Raft would
// go on as if it were a passing trouble, and panic as soon as it votes; so it
// steps down here, which answers everyone who waits, and the process can stop in
// good order.
func (l *logFile) stopRaft(err error) error {
	err = fmt.Errorf("log file %s: %w", l.path, err)
	if l.running.Load() {
		l.fail(err)
		runtime.Goexit()
	}
	return err
}
