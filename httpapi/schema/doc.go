// Package schema decodes the bodies and queries of requests into Go structs, and
// answers a wrong one as the Python server's validation does: with all problems,
// in its order, its words and its leniency.
//
// A type is compiled once, by reflection, into a tree of functions; Compile does
// it at start-up and panics on a declaration that makes no sense. Decoding passes
// over the text twice: to check its syntax, which has precedence over all other
// problems, and to fill in the value. A problem costs what it costs; a request
// without one allocates little more than its value.
//
// # Types
//
//	string, bool, ints, floats   with the conversions of the reference: "5" and 5.0 are ints
//	prefect.ID, prefect.Time     null unless required, or items of a list
//	prefect.Duration             seconds, or ISO 8601
//	prefect.Enum types           one of their values
//	prefect.JSON                 any value, kept as it was sent; null becomes nil
//	prefect.Labels, TaskInputs   as the reference declares them
//	prefect.StringMap, StringSet objects and sets of texts, null unless required
//	prefect.Opt[T]               a T; Set tells whether it was sent
//	*T                           null or a T
//	[]T, [n]T, Sequence[T], map[string]T
//	structs                      objects; embedded structs add their fields
//
// A struct with Precheck has a rule about what was sent, which comes before all others.
// A type with Check() error has a rule of its own, looked at when the value is
// otherwise right. A struct with SetDefaults() gets it called when all of it is
// decoded, or when it was not sent.
//
// # Tags
//
// Field names come from the json tag. The check tag holds, separated by commas:
//
//	required      must be there, and not be null
//	nullable      may be null
//	notnull       need not be there, but must not be null, in spite of its type
//	falsy         null, "", 0, false, [] and {} all mean null
//	default=X     when not sent; X is JSON or else a text, without a comma
//	fallback=F    when not sent, or empty, the field F (declared before) is read instead
//	ge= gt= le= lt=   the range of a number; int16 is that of 16 bits
//	minlen= maxlen=   characters of a text, items of a list or object
//	oneof=A|B     the texts that a string may be
//	literal       an Enum that is told as literal_error
//	bytes         a string that the reference declares as bytes
//	object        a JSON that must be an object
//	set           a list without duplicates
//	retry_delay   a JSON that is a number or a list of numbers
//	schedule      a JSON that is the schedule of a deployment
//	each=RULE     a named rule for the items of a list or object
//	RULE          a named rule for the value: name, parameters, input_key, cache_key,
//	              event_name, related, related_resource, jitter_factor, clean,
//	              emptyish, job_template, name_or_empty, block_name, object_item,
//	              max_scheduled_runs
//	-             no part of a request, and nothing else in the tag
//
// Problems are told in the order of the fields, so they are declared in that of the
// reference; of the parameters of an endpoint, it looks at the limit first.
//
// The blank field `_ struct{}` says about the whole struct:
//
//	closed        other keys are problems
//	nullable      fields that are neither required nor have a default may be null
//	params        the parameters of an endpoint that takes several: other keys do not
//	              matter, null is the same as not sent, and so is a missing body
//	union         the fields are alternatives, named as in the place of a problem;
//	              the first that can take the value is set
package schema
