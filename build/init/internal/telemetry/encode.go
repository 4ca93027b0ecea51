package telemetry

func (r InitStart) appendJSON(out []byte) []byte {
	o := begin(out)
	o.text("initializationType", r.InitializationType)
	o.text("phase", r.Phase)
	o.textIfAny("runtimeVersion", r.RuntimeVersion)
	o.textIfAny("runtimeVersionArn", r.RuntimeVersionARN)
	o.textIfAny("functionName", r.FunctionName)
	o.textIfAny("functionVersion", r.FunctionVersion)
	o.textIfAny("instanceId", r.InstanceID)
	return o.end()
}

func (r InitRuntimeDone) appendJSON(out []byte) []byte {
	o := begin(out)
	o.text("initializationType", r.InitializationType)
	o.text("phase", r.Phase)
	o.text("status", string(r.Status))
	o.spans(r.Spans)
	o.textIfAny("errorType", r.ErrorType)
	return o.end()
}

func (r InitReport) appendJSON(out []byte) []byte {
	o := begin(out)
	o.text("initializationType", r.InitializationType)
	o.text("phase", r.Phase)
	o.key("metrics")
	o.out = r.Metrics.appendJSON(o.out)
	o.spans(r.Spans)
	o.textIfAny("status", string(r.Status))
	o.textIfAny("errorType", r.ErrorType)
	return o.end()
}

func (m InitReportMetrics) appendJSON(out []byte) []byte {
	o := begin(out)
	o.number("durationMs", m.DurationMS)
	return o.end()
}

func (r Start) appendJSON(out []byte) []byte {
	o := begin(out)
	o.text("requestId", r.RequestID)
	o.textIfAny("version", r.Version)
	o.tracing(r.Tracing)
	return o.end()
}

func (r RuntimeDone) appendJSON(out []byte) []byte {
	o := begin(out)
	o.text("requestId", r.RequestID)
	o.text("status", string(r.Status))
	if r.Metrics != nil {
		o.key("metrics")
		o.out = r.Metrics.appendJSON(o.out)
	}
	o.spans(r.Spans)
	o.tracing(r.Tracing)
	o.textIfAny("errorType", r.ErrorType)
	return o.end()
}

func (m RuntimeDoneMetrics) appendJSON(out []byte) []byte {
	o := begin(out)
	o.number("durationMs", m.DurationMS)
	o.integer("producedBytes", m.ProducedBytes)
	return o.end()
}

func (r Report) appendJSON(out []byte) []byte {
	o := begin(out)
	o.text("requestId", r.RequestID)
	o.text("status", string(r.Status))
	o.key("metrics")
	o.out = r.Metrics.appendJSON(o.out)
	o.spans(r.Spans)
	o.tracing(r.Tracing)
	o.textIfAny("errorType", r.ErrorType)
	return o.end()
}

func (m ReportMetrics) appendJSON(out []byte) []byte {
	o := begin(out)
	o.integer("billedDurationMs", m.BilledDurationMS)
	o.number("durationMs", m.DurationMS)
	if m.InitDurationMS != 0 {
		o.number("initDurationMs", m.InitDurationMS)
	}
	o.integer("maxMemoryUsedMB", m.MaxMemoryUsedMB)
	o.integer("memorySizeMB", m.MemorySizeMB)
	return o.end()
}

func (r ExtensionState) appendJSON(out []byte) []byte {
	o := begin(out)
	o.texts("events", r.Events)
	o.text("name", r.Name)
	o.text("state", r.State)
	return o.end()
}

func (r TelemetrySubscription) appendJSON(out []byte) []byte {
	o := begin(out)
	o.text("name", r.Name)
	o.text("state", r.State)
	o.texts("types", r.Types)
	return o.end()
}

func (r LogsDropped) appendJSON(out []byte) []byte {
	o := begin(out)
	o.integer("droppedBytes", r.DroppedBytes)
	o.integer("droppedRecords", r.DroppedRecords)
	o.text("reason", r.Reason)
	return o.end()
}

func (t Tracing) appendJSON(out []byte) []byte {
	o := begin(out)
	o.textIfAny("spanId", t.SpanID)
	o.text("type", t.Type)
	o.text("value", t.Value)
	return o.end()
}

func (s Span) appendJSON(out []byte) []byte {
	o := begin(out)
	o.text("name", s.Name)
	o.key("start")
	o.out = appendTime(o.out, s.Start)
	o.number("durationMs", s.DurationMS)
	return o.end()
}
