// Package inputschema holds what people enter to the JSON schemas of parameters
// and of the inputs that a paused run asks for: placeholders in a value are
// replaced first, then the value is validated. Refusals say what the Python server
// would say.
package inputschema
