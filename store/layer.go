package store

import (
	"bytes"
	"fmt"
	"maps"
	"sync"

	"github.com/tidwall/btree"
	"go.etcd.io/bbolt"
)

// tree holds keys and values of one bucket that are not in the file; a nil value
// is a deletion.
type tree = btree.Map[string, []byte]

// layer is what was applied and is not in the file yet: rows, index entries and
// marks of the state machine. It never changes: each Update puts another in its
// place, which shares most of its nodes. So views of different ages can use it
// side by side.
type layer struct {
	trees   map[bucketID]*tree
	tallies tallies // how many keys there are, where that changed
	meta    map[string][]byte
	size    int // bytes of its keys and values
}

// layerBytes is how much is applied before it begins to go to the file, in one
// transaction beside which more can be applied. Most of what a commit costs is
// pages, and the rows of a run that is under way, their index entries and the ends
// of the tables lie on the same few pages again and again.
const layerBytes = 1 << 20

// edit is a layer with writes over it.
type edit struct {
	base    *layer
	trees   map[bucketID]*tree // those that were written to; nil if none can be
	tallies tallies            // where they changed
	grown   int                // bytes more than the base
	copying *sync.Mutex        // held to copy a tree of the base, which marks it
}

// begin prepares an edit to be written to.
func (e *edit) begin() { e.trees, e.tallies = map[bucketID]*tree{}, tallies{} }

// tree is a bucket's keys as the edit leaves them; nil if it has none.
func (e *edit) tree(id bucketID) *tree {
	if t := e.trees[id]; t != nil {
		return t
	}
	return e.base.trees[id]
}

// own is a bucket's tree to write to.
func (e *edit) own(id bucketID) *tree {
	t := e.trees[id]
	if t == nil {
		if under := e.base.trees[id]; under == nil {
			t = btree.NewMap[string, []byte](treeDegree)
		} else {
			e.copying.Lock()
			t = under.Copy()
			e.copying.Unlock()
		}
		e.trees[id] = t
	}
	return t
}

// set writes a key and returns what was there.
func (e *edit) set(id bucketID, key string, value []byte) (old []byte, had bool) {
	old, had = e.own(id).Set(key, value)
	e.grown += len(value) - len(old)
	if !had {
		e.grown += len(key)
	}
	return old, had
}

// unset takes back a set.
func (e *edit) unset(id bucketID, key string, old []byte, had bool) {
	var now []byte
	if had {
		now, _ = e.own(id).Set(key, old)
	} else {
		now, _ = e.own(id).Delete(key)
		e.grown -= len(key)
	}
	e.grown += len(old) - len(now)
}

// layer is the base with the edit's writes and marks.
func (e *edit) layer(meta map[string][]byte) *layer {
	next := &layer{
		trees: map[bucketID]*tree{}, tallies: tallies{}, meta: map[string][]byte{}, size: e.base.size + e.grown,
	}
	maps.Copy(next.tallies, e.base.tallies)
	maps.Copy(next.tallies, e.tallies)
	maps.Copy(next.trees, e.base.trees)
	maps.Copy(next.trees, e.trees)
	maps.Copy(next.meta, e.base.meta)
	maps.Copy(next.meta, meta)
	return next
}

// treeDegree is small because the first write to a node that another version
// shares copies it.
const treeDegree = 4

// fill starts to bring the layer to the file when it is large enough. The caller
// holds db.writing.
func (db *DB) fill() {
	if db.layer.size < layerBytes || !db.flushing.TryLock() {
		return
	}
	over := db.layer
	db.background.Go(func() {
		defer db.flushing.Unlock()
		db.flush(over) // the next writer is told of what fails
	})
}

// wait holds up writers when the layer grows faster than the file takes it in,
// and tells what has failed there.
func (db *DB) wait() error {
	if db.top().size > 4*layerBytes {
		db.flushing.Lock()
		//lint:ignore SA2001 to have waited is all
		db.flushing.Unlock()
	}
	if err := db.failed.Load(); err != nil {
		return *err
	}
	return nil
}

// flush brings a layer to the file, and leaves over it what was written since. The
// caller holds db.flushing.
func (db *DB) flush(over *layer) (err error) {
	if len(over.trees) == 0 && len(over.meta) == 0 {
		return nil
	}
	defer func() {
		if err != nil {
			db.failed.Store(&err)
		}
	}()
	defer recoverCorrupt(db.path, &err)
	if err := db.save(over); err != nil {
		return fmt.Errorf("state file %s: %w", db.path, err)
	}
	old, err := db.grownOld()
	if err != nil {
		return err
	}
	// A view that began before this has the same keys in the file and over it.
	db.writing.Lock()
	defer db.writing.Unlock()
	db.put(db.layer.without(over))
	if !old {
		return nil
	}
	return db.renew()
}

