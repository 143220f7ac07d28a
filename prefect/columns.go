package prefect

// Columns is a set of row numbers (1 to 63) of an entity: the fields that are
// filled in a partial row, or that an index covers.
type Columns uint64

// AllColumns is the set of a full row.
const AllColumns = ^Columns(0)

// ColumnSet makes a set of row numbers.
func ColumnSet(numbers ...int) Columns {
	var c Columns
	for _, n := range numbers {
		c |= 1 << n
	}
	return c
}

// Has reports whether a row number is in the set.
func (c Columns) Has(number int) bool { return c&(1<<number) != 0 }
