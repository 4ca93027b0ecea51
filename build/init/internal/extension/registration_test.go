package extension

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestRegistration(t *testing.T) {
	t.Parallel()
	const usual = `{"functionName":"fn","functionVersion":"$LATEST","handler":"a.b"}`
	const withAccount = `{"functionName":"fn","functionVersion":"$LATEST","handler":"a.b","accountId":"012345678912"}`
	cases := []struct {
		name, body, feature string
		events              []string
		answer              string
	}{
		{"nothing", `{"events":[]}`, "", []string{}, usual},
		{"no events", `{}`, "", []string{}, usual},
		{"INVOKE", `{"events":["INVOKE"]}`, "", []string{"INVOKE"}, usual},
		{"INVOKE twice", `{"events":["INVOKE","INVOKE"]}`, "", []string{"INVOKE"}, usual},
		{"unknown field", `{"events":["INVOKE"],"new":1}`, "", []string{"INVOKE"}, usual},
		{"account", `{}`, "accountId", []string{}, withAccount},
		{"account among others", `{}`, "other, accountId", []string{}, withAccount},
		{"another feature", `{}`, "accountIds", []string{}, usual},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			a := newAPI(t, nil)
			found := a.register("one", c.body, "Lambda-Extension-Accept-Feature", c.feature)
			if found.Code != 200 || found.Body != c.answer {
				t.Errorf("expected 200 %s, found %d %s", c.answer, found.Code, found.Body)
			}
			if id := found.Header.Get(idHeader); !isID(id) {
				t.Errorf("identifier %q", id)
			}
			all := a.registry.Summaries()
			if len(all) != 1 || all[0].Name != "one" || !slices.Equal(all[0].Events, c.events) {
				t.Errorf("expected one with %q, found %+v", c.events, all)
			}
		})
	}
}

func TestSummariesAreSorted(t *testing.T) {
	t.Parallel()
	a := newAPI(t, nil)
	if a.registry.Any() {
		t.Error("there are extensions before the first")
	}
	for _, name := range []string{"c", "a", "b"} {
		a.must(name, `"INVOKE"`)
	}
	var names []string
	for _, s := range a.registry.Summaries() {
		names = append(names, s.Name)
	}
	if found := strings.Join(names, ""); found != "abc" || !a.registry.Any() {
		t.Errorf("found %q", found)
	}
}

// Each extension has an identifier of its own.
func TestIdentifiersDiffer(t *testing.T) {
	t.Parallel()
	a := newAPI(t, nil)
	seen := map[string]bool{}
	for _, name := range []string{"one", "two", "three"} {
		id := a.must(name, "")
		if seen[id] {
			t.Errorf("%s has the identifier of another", name)
		}
		seen[id] = true
	}
}

// The init is over when all have asked for their first event, and not before.
func TestReady(t *testing.T) {
	t.Parallel()
	a := newAPI(t, nil)
	one, two := a.must("one", ""), a.must("two", `"INVOKE"`)
	ready := a.registry.Ready()
	if isDone(ready) {
		t.Fatal("ready before anybody has asked")
	}
	a.ask(one)
	if isDone(ready) {
		t.Fatal("ready before the second has asked")
	}
	three := a.must("three", "") // still open
	a.ask(two)
	if isDone(ready) {
		t.Fatal("ready before the third has asked")
	}
	a.ask(three)
	await(t, ready, "all three")
}

func TestFind(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	for _, name := range []string{"b", "a"} {
		if err := os.WriteFile(filepath.Join(directory, name), nil, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(directory, "c"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("nowhere", filepath.Join(directory, "d")); err != nil {
		t.Fatal(err)
	}
	cases := []struct {
		name, directory, disable string
		expected                 []string
	}{
		{"files alone, in order", directory, filepath.Join(directory, "no such"), []string{filepath.Join(directory, "a"), filepath.Join(directory, "b")}},
		{"disabled", directory, filepath.Join(directory, "a"), nil},
		{"no directory", filepath.Join(directory, "no such"), "", nil},
		{"a file in its place", filepath.Join(directory, "a"), "", nil},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if found := Find(c.directory, c.disable); !slices.Equal(found, c.expected) {
				t.Errorf("expected %q, found %q", c.expected, found)
			}
		})
	}
}
