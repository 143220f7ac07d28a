package prefect

import (
	"path"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

func TestLike(t *testing.T) {
	for _, c := range []struct {
		pattern, text string
		want          bool
	}{
		{"abc", "ABC", true}, {"abc", "abcd", false}, {"%b%", "aBc", true}, {"a%", "Abc", true}, {"%c", "abC", true},
		{"a_c", "abc", true}, {"a_c", "aéc", true}, {"a_c", "ac", false}, {"%a%c%", "xxaxxcxx", true}, {"%a%c%", "xxcxxaxx", false},
		{"%", "", true}, {"%%", "", true}, {"", "", true}, {"", "a", false}, {"_", "", false}, {"%É%", "café!", true},
		{"%\\_%", `a\bc`, true}, {"%\\_%", "a_", false}, {"%ab%ab%", "xabab", true}, {"%ab%ab%", "xaba", false},
	} {
		require.Equal(t, c.want, Like(c.pattern)(c.text), "%s ~ %s", c.pattern, c.text)
	}
}

func TestLabelPatterns(t *testing.T) {
	for _, c := range []struct {
		pattern, value string
		stored, live   bool
	}{
		{"a", "a", true, true}, {"a", "A", false, false}, {"a*", "abc", true, true}, {"*c", "abc", true, true}, {"a?c", "aéc", true, true},
		{"!a", "a", false, false}, {"!a", "b", true, true}, {"!a*", "bc", true, true}, {"!!a", "a", true, true}, {"!!a", "!a", false, false},
		{"", "", true, true}, {"*", "", true, true}, {"!", "", false, false}, {"!", "a", true, true}, {"%_", "%_", true, true}, {"%_", "ab", false, false},
		{"[ab]", "a", false, true}, {"[ab]", "[ab]", true, false}, {"x[!ab]", "xa", false, false}, {"x[!ab]", "xc", false, true},
		{"[a-c]*", "bz", false, true}, {"[]]", "]", false, true}, {"[", "[", true, true}, {"[]", "[]", true, true}, {"[!]", "[!]", true, true},
		{"[!]]", "a", false, true}, {"[a-]", "-", false, true}, {"[-a]", "-", false, true}, {"[c-a]", "b", false, false}, {`a\*`, `a\bc`, true, true},
	} {
		stored, live := newLabelPattern(c.pattern, false), newLabelPattern(c.pattern, true)
		require.Equal(t, c.stored, stored.matches(c.value), "%s ~ %s", c.pattern, c.value)
		require.Equal(t, c.live, live.matches(c.value), "%s ~ %s, live", c.pattern, c.value)
	}
}

// FuzzLike compares with a regular expression.
func FuzzLike(f *testing.F) {
	f.Add("%a_b%", "xaXbx")
	f.Add("%É%", "é")
	f.Add("a%b%c", "aXbYbZc")
	f.Fuzz(func(t *testing.T, pattern, text string) {
		if !utf8.ValidString(pattern) || !utf8.ValidString(text) || len(pattern)+len(text) > 1000 {
			t.Skip()
		}
		quoted := regexp.QuoteMeta(lower(pattern))
		re := regexp.MustCompile(`(?s)^` + strings.NewReplacer("%", ".*", "_", ".").Replace(quoted) + `$`)
		require.Equal(t, re.MatchString(lower(text)), Like(pattern)(text))
	})
}

// FuzzLabelPattern compares with package path, where both have the same pattern
// language.
func FuzzLabelPattern(f *testing.F) {
	f.Add("a*b?", "aXbc")
	f.Add("[a-c]", "b")
	f.Fuzz(func(t *testing.T, pattern, value string) {
		p := newLabelPattern(pattern, true)
		got := p.matches(value)
		if strings.ContainsAny(pattern, `[\`) || strings.Contains(value, "/") || !utf8.ValidString(pattern) || !utf8.ValidString(value) {
			return
		}
		plain, negated := strings.CutPrefix(pattern, "!")
		want, err := path.Match(plain, value)
		require.NoError(t, err)
		require.Equal(t, want != negated, got)
		stored := newLabelPattern(pattern, false)
		require.Equal(t, got, stored.matches(value))
	})
}

func lower(s string) string { return string(appendLower(nil, s)) }

func FuzzTextQuery(f *testing.F) {
	f.Add(`a -b +c !"d e" "f\"g\\" h`, "a c")
	f.Add(`"unclosed \`, "")
	f.Fuzz(func(t *testing.T, query, text string) {
		q := ParseTextQuery(query)
		for _, list := range [][][]byte{q.Include, q.Exclude, q.Required} {
			for _, term := range list {
				require.NotEmpty(t, strings.TrimFunc(string(term), isSpace))
				again := ParseTextQuery(`"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(string(term)) + `"`)
				require.Equal(t, TextQuery{Include: [][]byte{appendLower(nil, string(term))}}, again)
			}
		}
		matches := q.Matches([]byte(lower(text)))
		require.True(t, matches || !q.IsEmpty())
	})
}
