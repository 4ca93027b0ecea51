package engine

import (
	"math"
	"strings"
	"time"

	"imagemill/init/internal/platformlog"
	"imagemill/init/internal/telemetry"
)

// What happens in an environment is told twice: to people, as the log's lines,
// and to whoever wants records, as telemetry and as the JSON log.

// wantsRecords is whether anybody does. Most of the time nobody does, and
// nothing is made.
func (env *environment) wantsRecords(rt *runtime) bool {
	return env.Log.JSON || rt.bus.Wants(telemetry.Platform)
}

func (env *environment) record(rt *runtime, level platformlog.Level, at time.Time, kind string, record any) {
	event := telemetry.Event{Time: at, Type: kind, Record: record}
	if env.Log.JSON {
		env.Log.Record(level, event)
	}
	rt.bus.Publish(event)
}

// failing is the level of a record that tells of something which may have
// failed.
func failing(status telemetry.Status, otherwise platformlog.Level) platformlog.Level {
	if status == telemetry.Success {
		return otherwise
	}
	return platformlog.Warn
}

const initializationType = "on-demand"

func (rt *runtime) phase() string {
	if rt.inInvoke {
		return "invoke"
	}
	return "init"
}

func (env *environment) tellInitStart(rt *runtime) {
	if env.wantsRecords(rt) {
		env.record(rt, platformlog.Debug, rt.started, "platform.initStart", telemetry.InitStart{
			InitializationType: initializationType,
			Phase:              rt.phase(),
			FunctionName:       env.Function.Name,
			FunctionVersion:    env.Function.Version,
		})
	}
}

func (env *environment) tellInitOver(rt *runtime, errorType string) {
	now := time.Now()
	if rt.isUnwanted() {
		// It is being replaced, and nothing has gone wrong.
		return
	}
	status := statusOf(errorType)
	for _, e := range rt.extensions.Summaries() {
		if errorType == "" && !env.Log.JSON {
			env.Log.Extension(e.Name, e.Events)
		}
		if errorType == "" && env.wantsRecords(rt) {
			env.record(rt, platformlog.Info, now, "platform.extension",
				telemetry.ExtensionState{Name: e.Name, State: "Ready", Events: e.Events})
		}
	}
	if env.wantsRecords(rt) {
		env.record(rt, failing(status, platformlog.Debug), now, "platform.initRuntimeDone", telemetry.InitRuntimeDone{
			InitializationType: initializationType, Phase: rt.phase(), Status: status, ErrorType: errorType,
		})
		env.record(rt, failing(status, platformlog.Debug), now, "platform.initReport", telemetry.InitReport{
			InitializationType: initializationType, Phase: rt.phase(), Status: status, ErrorType: errorType,
			Metrics: telemetry.InitReportMetrics{DurationMS: milliseconds(now.Sub(rt.started))},
		})
	}
	if errorType != "" && !env.Log.JSON {
		env.Log.InitReport(now.Sub(rt.started), rt.phase(), string(status), errorType)
	}
}

// isUnwanted is whether the runtime was ended before it could be ready.
func (rt *runtime) isUnwanted() bool {
	select {
	case <-rt.session.Closed():
		return true
	default:
		return rt.isCondemned()
	}
}

// statusOf is how something ended that had that type of error, if any.
func statusOf(errorType string) telemetry.Status {
	switch errorType {
	case "":
		return telemetry.Success
	case "Sandbox.Timedout":
		return telemetry.Timeout
	case "Sandbox.Failure":
		return telemetry.Failure
	default:
		return telemetry.Error
	}
}

func (env *environment) tellStart(rt *runtime, inv *Invocation) {
	if !env.Log.JSON {
		env.Log.Start(inv.RequestID, env.Function.Version)
	}
	if env.wantsRecords(rt) {
		env.record(rt, platformlog.Info, time.Now(), "platform.start", telemetry.Start{
			RequestID: inv.RequestID, Version: env.Function.Version, Tracing: tracing(inv),
		})
	}
}

func tracing(inv *Invocation) *telemetry.Tracing {
	if inv.TraceID == "" {
		return nil
	}
	return &telemetry.Tracing{Type: "X-Amzn-Trace-Id", Value: inv.TraceID}
}

func (env *environment) tellEnd(a *attempt, out *Outcome, duration time.Duration) {
	rt := a.rt
	report := platformlog.Report{
		RequestID:  a.inv.RequestID,
		Init:       rt.takeInitDuration(),
		Duration:   duration,
		MemorySize: env.MemorySize,
		PeakMemory: rt.peakMemory(duration),
	}
	if !env.Log.JSON {
		env.Log.End(report)
	}
	if !env.wantsRecords(rt) {
		return
	}
	now := time.Now()
	errorType := out.ErrorType
	if out.Kind == Timeout {
		errorType = "Sandbox.Timedout"
	}
	status := statusOf(errorType)
	if status == telemetry.Timeout {
		// Lambda tells of the timeout, and of no error.
		errorType = ""
	}
	env.record(rt, failing(status, platformlog.Debug), now, "platform.runtimeDone", telemetry.RuntimeDone{
		RequestID: a.inv.RequestID, Status: status, ErrorType: errorType, Tracing: tracing(a.inv),
		Metrics: &telemetry.RuntimeDoneMetrics{DurationMS: milliseconds(duration), ProducedBytes: out.Size},
	})
	env.record(rt, failing(status, platformlog.Info), now, "platform.report", telemetry.Report{
		RequestID: a.inv.RequestID, Status: status, ErrorType: errorType, Tracing: tracing(a.inv),
		Metrics: telemetry.ReportMetrics{
			DurationMS:       milliseconds(duration),
			BilledDurationMS: platformlog.Billed(duration),
			MemorySizeMB:     int64(env.MemorySize),
			MaxMemoryUsedMB:  platformlog.Megabytes(report.PeakMemory),
			InitDurationMS:   milliseconds(report.Init),
		},
	})
}

func (env *environment) tellSubscription(rt *runtime, name string, types []string) {
	if !env.Log.JSON {
		titles := make([]string, len(types))
		for i, t := range types {
			titles[i] = strings.ToUpper(t[:1]) + t[1:]
		}
		env.Log.Subscription(name, titles)
	}
	env.record(rt, platformlog.Info, time.Now(), "platform.telemetrySubscription",
		telemetry.TelemetrySubscription{Name: name, State: "Subscribed", Types: types})
}

// subscribe has an extension get telemetry.
func (rt *runtime) subscribe(name string, body []byte) ([]string, error) {
	subscription, err := telemetry.ParseSubscription(body)
	if err != nil {
		return nil, err
	}
	if err := rt.bus.Subscribe(name, subscription); err != nil {
		return nil, err
	}
	return subscription.TypeNames(), nil
}

// milliseconds are rounded to microseconds, as Lambda's records are.
func milliseconds(d time.Duration) float64 {
	return math.Round(float64(d)/float64(time.Microsecond)) / 1000
}
