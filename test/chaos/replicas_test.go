//go:build linux

package chaos

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"

	"prefectd/store"
)

// own is what a replica says of itself: where it is in the log, and who the members
// were by then. All else has to be the same.
var own = map[string]bool{"meta/m.applied": true, "meta/m.configuration": true}

// errBehind: a replica was stopped before it had everything.
var errBehind = errors.New("a replica is behind")

// stops is how often the nodes are stopped until none is behind.
const stops = 5

// requireEqualReplicas stops the nodes and compares their state files, row by row.
func (c *cluster) requireEqualReplicas() {
	var err error
	for range stops {
		var holders map[int][]*node
		holders, err = c.settle(c.t.Context())
		require.NoError(c.t, err)
		require.NoError(c.t, c.each((*node).stop))
		if err = c.compareReplicas(holders); !errors.Is(err, errBehind) {
			break
		}
		_, calm := c.calm(c.t.Context())
		require.NoError(c.t, calm)
	}
	require.NoError(c.t, err)
}

// settle waits until all replicas of every group have applied the same, and answers
// who holds them.
func (c *cluster) settle(ctx context.Context) (holders map[int][]*node, err error) {
	ctx, cancel := context.WithTimeout(ctx, calmTime)
	defer cancel()
	for {
		same, at := true, map[int]uint64{}
		holders = map[int][]*node{}
		for _, n := range c.nodes {
			status, err := n.status(ctx)
			if err != nil {
				return nil, err
			}
			for _, g := range status.Groups {
				same = same && (holders[g.Group] == nil || at[g.Group] == g.Applied)
				at[g.Group], holders[g.Group] = g.Applied, append(holders[g.Group], n)
			}
		}
		if same {
			return holders, nil
		}
		if err := wait(ctx, 50*time.Millisecond); err != nil {
			return nil, fmt.Errorf("the replicas have not applied the same: %w", err)
		}
	}
}

func (c *cluster) compareReplicas(holders map[int][]*node) error {
	for _, group := range c.groups.All() {
		file := func(n *node) string { return filepath.Join(n.folder, "groups", strconv.Itoa(group), "state.db") }
		first := holders[group][0]
		for _, n := range holders[group] {
			if err := store.Verify(file(n)); err != nil {
				return err
			}
			if err := compareFiles(file(first), file(n)); err != nil {
				return fmt.Errorf("group %d, %s and %s: %w", group, first.host.Name, n.host.Name, err)
			}
		}
	}
	return nil
}

// compareFiles compares two state files that nobody has open.
func compareFiles(a, b string) error {
	return view(a, func(x *bbolt.Tx) error {
		return view(b, func(y *bbolt.Tx) error {
			if base(x) != base(y) {
				return fmt.Errorf("%w: entries %d and %d", errBehind, base(x), base(y))
			}
			return compareEntries(entries(x), entries(y))
		})
	})
}

func view(path string, fn func(*bbolt.Tx) error) (err error) {
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{ReadOnly: true, Timeout: time.Second})
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return db.View(fn)
}

// base is the last log entry that changed rows.
func base(tx *bbolt.Tx) uint64 {
	if meta := tx.Bucket([]byte("meta")); meta != nil {
		if mark := meta.Get([]byte("m.applied")); len(mark) == 24 {
			return binary.BigEndian.Uint64(mark[16:])
		}
	}
	return 0
}

// entry is a key of a file, with its bucket's name, and what it holds.
type entry struct {
	key   string
	value []byte
}

// entries are all of a file, in their order, but a replica's own.
func entries(tx *bbolt.Tx) iter.Seq[entry] {
	return func(yield func(entry) bool) {
		c := tx.Cursor()
		for name, _ := c.First(); name != nil; name, _ = c.Next() {
			in := tx.Bucket(name).Cursor()
			for k, v := in.First(); k != nil; k, v = in.Next() {
				if e := (entry{string(name) + "/" + string(k), v}); !own[e.key] && !yield(e) {
					return
				}
			}
		}
	}
}

// compareEntries tells of the first difference.
func compareEntries(a, b iter.Seq[entry]) error {
	next, stop := iter.Pull(b)
	defer stop()
	for x := range a {
		y, more := next()
		if !more || x.key != y.key {
			return fmt.Errorf("one holds %q, the other %q in its place", x.key, y.key)
		}
		if !bytes.Equal(x.value, y.value) {
			return fmt.Errorf("%q holds %q and %q", x.key, x.value, y.value)
		}
	}
	if y, more := next(); more {
		return fmt.Errorf("only one holds %q", y.key)
	}
	return nil
}

// TestCompareFiles compares files that differ in one thing.
func TestCompareFiles(t *testing.T) {
	applied := func(index, base uint64) []byte {
		v := binary.BigEndian.AppendUint64(nil, index)
		return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(v, 1), base)
	}
	type file map[string]map[string][]byte
	write := func(f file) string {
		path := filepath.Join(t.TempDir(), "state.db")
		db, err := bbolt.Open(path, 0o600, nil)
		require.NoError(t, err)
		require.NoError(t, db.Update(func(tx *bbolt.Tx) error {
			for name, rows := range f {
				b, err := tx.CreateBucket([]byte(name))
				for k, v := range rows {
					err = errors.Join(err, b.Put([]byte(k), v))
				}
				if err != nil {
					return err
				}
			}
			return nil
		}))
		require.NoError(t, db.Close())
		return path
	}
	one := write(file{"meta": {"m.applied": applied(7, 5)}, "a": {"x": []byte("1"), "y": []byte("2")}})
	for _, test := range []struct {
		name   string
		other  file
		expect string
	}{
		{"the same, later, an empty bucket", file{"meta": {"m.applied": applied(9, 5), "m.configuration": {1}}, "a": {"x": []byte("1"), "y": []byte("2")}, "b": {}}, ""},
		{"behind", file{"meta": {"m.applied": applied(7, 4)}, "a": {"x": []byte("1")}}, "a replica is behind"},
		{"another value", file{"meta": {"m.applied": applied(7, 5)}, "a": {"x": []byte("1"), "y": []byte("3")}}, `"a/y" holds "2" and "3"`},
		{"a row less", file{"meta": {"m.applied": applied(7, 5)}, "a": {"y": []byte("2")}}, `one holds "a/x"`},
		{"a row less at the end", file{"meta": {"m.applied": applied(7, 5)}, "a": {"x": []byte("1")}}, `one holds "a/y"`},
		{"a row more", file{"meta": {"m.applied": applied(7, 5)}, "a": {"x": []byte("1"), "y": []byte("2"), "z": {}}}, `only one holds "a/z"`},
		{"a table more", file{"meta": {"m.applied": applied(7, 5)}, "a": {"x": []byte("1"), "y": []byte("2")}, "b": {"x": {}}}, `only one holds "b/x"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := compareFiles(one, write(test.other))
			if test.expect == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, test.expect)
		})
	}
}
