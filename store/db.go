package store

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"
)

// Options of a state file.
type Options struct {
	// NoSync leaves it to the operating system when what goes to the file reaches
	// the disk: for tests, or where a file that a crash of the system left is
	// discarded.
	NoSync bool
	// RenewEvery is how many bytes of pages are written before the file is opened
	// anew; 0 means 256 MiB.
	RenewEvery int64
	// LockTimeout is how long Open waits for another process that has the file
	// open; 0 means one second.
	LockTimeout time.Duration
}

// DB is one state file.
type DB struct {
	path   string
	schema Schema
	opts   Options
	tables [256]AnyTable

	gate sync.RWMutex // held for reading by every transaction, for writing while the file is replaced
	bolt *bbolt.DB

	flushing   sync.Mutex   // one flush at a time; locked before writing, and that before gate
	writing    sync.Mutex   // one change of the layer at a time
	swap       sync.RWMutex // held for reading while a view takes a layer and the file that it lies over
	layer      *layer       // what was applied and is not in the file yet
	background sync.WaitGroup
	failed     atomic.Pointer[error] // why what was applied does not go to the file
	settled    *layer                // what Settle saw the last time
	copying    sync.Mutex            // one copy of a tree at a time
}

// Schema lists the tables that a state file can hold.
type Schema []AnyTable

var metaBucket = []byte("meta")

// fileFormat is the version of the file's layout.
const fileFormat = 1

// mmapRoom is how much more of a file is mapped than it has. To map more later, bbolt
// waits until every view has ended, while nothing can be read or written; and a view
// that is copied lasts long. It is address space, not memory.
const mmapRoom = 8 << 30

// Open opens or creates a state file and rebuilds the indexes whose declaration
// changed since it was written.
func Open(path string, schema Schema, o Options) (*DB, error) {
	db := &DB{path: path, schema: schema, opts: o}
	if db.opts.RenewEvery == 0 {
		db.opts.RenewEvery = 256 << 20
	}
	for _, t := range schema {
		if db.tables[t.Number()] != nil {
			return nil, fmt.Errorf("tables %s and %s share number %d", db.tables[t.Number()].Name(), t.Name(), t.Number())
		}
		db.tables[t.Number()] = t
	}
	if err := db.open(); err != nil {
		return nil, err
	}
	return db, nil
}

func (db *DB) open() error {
	if err := db.openFile(); err != nil {
		return err
	}
	db.layer = &layer{}
	if err := db.prepare(); err != nil {
		return errors.Join(err, db.bolt.Close())
	}
	return nil
}

func (db *DB) openFile() error {
	wait := db.opts.LockTimeout
	if wait == 0 {
		wait = time.Second
	}
	size := int64(0)
	if info, err := os.Stat(db.path); err == nil {
		size = info.Size()
	}
	bolt, err := openBolt(db.path, &bbolt.Options{
		Timeout:         wait,
		NoSync:          db.opts.NoSync,
		NoFreelistSync:  true,
		FreelistType:    bbolt.FreelistMapType,
		InitialMmapSize: int(min(size+mmapRoom, math.MaxInt)),
	})
	if err == nil {
		db.bolt = bolt
	}
	return err
}

// closeFile closes the file with its list of free pages in it.
func (db *DB) closeFile() error {
	err := errors.Join(db.saveFreeList(), db.bolt.Close())
	if err != nil {
		return fmt.Errorf("close state file %s: %w", db.path, err)
	}
	return nil
}

// saveFreeList brings the list of free pages to the file, so that the next to open it
// needn't look for them in all of its pages. It holds until something is written.
func (db *DB) saveFreeList() error {
	db.bolt.NoFreelistSync = false
	defer func() { db.bolt.NoFreelistSync = true }()
	return db.bolt.Update(func(*bbolt.Tx) error { return nil })
}

