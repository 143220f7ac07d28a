package store

import (
	"bytes"
	"cmp"
	"maps"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"prefectd/prefect"
)

// thing is a row with indexes of every kind.
type thing struct {
	ID    prefect.ID   `row:"1"`
	Kind  uint8        `row:"2"`
	At    prefect.Time `row:"3"`
	Name  string       `row:"4"`
	Alias *string      `row:"5"`
	Tags  []string     `row:"6"`
	Ref   prefect.ID   `row:"7"`
}

func newThings() (t *Table[thing], byKind, byName, byAlias, byTag *Index[thing]) {
	byKind = &Index[thing]{
		Number: 1, Version: 1, Cover: prefect.ColumnSet(2, 3, 5, 7), TalliedBy: 1,
		Keys: func(r *thing, k Key, add func(Key)) { add(k.Byte(r.Kind).Time(r.At)) },
	}
	byName = &Index[thing]{
		Number: 2, Version: 1,
		Keys: func(r *thing, k Key, add func(Key)) { add(k.String(r.Name)) },
	}
	byAlias = &Index[thing]{
		Number: 3, Version: 1, Unique: true, Cover: prefect.ColumnSet(4),
		Keys: func(r *thing, k Key, add func(Key)) {
			if r.Alias != nil {
				add(k.String(*r.Alias))
			}
		},
	}
	byTag = &Index[thing]{
		Number: 4, Version: 1, Extract: func(r *thing, b []byte) []byte { return append(b, r.Name...) },
		Keys: func(r *thing, k Key, add func(Key)) {
			for i, tag := range r.Tags {
				if !slices.Contains(r.Tags[:i], tag) {
					add(k.String(tag).Time(r.At))
				}
			}
		},
	}
	t = NewTable("things", 7, 16, func(r *thing, k Key) Key { return k.ID(r.ID) }, byKind, byName, byAlias, byTag)
	return t, byKind, byName, byAlias, byTag
}

// machine does to two state files, one of which is a replica, what a model in
// memory tells the outcome of.
type machine struct {
	table                          *Table[thing]
	byKind, byName, byAlias, byTag *Index[thing]
	db, replica                    *DB
	batch                          *Batch
	rows                           map[prefect.ID]thing // in the file
	now                            map[prefect.ID]thing // with the batch
	marks                          []int
	at                             []map[prefect.ID]thing
}

var (
	someTexts = []string{"", "a", "ab", "a\x00", "a\x00b", "b", "\xff", "ü"}
	someTimes = []prefect.Time{0, 1, 2, 1 << 40}
)

func someID(n int) prefect.ID { return prefect.ID{byte(n * 37), 15: byte(n)} }

func (m *machine) draw(t *rapid.T) thing {
	r := thing{
		ID: someID(rapid.IntRange(0, 12).Draw(t, "id")), Kind: uint8(rapid.IntRange(0, 3).Draw(t, "kind")),
		At: rapid.SampledFrom(someTimes).Draw(t, "at"), Name: rapid.SampledFrom(someTexts).Draw(t, "name"),
		Tags: rapid.SliceOfN(rapid.SampledFrom(someTexts), 0, 3).Draw(t, "tags"), Ref: someID(rapid.IntRange(0, 3).Draw(t, "ref")),
	}
	if alias := rapid.SampledFrom(someTexts).Draw(t, "alias"); rapid.Bool().Draw(t, "has alias") {
		taken := func(o thing) bool { return o.ID != r.ID && o.Alias != nil && *o.Alias == alias }
		if !slices.ContainsFunc(slices.Collect(maps.Values(m.now)), taken) {
			r.Alias = &alias
		}
	}
	return r
}

func (m *machine) open(t require.TestingT) {
	var err error
	m.batch, err = m.db.Batch()
	require.NoError(t, err)
	m.now, m.marks, m.at = maps.Clone(m.rows), nil, nil
}

func (m *machine) Put(t *rapid.T) {
	r := m.draw(t)
	m.table.Put(m.batch.Tx(), &r)
	m.now[r.ID] = r
}

func (m *machine) Delete(t *rapid.T) {
	id := someID(rapid.IntRange(0, 12).Draw(t, "id"))
	m.table.Delete(m.batch.Tx(), Key{}.ID(id))
	delete(m.now, id)
}

