package store

import (
	"bytes"
	"encoding/binary"

	"go.etcd.io/bbolt"
)

type staleIndex struct {
	table AnyTable
	index byte
}

func versionKey(t AnyTable, index byte) []byte { return []byte{'i', t.Number(), index} }

func versionValue(version int) []byte {
	return binary.BigEndian.AppendUint32(nil, uint32(version))
}

func (db *DB) staleIndexes(meta *bbolt.Bucket) (stale []staleIndex) {
	for _, t := range db.schema {
		for _, number := range t.indexNumbers() {
			version := versionValue(t.indexVersions()[number])
			if !bytes.Equal(meta.Get(versionKey(t, number)), version) {
				stale = append(stale, staleIndex{t, number})
			}
		}
	}
	return stale
}

// rebuildRows is the number of rows that one transaction of a rebuild handles.
const rebuildRows = 5000

// rebuild makes an index anew, in steps.
func (db *DB) rebuild(s staleIndex) error {
	for {
		if done, err := db.rebuildStep(s); done || err != nil {
			return err
		}
	}
}

// rebuildStep goes on where the last step of the same version of the index stopped,
// perhaps before a restart.
func (db *DB) rebuildStep(s staleIndex) (done bool, err error) {
	id := bucketID{s.table.Number(), s.index}
	progress := append([]byte("rebuild"), id[:]...)
	version := versionValue(s.table.indexVersions()[s.index])
	err = db.bolt.Update(func(tx *bbolt.Tx) error {
		meta := tx.Bucket(metaBucket)
		from, goOn := bytes.CutPrefix(bytes.Clone(meta.Get(progress)), version)
		if !goOn {
			from = nil
			if err := dropTallies(tx, id); err != nil {
				return err
			}
			if tx.Bucket(id[:]) != nil {
				if err := tx.DeleteBucket(id[:]); err != nil {
					return err
				}
			}
		}
		next, err := (&file{tx: tx, db: db}).index(s, from)
		if err != nil {
			return err
		}
		if next != nil {
			return meta.Put(progress, append(version, next...))
		}
		done = true
		if err := meta.Delete(progress); err != nil {
			return err
		}
		return meta.Put(versionKey(s.table, s.index), version)
	})
	return done && err == nil, err
}

// index writes the entries of up to rebuildRows rows and returns where to go on.
func (f *file) index(s staleIndex, from []byte) (next []byte, err error) {
	rows := f.tx.Bucket([]byte{s.table.Number(), 0})
	if rows == nil {
		return nil, nil
	}
	b, err := f.bucket(bucketID{s.table.Number(), s.index})
	if err != nil {
		return nil, err
	}
	c := rows.Cursor()
	n, by := 0, s.table.talliedBy(s.index)
	counted := tallies{}
	known := func(k tallyKey) int {
		if n, ok := counted[k]; ok {
			return n
		}
		return savedTally(f.tx, k)
	}
	for k, v := c.Seek(from); k != nil; k, v = c.Next() {
		if n++; n > rebuildRows {
			return bytes.Clone(k), counted.save(f.tx)
		}
		entries, err := s.table.entries(nil, k, v, s.index)
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			if err := b.Put(e.key, e.value); err != nil {
				return nil, err
			}
			counted.add(bucketID{s.table.Number(), s.index}, string(e.key), by, 1, known)
		}
	}
	return nil, counted.save(f.tx)
}
