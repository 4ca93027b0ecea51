package telemetry

import (
	"bytes"
	"encoding/json"
	"math"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"testing/quick"
	"time"
)

var moment = time.Date(2022, 10, 12, 0, 0, 15, 64_900_000, time.FixedZone("", 3600))

func TestEventForms(t *testing.T) {
	trace := &Tracing{SpanID: "54565fb41ac79632", Type: "X-Amzn-Trace-Id", Value: "Root=1;Sampled=1"}
	spans := []Span{{"responseLatency", moment, 70.5}, {"responseDuration", moment, 0.012}}
	const spanText = `"spans":[{"name":"responseLatency","start":"2022-10-11T23:00:15.064Z","durationMs":70.5},` +
		`{"name":"responseDuration","start":"2022-10-11T23:00:15.064Z","durationMs":0.012}]`
	const traceText = `"tracing":{"spanId":"54565fb41ac79632","type":"X-Amzn-Trace-Id","value":"Root=1;Sampled=1"}`
	cases := []struct {
		name, eventType string
		record          any
		expected        string
	}{
		{"init start", "platform.initStart", InitStart{"on-demand", "init", "python:3.12.v1", "arn", "f", "$LATEST", "i-1"},
			`{"initializationType":"on-demand","phase":"init","runtimeVersion":"python:3.12.v1","runtimeVersionArn":"arn",` +
				`"functionName":"f","functionVersion":"$LATEST","instanceId":"i-1"}`},
		{"init start, little known", "platform.initStart", InitStart{InitializationType: "on-demand", Phase: "invoke"},
			`{"initializationType":"on-demand","phase":"invoke"}`},
		{"init runtime done", "platform.initRuntimeDone", InitRuntimeDone{"on-demand", "init", Error, spans, "Runtime.ExitError"},
			`{"initializationType":"on-demand","phase":"init","status":"error",` + spanText + `,"errorType":"Runtime.ExitError"}`},
		{"init report", "platform.initReport", InitReport{"on-demand", "init", InitReportMetrics{125.33}, nil, Success, ""},
			`{"initializationType":"on-demand","phase":"init","metrics":{"durationMs":125.33},"status":"success"}`},
		{"start", "platform.start", Start{"id", "$LATEST", trace}, `{"requestId":"id","version":"$LATEST",` + traceText + `}`},
		{"start, as a pointer", "platform.start", &Start{RequestID: "id"}, `{"requestId":"id"}`},
		{"runtime done", "platform.runtimeDone", RuntimeDone{"id", Success, &RuntimeDoneMetrics{140, 16}, spans, trace, ""},
			`{"requestId":"id","status":"success","metrics":{"durationMs":140,"producedBytes":16},` + spanText + `,` + traceText + `}`},
		{"runtime done, no figures", "platform.runtimeDone", RuntimeDone{RequestID: "id", Status: Failure, ErrorType: "X"},
			`{"requestId":"id","status":"failure","errorType":"X"}`},
		{"report", "platform.report", Report{"id", Timeout, ReportMetrics{694, 693.92, 397.68, 84, 128}, nil, nil, ""},
			`{"requestId":"id","status":"timeout","metrics":{"billedDurationMs":694,"durationMs":693.92,` +
				`"initDurationMs":397.68,"maxMemoryUsedMB":84,"memorySizeMB":128}}`},
		{"report, warm", "platform.report", Report{RequestID: "id", Status: Success},
			`{"requestId":"id","status":"success","metrics":{"billedDurationMs":0,"durationMs":0,"maxMemoryUsedMB":0,"memorySizeMB":0}}`},
		{"extension", "platform.extension", ExtensionState{[]string{"INVOKE", "SHUTDOWN"}, "e", "Ready"},
			`{"events":["INVOKE","SHUTDOWN"],"name":"e","state":"Ready"}`},
		{"extension, no events", "platform.extension", ExtensionState{Name: "e", State: "Ready"},
			`{"events":[],"name":"e","state":"Ready"}`},
		{"subscription", "platform.telemetrySubscription", TelemetrySubscription{"e", "Subscribed", []string{"platform"}},
			`{"name":"e","state":"Subscribed","types":["platform"]}`},
		{"dropped", "platform.logsDropped", LogsDropped{12345, 123, "slow"},
			`{"droppedBytes":12345,"droppedRecords":123,"reason":"slow"}`},
		{"line", "function", "a <b> & \"c\"\t\x01\u2028\xff", `"a <b> & \"c\"\t\u0001\u2028` + "\ufffd" + `"`},
		{"unknown record", "platform.new", map[string]string{"a": "<&>"}, `{"a":"<&>"}`},
		{"no JSON form", "platform.new", math.Inf(1), ``},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			found := string(Event{moment, c.eventType, c.record}.AppendJSON([]byte("before ")))
			if c.expected == "" {
				if !strings.Contains(found, "no JSON form") || !json.Valid([]byte(found[7:])) {
					t.Errorf("found %s", found)
				}
				return
			}
			expected := `before {"time":"2022-10-11T23:00:15.064Z","type":"` + c.eventType + `","record":` + c.expected + `}`
			if found != expected {
				t.Errorf("expected\n%s, found\n%s", expected, found)
			}
		})
	}
}

