package templates

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRender(t *testing.T) {
	v, err := Value([]byte(`{"resource": {"id": "r", "prefect.resource.id": "q"}, "n": 1, "f": 1.5, "list": [1, "a"], "quote": "it's <b>"}`))
	require.NoError(t, err)
	for text, want := range map[string]string{
		"plain":                   "plain",
		"{{ 1 + 1 }}":             "2",
		"{{ event.resource.id }}": "r",
		"{{ event.nothing }}":     "",
		"{{ nothing }}":           "",
		"{{ event.resource['prefect.resource.id'] | upper }}": "Q",
		"{{ event.n }} {{ event.f }}":                         "1 1.5",
		"{{ event.list | tojson }}":                           `[1,"a"]`,
		"{{ event.quote | tojson }}":                          `"it\u0027s \u003cb\u003e"`,
		"{% for i in range(3) %}{{ i }},{% endfor %}":         "0,1,2,",
		"{% if event.n > 0 %}yes{% else %}no{% endif %}":      "yes",
		"{% set x = event.n %}{{ x | default('none') }}":      "1",
	} {
		got, err := Render(text, map[string]any{"event": v})
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
	}
}

// What could reach beyond its values, or grow without bounds, is refused.
func TestBounds(t *testing.T) {
	loop := "{% for i in range(100) %}"
	for _, text := range []string{
		"{{ broken", "{% if %}", "{% include '/etc/passwd' %}", "{% extends 'x' %}", "{% import 'x' as y %}", "{% macro a() %}{% endmacro %}",
		"{{ 'a' * 1000000000000 }}", "{{ 10 ** 1000000 }}", "{{ x | center(1000000000) }}", "{{ '%1000000000d' | format(1) }}",
		strings.Repeat(loop, 3) + strings.Repeat("{% endfor %}", 3), strings.Repeat(loop+"{% endfor %}", 11),
	} {
		err := Validate(text)
		var syntax *SyntaxError
		if err == nil {
			_, err = Render(text, nil)
			require.Error(t, err, text)
			continue
		}
		require.ErrorAs(t, err, &syntax, text)
	}
	for _, text := range []string{
		"{{ range(1000000000) }}", "{{ 'a'.upper() }}", "{{ x.y.z() }}",
		loop + loop + "{{ long }}{% endfor %}{% endfor %}",
	} {
		_, err := Render(text, map[string]any{"long": strings.Repeat("x", 1000)})
		require.Error(t, err, text)
	}
}

func FuzzRender(f *testing.F) {
	f.Add("{{ event.a | default('x') }}{% for i in range(3) %}{{ i }}{% endfor %}")
	f.Add("{% set x = [1, 'a'] %}{{ x | tojson }}")
	f.Fuzz(func(_ *testing.T, text string) {
		if Validate(text) == nil {
			_, _ = Render(text, map[string]any{"event": map[string]any{"a": 1, "list": []any{1, nil}}})
		}
	})
}
