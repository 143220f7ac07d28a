// Package templates renders the texts that users write in the template language Jinja, in
// what they tell automations to do and in parameters of runs.
//
// A template comes from anybody who may call the API and is rendered in the server, so it
// can reach nothing but the values that it is given, and not grow without bounds: there is
// no including of files, no method of a value, no multiplication of texts, and few loops
// (the numbers are those of reference/automations.md, "Templates").
package templates

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/nikolalohinski/gonja/v2/builtins"
	"github.com/nikolalohinski/gonja/v2/config"
	"github.com/nikolalohinski/gonja/v2/exec"
	"github.com/nikolalohinski/gonja/v2/loaders"
	"github.com/nikolalohinski/gonja/v2/parser"
	"github.com/nikolalohinski/gonja/v2/tokens"
)

// Bounds of a template.
const (
	maxLoops  = 10
	maxNested = 2
	maxRange  = 100
	maxOutput = 1 << 20 // bytes that it may render to
)

// SyntaxError says what is wrong with a template.
type SyntaxError struct {
	Line    int
	Message string
}

func (e *SyntaxError) Error() string { return e.Message }

// IsTemplate reports whether a text may be a template: others are left as they are.
func IsTemplate(text string) bool {
	return strings.Contains(text, "{{") || strings.Contains(text, "{%")
}

// Validate refuses a text that is no template, by a *SyntaxError.
func Validate(text string) error {
	_, err := parse(text)
	return err
}

// Render renders a template with values by name: those that JSON has.
func Render(text string, values map[string]any) (string, error) {
	if !IsTemplate(text) {
		return text, nil
	}
	t, err := parse(text)
	if err != nil {
		return "", err
	}
	out := &bounded{}
	if err := execute(t, out, values); err != nil {
		return "", fmt.Errorf("Failed to render template due to the following error: %w", err)
	}
	return out.text.String(), nil
}

// execute keeps what goes wrong in the library from ending more than the template.
func execute(t *exec.Template, out *bounded, values map[string]any) (err error) {
	defer func() {
		if failure := recover(); failure != nil {
			err = fmt.Errorf("%v", failure)
		}
	}()
	if err := t.Execute(out, exec.NewContext(values)); err != nil {
		return err
	}
	return out.full
}

// bounded is a buffer that refuses to become too long, and remembers that, because the
// library goes on.
type bounded struct {
	text bytes.Buffer
	full error
}

// Write implements io.Writer.
func (b *bounded) Write(p []byte) (int, error) {
	if b.text.Len()+len(p) > maxOutput {
		b.full = fmt.Errorf("the text is longer than %d bytes", maxOutput)
		return 0, b.full
	}
	return b.text.Write(p)
}

const templateName = "template"

func parse(text string) (t *exec.Template, err error) {
	defer func() {
		if failure := recover(); failure != nil {
			t, err = nil, &SyntaxError{1, fmt.Sprint(failure)}
		}
	}()
	if err := checkTokens(text); err != nil {
		return nil, err
	}
	loader, err := loaders.NewMemoryLoader(map[string]string{"/" + templateName: text})
	if err != nil {
		return nil, err
	}
	t, err = exec.NewTemplate("/"+templateName, config.New(), loader, environment())
	if err != nil {
		return nil, syntaxError(err)
	}
	return t, nil
}

// syntaxError finds the line in what the library says.
func syntaxError(err error) *SyntaxError {
	for inner := err; inner != nil; inner = errors.Unwrap(inner) {
		err = inner
	}
	e := &SyntaxError{1, err.Error()}
	if strings.HasPrefix(e.Message, "'}}' expected here") && strings.HasSuffix(e.Message, `near "")`) {
		e.Message = "unexpected end of template, expected 'end of print statement'." // as Jinja puts it
	}
	if at := strings.LastIndex(e.Message, "(Line: "); at >= 0 {
		_, _ = fmt.Sscanf(e.Message[at:], "(Line: %d", &e.Line) // else it is the first
	}
	return e
}

