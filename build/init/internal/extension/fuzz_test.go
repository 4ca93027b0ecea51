package extension

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

// FuzzRegistration checks what is read from a registration against a reading
// of it that knows no types.
func FuzzRegistration(f *testing.F) {
	for _, seed := range []string{
		`{"events":["INVOKE","SHUTDOWN"]}`, `{"events":["INVOKE"]}`, `{"events":[]}`, `{}`, `null`, `[]`, `"x"`, ``,
		`{"events":["invoke"]}`, `{"events":null}`, `{"events":[null]}`, `{"events":[1]}`, `{"events":["INVOKE","INVOKE"]}`,
		`{"EVENTS":["SHUTDOWN"]}`, `{"events":["SHUTDOWN"],"configurationKeys":[]}`, `{"configurationKeys":null}`,
		`{"events":["INVOKE"]}{}`, `{"events":["\u0049NVOKE"]}`, `{"events":["INVOKE"],"events":["SHUTDOWN"]}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		invoke, shutdown, no := parseRegistration(body)
		if no != nil {
			checkRefusal(t, body, no)
			return
		}
		if !json.Valid(body) {
			t.Fatalf("%q was accepted", body)
		}
		words := stringsIn(body)
		if invoke && !words["INVOKE"] || shutdown && !words["SHUTDOWN"] {
			t.Fatalf("%q does not ask for INVOKE %v, SHUTDOWN %v", body, invoke, shutdown)
		}
	})
}

// stringsIn are the strings of a JSON text, without escapes.
func stringsIn(body []byte) map[string]bool {
	words := map[string]bool{}
	for tokens := json.NewDecoder(bytes.NewReader(body)); ; {
		token, err := tokens.Token()
		if err != nil {
			return words
		}
		if word, ok := token.(string); ok {
			words[word] = true
		}
	}
}

func checkRefusal(t *testing.T, body []byte, no *refusal) {
	t.Helper()
	if no.status != 403 || no.message == "" {
		t.Fatalf("%q was refused with %+v", body, no)
	}
	switch no.errorType {
	case "InvalidRequestFormat", "Extension.InvalidEventType":
	default:
		t.Fatalf("%q was refused with %+v", body, no)
	}
	if no.errorType == "Extension.InvalidEventType" && !json.Valid(body) {
		t.Fatalf("%q is no JSON, and was refused with %+v", body, no)
	}
}

// FuzzIdentifier checks that only identifiers of a UUID's form are looked for.
func FuzzIdentifier(f *testing.F) {
	for _, seed := range []string{stranger, strings.ToUpper(stranger), "", "x", stranger[1:], stranger + "0",
		strings.ReplaceAll(stranger, "-", "0"), "ffffffff-ffff-4fff-8fff-fffffffffff\x00", "gfffffff-ffff-4fff-8fff-ffffffffffff",
		"\x11\x11\x11\x11\x11\x11\x11\x11-\x11\x11\x11\x11-\x11\x11\x11\x11-\x11\x11\x11\x11-\x11\x11\x11\x11\x11\x11\x11\x11\x11\x11\x11\x11"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, id string) {
		expected := len(id) == 36
		for i, part := range strings.Split(id, "-") {
			sizes := []int{8, 4, 4, 4, 12}
			expected = expected && i < len(sizes) && len(part) == sizes[i] && strings.Trim(part, "0123456789abcdefABCDEF") == ""
		}
		if found := isID(id); found != expected {
			t.Fatalf("%q: expected %v, found %v", id, expected, found)
		}
	})
}
