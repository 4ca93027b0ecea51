package httpevent

import "encoding/json"

// httpEvent is payload format 2.0, of HTTP APIs. What a request lacks is
// absent. The documented requestContext.authorizer and authentication come
// with an authorizer and with mutual TLS only, and there is neither here.
type httpEvent struct {
	Version               string            `json:"version"`
	RouteKey              string            `json:"routeKey"`
	RawPath               string            `json:"rawPath"`
	RawQueryString        string            `json:"rawQueryString"`
	Cookies               []string          `json:"cookies,omitempty"`
	Headers               map[string]string `json:"headers"`
	QueryStringParameters map[string]string `json:"queryStringParameters,omitempty"`
	RequestContext        httpContext       `json:"requestContext"`
	Body                  string            `json:"body,omitempty"`
	PathParameters        map[string]string `json:"pathParameters,omitempty"`
	IsBase64Encoded       bool              `json:"isBase64Encoded"`
	StageVariables        map[string]string `json:"stageVariables,omitempty"`
}

type httpContext struct {
	AccountID string `json:"accountId"`
	APIID     string `json:"apiId"`
	// Authentication and Authorizer are there for function URLs, as null.
	Authentication json.RawMessage `json:"authentication,omitempty"`
	Authorizer     json.RawMessage `json:"authorizer,omitempty"`
	DomainName     string          `json:"domainName"`
	DomainPrefix   string          `json:"domainPrefix"`
	HTTP           httpRequest     `json:"http"`
	RequestID      string          `json:"requestId"`
	RouteKey       string          `json:"routeKey"`
	Stage          string          `json:"stage"`
	Time           string          `json:"time"`
	TimeEpoch      int64           `json:"timeEpoch"`
}

type httpRequest struct {
	Method    string `json:"method"`
	Path      string `json:"path"`
	Protocol  string `json:"protocol"`
	SourceIP  string `json:"sourceIp"`
	UserAgent string `json:"userAgent"`
}

// newHTTPEvent decodes even the path, whatever its name: so HTTP APIs do
// (measured by the authors of voker). That they end it at a decoded question
// mark is not copied.
func newHTTPEvent(s *Settings, r *Request, found match) httpEvent {
	event := newPayload2(s, r, s.staged(text(unescape(r.path()))), found.route.key())
	event.RequestContext.RequestID = gatewayID(r.RequestID)
	event.PathParameters = found.parameters
	event.StageVariables = s.stageVariables()
	return event
}

// newPayload2 is what HTTP APIs and function URLs have in common.
func newPayload2(s *Settings, r *Request, path, routeKey string) httpEvent {
	cookies, header := takeCookies(lowered(r.header(s.Kind)))
	body, encoded := r.body(s)
	return httpEvent{
		Version:               "2.0",
		RouteKey:              routeKey,
		RawPath:               path,
		RawQueryString:        text(r.RawQuery),
		Cookies:               cookies,
		Headers:               joinedValues(header),
		QueryStringParameters: joinedValues(parseQuery(r.RawQuery, true)),
		RequestContext: httpContext{
			AccountID:    s.AccountID,
			APIID:        s.apiID(),
			DomainName:   s.domain(),
			DomainPrefix: s.apiID(),
			HTTP: httpRequest{
				Method:    r.Method,
				Path:      path,
				Protocol:  r.Protocol,
				SourceIP:  r.SourceIP,
				UserAgent: r.get("User-Agent"),
			},
			RequestID: r.RequestID,
			RouteKey:  routeKey,
			Stage:     s.stage(),
			Time:      logTime(r.Time),
			TimeEpoch: r.Time.UnixMilli(),
		},
		Body:            body,
		IsBase64Encoded: encoded,
	}
}