// shadowed is an event as encoding/json would write it.
type shadowed struct {
	Time   string `json:"time"`
	Type   string `json:"type"`
	Record any    `json:"record"`
}

func shadow(t *testing.T, e Event) string {
	t.Helper()
	var buffer bytes.Buffer
	encoder := json.NewEncoder(&buffer)
	encoder.SetEscapeHTML(false)
	at := e.Time.UTC().Format("2006-01-02T15:04:05.000Z")
	if err := encoder.Encode(shadowed{at, e.Type, e.Record}); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSuffix(buffer.String(), "\n")
}

// TestEventsAsEncodingJSON writes records of random content in both ways.
func TestEventsAsEncodingJSON(t *testing.T) {
	records := []any{InitStart{}, InitRuntimeDone{}, InitReport{}, Start{}, RuntimeDone{}, Report{},
		ExtensionState{}, TelemetrySubscription{}, LogsDropped{}, Tracing{}, Span{}, ""}
	random := rand.New(rand.NewPCG(1, 2))
	for _, record := range records {
		kind := reflect.TypeOf(record)
		t.Run(kind.Name(), func(t *testing.T) {
			for range 100 {
				value := reflect.New(kind).Elem()
				fill(value, random)
				e := Event{moment, "platform.x", value.Interface()}
				if found, expected := string(e.AppendJSON(nil)), shadow(t, e); found != expected {
					t.Fatalf("expected\n%q, found\n%q", expected, found)
				}
			}
		})
	}
}

// fill puts random content into a record, and nothing into some of its fields.
func fill(v reflect.Value, random *rand.Rand) {
	if v.Type() == reflect.TypeFor[time.Time]() {
		// Only whole milliseconds are written in one way by both.
		v.Set(reflect.ValueOf(time.UnixMilli(random.Int64N(1<<41)/1000*1000 + 1 + random.Int64N(9)).UTC()))
		return
	}
	if random.IntN(8) == 0 && v.Kind() != reflect.Slice && v.Kind() != reflect.Struct {
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i), random)
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), random)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), random.IntN(3), 3))
		for i := range v.Len() {
			fill(v.Index(i), random)
		}
	case reflect.String:
		v.SetString(randomText(random))
	case reflect.Float64:
		v.SetFloat([]float64{random.Float64(), random.Float64() * 1e4, float64(random.IntN(1e6)), 1e-9, 2e22, -1.5}[random.IntN(6)])
	case reflect.Int64:
		v.SetInt(random.Int64() - random.Int64())
	}
}

func randomText(random *rand.Rand) string {
	pieces := []string{"plain", `"`, `\`, "\n", "\r", "\t", "\b", "\f", "\x00", "\x1f", "\x7f", "<&>", "é", "世", "\u2028",
		"\u2029", "\U0001F600", "\xff", "\xe4\xb8", "\xed\xa0\x80", "\ufffd"}
	var text strings.Builder
	for range random.IntN(6) {
		text.WriteString(pieces[random.IntN(len(pieces))])
	}
	return text.String()
}

func TestTextAsEncodingJSON(t *testing.T) {
	same := func(text string, raw []byte) bool {
		asLine := string(appendString(nil, raw))
		return Event{moment, "function", text}.matches(shadow(t, Event{moment, "function", text})) &&
			asLine == string(appendString(nil, string(raw)))
	}
	if err := quick.Check(same, nil); err != nil {
		t.Error(err)
	}
}

func (e Event) matches(expected string) bool { return string(e.AppendJSON(nil)) == expected }

func TestNumbersWithoutForm(t *testing.T) {
	for _, value := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		if found := string(appendNumber(nil, value)); found != "0" {
			t.Errorf("%v is written as %s", value, found)
		}
	}
}

func benchmarkEvent(b *testing.B, eventType string, record any) {
	now := time.Now()
	out := make([]byte, 0, 1024)
	b.ReportAllocs()
	for b.Loop() {
		out = Event{now, eventType, record}.AppendJSON(out[:0])
	}
}

var benchmarkTracing = &Tracing{Type: "X-Amzn-Trace-Id", Value: "Root=1-62e900b2-710d76f009d6e7785905449a;Parent=0efbd19962d95b05;Sampled=1"}

const benchmarkID = "6d68ca91-49c9-448d-89b8-7ca3e6dc66aa"

func BenchmarkStart(b *testing.B) {
	benchmarkEvent(b, "platform.start", Start{benchmarkID, "$LATEST", benchmarkTracing})
}

func BenchmarkRuntimeDone(b *testing.B) {
	benchmarkEvent(b, "platform.runtimeDone", RuntimeDone{benchmarkID, Success, &RuntimeDoneMetrics{140.123, 16}, nil, benchmarkTracing, ""})
}

func BenchmarkReport(b *testing.B) {
	benchmarkEvent(b, "platform.report", Report{benchmarkID, Success, ReportMetrics{694, 693.92, 397.68, 84, 128}, nil, benchmarkTracing, ""})
}