func (m *machine) Savepoint(t *rapid.T) {
	m.marks, m.at = append(m.marks, m.batch.Savepoint()), append(m.at, maps.Clone(m.now))
}

func (m *machine) Rollback(t *rapid.T) {
	if len(m.marks) == 0 {
		t.Skip("no savepoint")
	}
	n := rapid.IntRange(0, len(m.marks)-1).Draw(t, "savepoint")
	m.batch.Rollback(m.marks[n])
	m.now, m.marks, m.at = m.at[n], m.marks[:n], m.at[:n]
}

func (m *machine) Commit(t *rapid.T) {
	changes := m.batch.Changes()
	seen := map[string]bool{}
	for _, c := range changes {
		require.False(t, seen[string(c.Key)], "a row comes once")
		seen[string(c.Key)] = true
	}
	require.NoError(t, m.batch.Close())
	for _, db := range []*DB{m.db, m.replica} {
		require.NoError(t, db.Update(func(w *Writer) error { return w.Apply(changes) }))
	}
	m.rows = m.now
	m.open(t)
}

func (m *machine) Abandon(t *rapid.T) {
	require.NoError(t, m.batch.Close())
	m.open(t)
}

// Flush brings one of the files up to date, while the batch is open.
func (m *machine) Flush(t *rapid.T) {
	db := rapid.SampledFrom([]*DB{m.db, m.replica}).Draw(t, "db")
	require.NoError(t, db.Sync())
	require.NoError(t, db.ViewFile(func(tx *Tx) error { m.compare(t, tx, m.rows); return nil }))
}

func (m *machine) Check(t *rapid.T) {
	m.compare(t, m.batch.Tx(), m.now)
	for _, db := range []*DB{m.db, m.replica} {
		require.NoError(t, db.View(func(tx *Tx) error { m.compare(t, tx, m.rows); return nil }))
	}
}

func (m *machine) compare(t *rapid.T, tx *Tx, rows map[prefect.ID]thing) {
	require.Equal(t, len(rows), m.table.Count(tx, Range{}))
	for n := range 13 {
		key := Key{}.ID(someID(n))
		want, ok := rows[someID(n)]
		require.Equal(t, ok, m.table.Has(tx, key))
		if !ok {
			require.Nil(t, m.table.Get(tx, key))
			continue
		}
		require.Equal(t, &want, m.table.Get(tx, key))
		if want.Alias != nil {
			require.Equal(t, &want, m.byAlias.Find(tx, Key{}.String(*want.Alias)))
		}
	}
	m.compareIndex(t, tx, m.byKind, rows, func(n int) Key { return Key{}.Byte(byte(n)) })
	m.compareIndex(t, tx, m.byName, rows, func(n int) Key { return Key{}.String(someTexts[n]) })
	m.compareIndex(t, tx, m.byAlias, rows, func(n int) Key { return Key{}.String(someTexts[n]) })
	m.compareIndex(t, tx, m.byTag, rows, func(n int) Key { return Key{}.String(someTexts[n]) })
}

// expected is an entry as it should be.
type expected struct {
	key, primary Key
	row          thing
}

func (e expected) full(unique bool) Key {
	if unique {
		return e.key
	}
	return slices.Concat(e.key, e.primary)
}

