package inputschema

import (
	"cmp"
	"slices"
	"strconv"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
)

// problem is one thing that is wrong with a value.
type problem struct {
	path   []string // of the part of the value that it is about
	schema string   // the location of the schema that it violates
	kind   jsonschema.ErrorKind
	weak   bool      // one of several alternatives would have been enough
	within []problem // what is wrong with each of the alternatives
}

// missing is the property that is required and not there; empty if that is not what is
// wrong.
func (p *problem) missing() string {
	if k, ok := p.kind.(*kind.Required); ok {
		return k.Missing[0]
	}
	return ""
}

// flatten lists what is wrong, in a fixed order.
func flatten(e *jsonschema.ValidationError) []problem {
	p := problem{path: e.InstanceLocation, schema: e.SchemaURL, kind: e.ErrorKind}
	var list []problem
	for _, cause := range e.Causes {
		list = append(list, flatten(cause)...)
	}
	switch k := e.ErrorKind.(type) {
	case *kind.Contains, *kind.MinContains:
	case *kind.AnyOf:
		p.weak, p.within = true, list
	case *kind.OneOf:
		p.weak = true
		if len(k.Subschemas) == 0 {
			p.within = list
		}
	default:
		if len(list) > 0 {
			slices.SortStableFunc(list, func(a, b problem) int { return slices.Compare(a.path, b.path) })
			return list
		}
	}
	return []problem{p}
}

// best chooses the problem to tell of: the one that is nearest to the root of the
// value, because there more is wrong. Of alternatives it is the deepest one,
// because that alternative nearly fits.
func best(list []problem) problem {
	found := list[0]
	for _, p := range list[1:] {
		if relevance(p, found) > 0 {
			found = p
		}
	}
	for len(found.within) > 0 {
		inner := slices.Clone(found.within)
		slices.SortStableFunc(inner, relevance)
		if len(inner) > 1 && relevance(inner[0], inner[1]) == 0 {
			break
		}
		found = inner[0]
	}
	return found
}

// relevance compares problems; the greater one is the more relevant.
func relevance(a, b problem) int {
	return cmp.Or(
		cmp.Compare(len(b.path), len(a.path)),
		slices.CompareFunc(a.path, b.path, compareSteps),
		cmp.Compare(strong(a), strong(b)),
	)
}

func strong(p problem) int {
	if p.weak {
		return 0
	}
	return 1
}

// compareSteps compares two steps of paths: names, or numbers of items.
func compareSteps(a, b string) int {
	x, errX := strconv.Atoi(a)
	y, errY := strconv.Atoi(b)
	if errX == nil && errY == nil {
		return cmp.Compare(x, y)
	}
	return cmp.Compare(a, b)
}
