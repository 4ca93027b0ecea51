package extension

import (
	"strings"
	"testing"

	"imagemill/init/internal/telemetry"
)

// subscriptions takes them as the engine does, and keeps their types.
func subscriptions(taken *[]string) func(*Settings) {
	return func(s *Settings) {
		s.Subscribe = func(name string, body []byte) ([]string, error) {
			subscription, err := telemetry.ParseSubscription(body)
			return subscription.TypeNames(), err
		}
		s.Subscribed = func(name string, types []string) { *taken = append(*taken, name+": "+strings.Join(types, " ")) }
	}
}

const validSubscription = `{"schemaVersion":"2022-12-13","types":["platform","extension"],` +
	`"destination":{"protocol":"HTTP","URI":"http://sandbox.localdomain:8080"}}`

func TestSubscribe(t *testing.T) {
	t.Parallel()
	var taken []string
	a := newAPI(t, subscriptions(&taken))
	id := a.must("one", "")
	found := a.Call("PUT", telemetryPath, validSubscription, idHeader, id)
	if found.Code != 200 || found.Body != `"OK"` {
		t.Errorf("expected 200 \"OK\", found %d %s", found.Code, found.Body)
	}
	a.Call("GET", prefix, "") // the server is done with the call before this one
	if len(taken) != 1 || taken[0] != "one: platform extension" {
		t.Errorf("found %q", taken)
	}
}

func TestSubscriptionErrors(t *testing.T) {
	t.Parallel()
	cases := []struct{ name, body, message string }{
		{"as documented", `{"schemaVersion":"2022-12-13","types":[],"destination":{"protocol":"HTTP","URI":"http://sandbox.localdomain"}}`,
			"URI port is not provided; types should not be empty"},
		{"no body", "", "the body is no subscription"},
		{"no destination", `{"schemaVersion":"2022-12-13","types":["platform"]}`, "destination is not provided"},
		{"reserved port", strings.Replace(validSubscription, ":8080", ":9001", 1), ""},
		{"too large", `"` + strings.Repeat("x", maxBody) + `"`, ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var taken []string
			a := newAPI(t, subscriptions(&taken))
			found := a.Call("PUT", telemetryPath, c.body, idHeader, a.must("one", ""))
			refusedWith(t, found, 400, "ValidationError", c.message)
			if len(taken) != 0 {
				t.Errorf("subscribed: %q", taken)
			}
		})
	}
}

func TestNotSupported(t *testing.T) {
	t.Parallel()
	var taken []string
	cases := []struct {
		name, path, errorType, message string
		change                         func(*Settings)
	}{
		{"logs", logsPath, "Logs.NotSupported", "Logs API is not supported", subscriptions(&taken)},
		{"telemetry that nobody takes", telemetryPath, "Telemetry.NotSupported", "Telemetry API is not supported", nil},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			a := newAPI(t, c.change)
			found := a.Call("PUT", c.path, validSubscription, idHeader, a.must("one", ""))
			refusedWith(t, found, 202, c.errorType, c.message)
		})
	}
}