// openBolt opens a bbolt file; a damaged one is an error that names it, also
// where the library panics.
func openBolt(path string, o *bbolt.Options) (bolt *bbolt.DB, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("state file %s is damaged: %v", path, r)
		}
	}()
	bolt, err = bbolt.Open(path, 0o600, o)
	if err != nil {
		return nil, fmt.Errorf("state file %s: %w", path, err)
	}
	return bolt, nil
}

// prepare makes the buckets and brings the indexes up to date.
func (db *DB) prepare() error {
	var stale []staleIndex
	fresh, counted := false, false
	err := db.view(func(tx *bbolt.Tx) error {
		if err := checkSize(db.path, tx); err != nil {
			return err
		}
		meta := tx.Bucket(metaBucket)
		if fresh = meta == nil; fresh {
			return nil
		}
		if v := meta.Get([]byte("format")); len(v) != 1 || v[0] != fileFormat {
			return fmt.Errorf("state file %s has format %x, this version knows %d: start the version that wrote it, or restore a backup", db.path, v, fileFormat)
		}
		stale, counted = db.staleIndexes(meta), tx.Bucket(tallyBucket) != nil
		return nil
	})
	if err != nil {
		return err
	}
	if fresh {
		return db.create()
	}
	if !counted { // before a rebuild begins to count what it makes
		if err := db.countAll(); err != nil {
			return fmt.Errorf("state file %s: count: %w", db.path, err)
		}
	}
	for _, s := range stale {
		if err := db.rebuild(s); err != nil {
			return fmt.Errorf("state file %s: rebuild index %d of %s: %w", db.path, s.index, s.table.Name(), err)
		}
	}
	return nil
}