// compareIndex looks at all entries, at a range of them, and at some merged ranges.
func (m *machine) compareIndex(t *rapid.T, tx *Tx, ix *Index[thing], rows map[prefect.ID]thing, prefix func(n int) Key) {
	var all []expected
	for _, r := range rows {
		ix.Keys(&r, nil, func(k Key) { all = append(all, expected{slices.Clone(k), Key{}.ID(r.ID), r}) })
	}
	desc := rapid.Bool().Draw(t, "desc")
	inOrder := func(a, b Key) int {
		if desc {
			a, b = b, a
		}
		return bytes.Compare(a, b)
	}
	slices.SortFunc(all, func(a, b expected) int { return inOrder(a.full(ix.Unique), b.full(ix.Unique)) })
	within := func(r Range) (list []expected) {
		for _, e := range all {
			k := e.full(ix.Unique)
			if bytes.HasPrefix(k, r.Prefix) && bytes.Compare(k, r.From) >= 0 && (r.To == nil || bytes.Compare(k, r.To) < 0) {
				list = append(list, e)
			}
		}
		return list
	}
	one := Range{Prefix: prefix(rapid.IntRange(0, 3).Draw(t, "prefix")), Desc: desc}
	part := Range{Desc: desc}
	if rapid.Bool().Draw(t, "from") {
		part.From = prefix(rapid.IntRange(0, 3).Draw(t, "from"))
	}
	if rapid.Bool().Draw(t, "to") {
		part.To = prefix(rapid.IntRange(0, 3).Draw(t, "to"))
	}
	for _, r := range []Range{{Desc: desc}, one, part} {
		m.compareEntries(t, tx, ix, within(r), r)
		require.Equal(t, len(within(r)), ix.Count(tx, r))
	}
	var several []Range
	var merged []expected
	for _, n := range rapid.SliceOfNDistinct(rapid.IntRange(0, 3), 1, 3, rapid.ID).Draw(t, "prefixes") {
		r := Range{Prefix: prefix(n), Desc: desc}
		several, merged = append(several, r), append(merged, within(r)...)
	}
	rest := func(e expected) Key {
		for _, r := range several {
			if k := e.full(ix.Unique); bytes.HasPrefix(k, r.Prefix) {
				return k[len(r.Prefix):]
			}
		}
		panic("in no range")
	}
	slices.SortFunc(merged, func(a, b expected) int {
		return cmp.Or(inOrder(rest(a), rest(b)), bytes.Compare(a.key, b.key))
	})
	m.compareMerged(t, tx, ix, merged, rest, several)
}

func (m *machine) compareEntries(t *rapid.T, tx *Tx, ix *Index[thing], want []expected, r Range) {
	read, n := ix.Reader(prefect.AllColumns), 0
	var row thing
	for e := range ix.Entries(tx, r) {
		require.Less(t, n, len(want))
		require.Equal(t, want[n].key, e.Key)
		require.Equal(t, want[n].primary, e.Primary)
		if ix.Extract != nil {
			require.Equal(t, want[n].row.Name, string(e.Extract()))
		}
		read(&e, &row)
		covered := want[n].row
		m.onlyCovered(ix, &covered)
		require.Equal(t, covered, row)
		n++
	}
	require.Equal(t, len(want), n)
	n = 0
	for row := range ix.Rows(tx, r) {
		require.Equal(t, want[n].row, *row)
		n++
	}
}

// onlyCovered clears what the index does not carry.
func (m *machine) onlyCovered(ix *Index[thing], r *thing) {
	for i := range ix.table.codec.fields {
		if f := &ix.table.codec.fields[i]; !ix.Cover.Has(f.num) {
			f.clear(fieldOf(r, f))
		}
	}
}

func (m *machine) compareMerged(t *rapid.T, tx *Tx, ix *Index[thing], want []expected, rest func(expected) Key, ranges []Range) {
	n := 0
	s := ix.Scan(tx, ranges...)
	for s.Next() {
		require.Less(t, n, len(want))
		require.Equal(t, rest(want[n]), s.Rest())
		n++
	}
	require.False(t, s.Next(), "the end stays the end")
	require.Equal(t, len(want), n)
}

func TestTablesAgainstAModel(t *testing.T) {
	table, byKind, byName, byAlias, byTag := newThings()
	rapid.Check(t, func(rt *rapid.T) {
		dir := t.TempDir()
		m := &machine{table: table, byKind: byKind, byName: byName, byAlias: byAlias, byTag: byTag, rows: map[prefect.ID]thing{}}
		for i, db := range []**DB{&m.db, &m.replica} {
			opened, err := Open(filepath.Join(dir, string(rune('a'+i))), Schema{table}, Options{NoSync: true})
			require.NoError(rt, err)
			*db = opened
			defer opened.Close()
		}
		m.open(rt)
		defer func() { require.NoError(rt, m.batch.Close()) }()
		rt.Repeat(map[string]func(*rapid.T){
			"put": m.Put, "put again": m.Put, "delete": m.Delete, "savepoint": m.Savepoint, "rollback": m.Rollback,
			"commit": m.Commit, "abandon": m.Abandon, "flush": m.Flush, "": m.Check,
		})
	})
}