// grownOld reports whether it is time to open the file anew: much was written to it, and
// nobody has a view of it just now. It then has its list of free pages.
func (db *DB) grownOld() (bool, error) {
	stats := db.bolt.Stats()
	if stats.TxStats.GetPageAlloc() < db.opts.RenewEvery || !db.gate.TryLock() {
		return false, nil
	}
	db.gate.Unlock()
	db.gate.RLock()
	defer db.gate.RUnlock()
	if err := db.saveFreeList(); err != nil {
		return false, fmt.Errorf("state file %s: %w", db.path, err)
	}
	return true, nil
}

// renew opens the file anew unless somebody has a view of it. bbolt remembers every page
// that it ever allocated for as long as the page is in use, so a file that grows would
// take memory that grows. Everybody waits meanwhile, so nothing is written here.
func (db *DB) renew() error {
	if !db.gate.TryLock() {
		return nil
	}
	defer db.gate.Unlock()
	if err := db.bolt.Close(); err != nil {
		return fmt.Errorf("close state file %s: %w", db.path, err)
	}
	return db.openFile()
}

// save writes a layer to the file.
func (db *DB) save(over *layer) error {
	db.gate.RLock()
	defer db.gate.RUnlock()
	return db.bolt.Update(func(tx *bbolt.Tx) error {
		f := &file{tx: tx, db: db}
		for id, t := range over.trees {
			if err := f.write(id, t); err != nil {
				return err
			}
		}
		for name, v := range over.meta {
			if err := tx.Bucket(metaBucket).Put(metaKey(name), v); err != nil {
				return err
			}
		}
		return over.tallies.save(tx)
	})
}

// without is what a layer has that an earlier one, which it came from, has not.
func (l *layer) without(earlier *layer) *layer {
	rest := &layer{trees: map[bucketID]*tree{}, tallies: tallies{}, meta: map[string][]byte{}}
	for id, t := range l.trees {
		if t == earlier.trees[id] {
			continue
		}
		if newer := since(t, earlier.trees[id]); newer.Len() > 0 {
			rest.trees[id] = newer
			for it := newer.Iter(); it.Next(); {
				rest.size += len(it.Key()) + len(it.Value())
			}
		}
	}
	for k, n := range l.tallies {
		if was, ok := earlier.tallies[k]; !ok || was != n {
			rest.tallies[k] = n
		}
	}
	for name, v := range l.meta {
		if !bytes.Equal(v, earlier.meta[name]) {
			rest.meta[name] = v
		}
	}
	return rest
}

// since is what a tree has that an earlier one has not. Keys stay in a tree, so
// both are walked side by side.
func since(t, earlier *tree) *tree {
	newer := btree.NewMap[string, []byte](treeDegree)
	was := new(tree).Iter()
	if earlier != nil {
		was = earlier.Iter()
	}
	more := was.Next()
	for it := t.Iter(); it.Next(); {
		if more && was.Key() == it.Key() {
			same := (was.Value() == nil) == (it.Value() == nil) && bytes.Equal(was.Value(), it.Value())
			if more = was.Next(); same {
				continue
			}
		}
		newer.Load(it.Key(), it.Value())
	}
	return newer
}

// top is the layer that lies over the file.
func (db *DB) top() *layer {
	db.swap.RLock()
	defer db.swap.RUnlock()
	return db.layer
}

// put puts a layer in the place of the one that lies over the file.
func (db *DB) put(l *layer) {
	db.swap.Lock()
	defer db.swap.Unlock()
	db.layer = l
}

// file is a write transaction of the file itself.
type file struct {
	tx *bbolt.Tx
	db *DB
}

func (f *file) bucket(id bucketID) (*bbolt.Bucket, error) {
	b, err := f.tx.CreateBucketIfNotExists(id[:])
	if err != nil {
		return nil, err
	}
	// Where keys grow, pages are left nearly full.
	if f.db.tables[id[0]].growing(id[1]) {
		b.FillPercent = 0.9
	}
	return b, nil
}

// write puts a bucket's new keys in their order.
func (f *file) write(id bucketID, t *tree) error {
	b, err := f.bucket(id)
	if err != nil {
		return err
	}
	for it := t.Iter(); it.Next(); {
		if value := it.Value(); value != nil {
			err = b.Put([]byte(it.Key()), value)
		} else {
			err = b.Delete([]byte(it.Key()))
		}
		if err != nil {
			return err
		}
	}
	return nil
}