func (db *DB) create() error {
	return db.bolt.Update(func(tx *bbolt.Tx) error {
		meta, err := tx.CreateBucketIfNotExists(metaBucket)
		if err != nil {
			return err
		}
		if err := meta.Put([]byte("format"), []byte{fileFormat}); err != nil {
			return err
		}
		if _, err := tx.CreateBucketIfNotExists(tallyBucket); err != nil {
			return err
		}
		for _, t := range db.schema {
			for number, version := range t.indexVersions() {
				if err := meta.Put(versionKey(t, number), versionValue(version)); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// Close brings to the file what was applied, and closes it; open transactions end
// first.
func (db *DB) Close() error {
	db.flushing.Lock()
	defer db.flushing.Unlock()
	db.background.Wait()
	err := db.flush(db.top())
	db.gate.Lock()
	defer db.gate.Unlock()
	if err != nil {
		return errors.Join(err, db.bolt.Close())
	}
	return db.closeFile()
}

// Path is the file's path.
func (db *DB) Path() string { return db.path }

func (db *DB) begin() (*Tx, error) {
	db.gate.RLock()
	db.swap.RLock()
	defer db.swap.RUnlock()
	return db.beginOver(db.layer)
}

// beginOver opens a view of the file with a layer over it. The caller holds the
// gate, which is let go of when the view ends.
func (db *DB) beginOver(over *layer) (*Tx, error) {
	file, err := db.bolt.Begin(false)
	if err != nil {
		db.gate.RUnlock()
		return nil, fmt.Errorf("state file %s: %w", db.path, err)
	}
	return &Tx{file: file, buckets: make(map[bucketID]*bbolt.Bucket, 8), over: &edit{base: over, copying: &db.copying}, release: db.gate.RUnlock}, nil
}

// end closes the view; it may be called once more.
func (tx *Tx) end() error {
	if tx.release == nil {
		return nil
	}
	err := tx.file.Rollback()
	tx.release()
	tx.release = nil
	return err
}

// View runs fn on a consistent view of the newest state. A corrupt row is an error.
func (db *DB) View(fn func(*Tx) error) error {
	tx, err := db.begin()
	if err != nil {
		return err
	}
	return db.look(tx, fn)
}

// ViewFile brings to the file what was applied, then runs fn on a view of the file
// alone.
func (db *DB) ViewFile(fn func(*Tx) error) error {
	if err := db.Sync(); err != nil {
		return err
	}
	db.gate.RLock()
	tx, err := db.beginOver(&layer{})
	if err != nil {
		return err
	}
	return db.look(tx, fn)
}

func (db *DB) look(tx *Tx, fn func(*Tx) error) (err error) {
	defer func() { err = errors.Join(err, tx.end()) }()
	defer recoverCorrupt(db.path, &err)
	return fn(tx)
}

// recoverCorrupt makes an error of the panic that a damaged row or page causes.
func recoverCorrupt(path string, err *error) {
	switch r := recover().(type) {
	case nil:
	case Corrupt:
		*err = fmt.Errorf("state file %s: %w", path, r)
	case string:
		if !strings.HasPrefix(r, "assertion failed") && !strings.HasPrefix(r, "invalid page type") { // of bbolt
			panic(r)
		}
		*err = fmt.Errorf("state file %s is damaged, restore a backup: %s", path, r)
	default:
		panic(r)
	}
}

// view is a read transaction of the file itself.
func (db *DB) view(fn func(*bbolt.Tx) error) (err error) {
	defer recoverCorrupt(db.path, &err)
	return db.bolt.View(fn)
}

// Writer is one write transaction: what Apply uses.
type Writer struct {
	tx   *Tx
	db   *DB
	meta map[string][]byte
}

// Update runs fn in one transaction, which every later view shows when Update
// returns nil, and which is undone when fn fails. It is durable after a later Sync
// or Close; what is lost by a crash before are the last transactions, each as a
// whole, so whoever keeps a log finds in the marks of the file where to go on.
func (db *DB) Update(fn func(*Writer) error) error {
	if err := db.wait(); err != nil {
		return err
	}
	db.writing.Lock()
	defer db.writing.Unlock()
	tx, err := db.begin()
	if err != nil {
		return err
	}
	tx.over.begin()
	w := &Writer{tx: tx, db: db, meta: map[string][]byte{}}
	err = db.look(tx, func(*Tx) error {
		if err := fn(w); err != nil {
			return fmt.Errorf("state file %s: %w", db.path, err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	db.put(tx.over.layer(w.meta))
	db.fill()
	return nil
}

// Apply writes rows and maintains their index entries.
func (w *Writer) Apply(changes []Change) error {
	for _, c := range changes {
		t := w.db.tables[c.Table]
		if t == nil {
			return fmt.Errorf("table %d is not known to this version", c.Table)
		}
		put, err := t.entries(nil, c.Key, c.Value, 0)
		if err == nil {
			err = w.tx.write(t, c.Key, c.Value, put)
		}
		if err != nil {
			return fmt.Errorf("table %s: %w", t.Name(), err)
		}
	}
	return nil
}

// Adopt takes over what a batch has worked out: the rows and index entries that
// Apply would write for its changes. It reports whether it did; it does not if
// anything was applied, or went to the file, since the batch began. The batch is
// closed, and not used any more.
func (w *Writer) Adopt(b *Batch) bool {
	if b.tx.over.base != w.tx.over.base || len(w.tx.over.trees) > 0 {
		return false
	}
	w.tx.over = b.tx.over
	return true
}

func metaKey(name string) []byte { return []byte("m." + name) }

// SetMeta stores a value of the state machine itself, such as the applied index.
func (w *Writer) SetMeta(name string, v []byte) { w.meta[name] = v }

// Meta reads what SetMeta stored; nil if it never did.
func (tx *Tx) Meta(name string) []byte {
	if v, ok := tx.over.base.meta[name]; ok {
		return v
	}
	return bytes.Clone(tx.file.Bucket(metaBucket).Get(metaKey(name)))
}

// WriteTo copies the whole file as this view, which must be one of the file
// alone, sees it.
func (tx *Tx) WriteTo(w io.Writer) (int64, error) { return tx.file.WriteTo(w) }

// Sync brings everything that was applied to the disk.
func (db *DB) Sync() error {
	db.flushing.Lock()
	defer db.flushing.Unlock()
	if err := db.flush(db.top()); err != nil {
		return err
	}
	db.gate.RLock()
	defer db.gate.RUnlock()
	return db.bolt.Sync()
}

// Settle is called now and then: it brings to the file what was applied before the
// last time, if nothing was since. Queries are fastest when all is in the file, and
// so is the next start.
func (db *DB) Settle() error {
	db.flushing.Lock()
	defer db.flushing.Unlock()
	top := db.top()
	if top != db.settled {
		db.settled = top
		return nil
	}
	return db.flush(top)
}

// Stats are what bbolt tells of the file since it was opened the last time.
func (db *DB) Stats() bbolt.Stats {
	db.gate.RLock()
	defer db.gate.RUnlock()
	return db.bolt.Stats()
}

// Unflushed is about how many bytes were applied and are not in the file yet.
func (db *DB) Unflushed() int { return db.top().size }

// Size is what the file holds: all pages, and those of them that are free, in bytes.
func (db *DB) Size() (total, free int64) {
	db.gate.RLock()
	defer db.gate.RUnlock()
	info, err := os.Stat(db.path)
	if err != nil {
		return 0, 0
	}
	stats := db.bolt.Stats()
	return info.Size(), int64(stats.FreePageN+stats.PendingPageN) * int64(os.Getpagesize())
}

// Prepare verifies a state file that is to take this one's place, and does beforehand
// what takes long when it is opened: to look for its free pages, and to rebuild indexes.
func (db *DB) Prepare(path string) error {
	if err := Verify(path); err != nil {
		return err
	}
	other, err := Open(path, db.schema, db.opts)
	if err != nil {
		return err
	}
	return other.Close()
}

// Replace puts another, prepared state file in the place of this one, and drops
// what was applied to it. It waits for open transactions; those that come meanwhile
// wait for it.
func (db *DB) Replace(path string) error {
	// The room that the old file takes is given back when nobody has it open, which
	// takes a while: not while everybody waits.
	old, err := os.Open(db.path)
	if err != nil {
		return fmt.Errorf("replace state file: %w", err)
	}
	defer old.Close()
	db.flushing.Lock()
	defer db.flushing.Unlock()
	db.writing.Lock()
	defer db.writing.Unlock()
	db.gate.Lock()
	defer db.gate.Unlock()
	if err := db.bolt.Close(); err != nil {
		return fmt.Errorf("close state file %s: %w", db.path, err)
	}
	if err := os.Rename(path, db.path); err != nil {
		return errors.Join(fmt.Errorf("replace state file: %w", err), db.open())
	}
	dir, err := os.Open(filepath.Dir(db.path))
	if err != nil {
		return errors.Join(err, db.open())
	}
	return errors.Join(dir.Sync(), dir.Close(), db.open())
}

// Verify opens a state file read-only and checks its pages and its format.
func Verify(path string) (err error) {
	bolt, err := openBolt(path, &bbolt.Options{ReadOnly: true, Timeout: time.Second})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, bolt.Close()) }()
	return bolt.View(func(tx *bbolt.Tx) error {
		if err := checkSize(path, tx); err != nil {
			return err
		}
		var first error
		for problem := range tx.Check() { // to its end: it goes on until it is heard
			if first == nil {
				first = fmt.Errorf("state file %s is damaged: %w", path, problem)
			}
		}
		if first != nil {
			return first
		}
		meta := tx.Bucket(metaBucket)
		if meta == nil || !bytes.Equal(meta.Get([]byte("format")), []byte{fileFormat}) {
			return fmt.Errorf("state file %s has another format", path)
		}
		return nil
	})
}

// checkSize refuses a file that lost its end: to read there would end the program.
func checkSize(path string, tx *bbolt.Tx) error {
	info, err := os.Stat(path)
	if err == nil && info.Size() < tx.Size() {
		err = fmt.Errorf("state file %s is cut off after %d of %d bytes: restore a backup", path, info.Size(), tx.Size())
	}
	return err
}