// checkTokens refuses what could grow without bounds.
func checkTokens(text string) error {
	loops, depth := 0, 0
	stream := tokens.LexAll(text, config.New())
	var before *tokens.Token
	for token := stream.Current(); token != nil && !stream.End(); token = stream.Next() {
		switch {
		case token.Type == tokens.Multiply || token.Type == tokens.Power:
			return &SyntaxError{token.Line, "templates cannot multiply"}
		case before == nil || before.Type != tokens.BlockBegin:
		case token.Val == "for":
			loops, depth = loops+1, depth+1
		case token.Val == "endfor":
			depth--
		}
		if loops > maxLoops {
			return &SyntaxError{token.Line, fmt.Sprintf("Contains %d for loops. Templates can contain no more than %d for loops.", loops, maxLoops)}
		}
		if depth > maxNested {
			return &SyntaxError{token.Line, fmt.Sprintf("Contains nested for loops at a depth of %d. Templates can nest for loops no more than %d loops deep.", depth, maxNested)}
		}
		before = token
	}
	return nil
}

// What of the language templates may use.
var (
	statements = []string{"for", "if", "set", "with", "raw", "filter"}
	filters    = []string{
		"abs", "attr", "batch", "capitalize", "default", "d", "dictsort", "e", "escape", "first", "float", "groupby", "int", "items",
		"join", "last", "length", "count", "list", "lower", "map", "max", "min", "reject", "rejectattr", "replace", "reverse", "round",
		"safe", "select", "selectattr", "slice", "sort", "string", "striptags", "sum", "title", "trim", "truncate", "unique", "upper",
		"urlencode", "wordcount",
	}
)

func environment() *exec.Environment {
	allowed := map[string]parser.ControlStructureParser{}
	for _, name := range statements {
		if known, ok := builtins.ControlStructures.Get(name); ok {
			allowed[name] = known
		}
	}
	functions := map[string]exec.FilterFunction{"tojson": toJSON}
	for _, name := range filters {
		if known, ok := builtins.Filters.Get(name); ok {
			functions[name] = known
		}
	}
	return &exec.Environment{
		Context:           exec.NewContext(map[string]any{"range": numbers}),
		Filters:           exec.NewFilterSet(functions),
		ControlStructures: exec.NewControlStructureSet(allowed),
		Tests:             builtins.Tests,
		Methods:           noMethods(),
	}
}

func noMethods() (none exec.Methods) {
	return exec.Methods{
		Bool: exec.NewMethodSet(map[string]exec.Method[bool]{}), Str: exec.NewMethodSet(map[string]exec.Method[string]{}),
		Int: exec.NewMethodSet(map[string]exec.Method[int]{}), Float: exec.NewMethodSet(map[string]exec.Method[float64]{}),
		List: exec.NewMethodSet(map[string]exec.Method[[]any]{}), Dict: exec.NewMethodSet(map[string]exec.Method[map[string]any]{}),
	}
}

// numbers is the function range, of a bounded length.
func numbers(_ *exec.Evaluator, params *exec.VarArgs) ([]int, error) {
	bounds := []int{}
	for _, arg := range params.Args {
		bounds = append(bounds, arg.Integer())
	}
	start, stop, step := 0, 0, 1
	switch len(bounds) {
	case 1:
		stop = bounds[0]
	case 2:
		start, stop = bounds[0], bounds[1]
	case 3:
		start, stop, step = bounds[0], bounds[1], bounds[2]
	default:
		return nil, exec.ErrInvalidCall(errors.New("range takes one to three numbers"))
	}
	if step == 0 {
		return nil, exec.ErrInvalidCall(errors.New("range() arg 3 must not be zero"))
	}
	list := []int{}
	for i := start; step > 0 && i < stop || step < 0 && i > stop; i += step {
		if len(list) == maxRange {
			return nil, exec.ErrInvalidCall(fmt.Errorf("range is longer than %d", maxRange))
		}
		list = append(list, i)
	}
	return list, nil
}

// toJSON is the filter tojson. As in Jinja, what it prints is safe within HTML.
func toJSON(_ *exec.Evaluator, in *exec.Value, _ *exec.VarArgs) *exec.Value {
	text, err := json.Marshal(in.Interface())
	if err != nil {
		return exec.AsValue(err)
	}
	return exec.AsSafeValue(strings.ReplaceAll(string(text), "'", `\u0027`))
}

// Value is what a template sees of a JSON value: whole numbers are ints.
func Value(text []byte) (v any, err error) {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	if err := dec.Decode(&v); err != nil {
		return nil, err
	}
	return plain(v), nil
}

// plain turns the numbers in a value into ints and floats.
func plain(v any) any {
	switch v := v.(type) {
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return int(n)
		}
		f, _ := v.Float64() // what is out of range is infinite
		return f
	case []any:
		for i := range v {
			v[i] = plain(v[i])
		}
	case map[string]any:
		for _, name := range slices.Collect(maps.Keys(v)) {
			v[name] = plain(v[name])
		}
	}
	return v
}
