package store

import (
	"bytes"
	"encoding/binary"

	"go.etcd.io/bbolt"
)

// tallyBucket holds how many keys there are, by what tallyKey is in bytes: a bucket
// of bbolt would have to be walked to tell.
var tallyBucket = []byte("tally")

// tallyKey names a number of keys: all of a bucket, or those that begin alike.
type tallyKey struct {
	id     bucketID
	prefix string
}

func (k tallyKey) bytes() []byte { return append(k.id[:], k.prefix...) }

// tallies are numbers of keys.
type tallies map[tallyKey]int

// add counts n more keys that begin like this one; by is the length of the
// beginnings that are told apart, and known what was counted before.
func (t tallies) add(id bucketID, key string, by, n int, known func(tallyKey) int) {
	if n == 0 {
		return
	}
	all := tallyKey{id: id}
	t[all] = known(all) + n
	if by > 0 {
		some := tallyKey{id, key[:by]}
		t[some] = known(some) + n
	}
}

// save writes the numbers to the file.
func (t tallies) save(tx *bbolt.Tx) error {
	b, err := tx.CreateBucketIfNotExists(tallyBucket)
	if err != nil {
		return err
	}
	for k, n := range t {
		if n == 0 {
			err = b.Delete(k.bytes())
		} else {
			err = b.Put(k.bytes(), binary.BigEndian.AppendUint64(nil, uint64(n)))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// savedTally is a number in the file.
func savedTally(tx *bbolt.Tx, k tallyKey) int {
	if b := tx.Bucket(tallyBucket); b != nil {
		if v := b.Get(k.bytes()); len(v) == 8 {
			return int(binary.BigEndian.Uint64(v))
		}
	}
	return 0
}

// dropTallies forgets the numbers of a bucket.
func dropTallies(tx *bbolt.Tx, id bucketID) error {
	b := tx.Bucket(tallyBucket)
	if b == nil {
		return nil
	}
	var gone [][]byte
	for k, _ := b.Cursor().Seek(id[:]); bytes.HasPrefix(k, id[:]); k, _ = b.Cursor().Seek(append(bytes.Clone(k), 0)) {
		gone = append(gone, bytes.Clone(k))
	}
	for _, k := range gone {
		if err := b.Delete(k); err != nil {
			return err
		}
	}
	return nil
}

// countAll makes the numbers of a file that has none.
func (db *DB) countAll() error {
	return db.bolt.Update(func(tx *bbolt.Tx) error {
		counted := tallies{}
		known := func(k tallyKey) int { return counted[k] }
		err := tx.ForEach(func(name []byte, b *bbolt.Bucket) error {
			if len(name) != len(bucketID{}) || db.tables[name[0]] == nil {
				return nil
			}
			by := db.tables[name[0]].talliedBy(name[1])
			return b.ForEach(func(k, _ []byte) error {
				counted.add(bucketID(name), string(k), by, 1, known)
				return nil
			})
		})
		if err != nil {
			return err
		}
		return counted.save(tx)
	})
}

// tally is how many keys a transaction sees.
func (tx *Tx) tally(k tallyKey) int {
	if n, ok := tx.over.tallies[k]; ok {
		return n
	}
	if n, ok := tx.over.base.tallies[k]; ok {
		return n
	}
	return savedTally(tx.file, k)
}
