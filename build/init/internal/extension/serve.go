package extension

import (
	"encoding/json"
	"strings"

	"imagemill/init/internal/runtimeapi"
	"imagemill/init/internal/wire"
)

const (
	prefix        = "/2020-01-01/extension/"
	telemetryPath = "/2022-07-01/telemetry"
	logsPath      = "/2020-08-15/logs"

	// maxBody bounds what an extension sends here.
	maxBody = 1 << 20
)

// refusal is an answer that says no.
type refusal struct {
	status             int
	errorType, message string
}

// refused is the usual one: the Extensions API answers 403.
func refused(errorType, message string) *refusal { return &refusal{403, errorType, message} }

func refuse(x *wire.Exchange, no *refusal) {
	reply(x, no.status, nil, runtimeapi.ErrorBody(no.errorType, no.message))
}

func reply(x *wire.Exchange, status int, header wire.Header, body []byte) {
	_ = x.Reply(status, append(header, wire.Field{Name: "Content-Type", Value: "application/json"}), body)
}

// Serve answers an extension; false when the path is not of this API.
func (r *Registry) Serve(x *wire.Exchange) bool {
	var no *refusal
	switch x.Path {
	case prefix + "register":
		no = r.on(x, "POST", r.serveRegister)
	case prefix + "event/next":
		no = r.on(x, "GET", r.serveNext)
	case prefix + "init/error":
		no = r.on(x, "POST", r.serveError)
	case prefix + "exit/error":
		no = r.on(x, "POST", r.serveError)
	case telemetryPath:
		no = r.on(x, "PUT", r.serveTelemetry)
	case logsPath:
		no = r.on(x, "PUT", r.serveLogs)
	default:
		if !strings.HasPrefix(x.Path, prefix) {
			return false
		}
		runtimeapi.NotFound(x)
	}
	if no != nil {
		refuse(x, no)
	}
	return true
}

func (r *Registry) on(x *wire.Exchange, method string, serve func(*wire.Exchange) *refusal) *refusal {
	if x.Method == method {
		return serve(x)
	}
	_ = x.Reply(405, wire.Header{{Name: "Allow", Value: method}}, nil)
	return nil
}

func (r *Registry) serveRegister(x *wire.Exchange) *refusal {
	name := x.Header.Get("Lambda-Extension-Name")
	if name == "" {
		return refused("Extension.InvalidExtensionName", "Empty extension name")
	}
	features := x.Header.Get("Lambda-Extension-Accept-Feature")
	body, err := x.ReadAll(maxBody, 0)
	if err != nil {
		return refused("InvalidRequestFormat", err.Error())
	}
	invoke, shutdown, no := parseRegistration(body)
	if no != nil {
		return no
	}
	a, no := r.register(name, invoke, shutdown)
	if no != nil {
		return no
	}
	f := r.settings.Function
	answer := struct {
		Name      string `json:"functionName"`
		Version   string `json:"functionVersion"`
		Handler   string `json:"handler"`
		AccountID string `json:"accountId,omitempty"`
	}{f.Name, f.Version, f.Handler, ""}
	if wire.HasToken(features, "accountId") {
		answer.AccountID = f.AccountID
	}
	reply(x, 200, wire.Header{{Name: "Lambda-Extension-Identifier", Value: a.id}}, encode(answer))
	return nil
}

// parseRegistration reads which events an extension wants.
func parseRegistration(body []byte) (invoke, shutdown bool, no *refusal) {
	var asked struct {
		Events            []string        `json:"events"`
		ConfigurationKeys json.RawMessage `json:"configurationKeys"`
	}
	if err := json.Unmarshal(body, &asked); err != nil {
		return false, false, refused("InvalidRequestFormat", err.Error())
	}
	if len(asked.ConfigurationKeys) > 0 {
		return false, false, refused("InvalidRequestFormat",
			"configurationKeys are deprecated; use environment variables instead")
	}
	for _, event := range asked.Events {
		switch event {
		case "INVOKE":
			invoke = true
		case "SHUTDOWN":
			shutdown = true
		default:
			return false, false, refused("Extension.InvalidEventType", event+": there are INVOKE and SHUTDOWN")
		}
	}
	return invoke, shutdown, nil
}

func (r *Registry) serveNext(x *wire.Exchange) *refusal {
	a, no := r.find(x)
	if no != nil {
		return no
	}
	return a.next(x)
}

func (r *Registry) serveError(x *wire.Exchange) *refusal {
	a, no := r.find(x)
	if no != nil {
		return no
	}
	errorType := x.Header.Get("Lambda-Extension-Function-Error-Type")
	if errorType == "" {
		return refused("Extension.MissingHeader", "Lambda-Extension-Function-Error-Type not found")
	}
	inInit := strings.HasSuffix(x.Path, "init/error")
	kind := "Extension.ExitError"
	if inInit {
		kind = "Extension.InitError"
	}
	if no := a.report(kind, "extension "+a.name+" reported "+errorType, inInit); no != nil {
		return no
	}
	reply(x, 202, nil, []byte("{\"status\":\"OK\"}\n"))
	return nil
}

func (r *Registry) serveTelemetry(x *wire.Exchange) *refusal {
	a, no := r.find(x)
	if no != nil {
		return no
	}
	if r.settings.Subscribe == nil {
		return &refusal{202, "Telemetry.NotSupported", "Telemetry API is not supported"}
	}
	body, err := x.ReadAll(maxBody, 0)
	if err != nil {
		return &refusal{400, "ValidationError", err.Error()}
	}
	types, err := r.settings.Subscribe(a.name, body)
	if err != nil {
		return &refusal{400, "ValidationError", err.Error()}
	}
	reply(x, 200, nil, []byte(`"OK"`))
	r.settings.Subscribed(a.name, types)
	return nil
}

// serveLogs answers the API before Telemetry as AWS's emulator does.
func (r *Registry) serveLogs(x *wire.Exchange) *refusal {
	if _, no := r.find(x); no != nil {
		return no
	}
	return &refusal{202, "Logs.NotSupported", "Logs API is not supported"}
}
