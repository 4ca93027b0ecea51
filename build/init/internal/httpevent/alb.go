package httpevent

// albEvent is what a load balancer sends. With multi-value headers on, the
// multi-value maps take the place of the others.
type albEvent struct {
	RequestContext                  albContext           `json:"requestContext"`
	HTTPMethod                      string               `json:"httpMethod"`
	Path                            string               `json:"path"`
	QueryStringParameters           *map[string]string   `json:"queryStringParameters,omitempty"`
	MultiValueQueryStringParameters *map[string][]string `json:"multiValueQueryStringParameters,omitempty"`
	Headers                         map[string]string    `json:"headers,omitempty"`
	MultiValueHeaders               map[string][]string  `json:"multiValueHeaders,omitempty"`
	Body                            string               `json:"body"`
	IsBase64Encoded                 bool                 `json:"isBase64Encoded"`
}

type albContext struct {
	ELB struct {
		TargetGroupARN string `json:"targetGroupArn"`
	} `json:"elb"`
}

// newALBEvent decodes neither path nor query: load balancers leave that to
// the function. Without a query the parameters are an empty object.
func newALBEvent(s *Settings, r *Request) albEvent {
	header := lowered(r.header(s.Kind))
	query := parseQuery(r.RawQuery, false)
	event := albEvent{HTTPMethod: r.Method, Path: r.path()}
	event.RequestContext.ELB.TargetGroupARN = s.targetGroup()
	event.Body, event.IsBase64Encoded = r.body(s)
	if s.MultiValue {
		parameters := allValues(query)
		if parameters == nil {
			parameters = map[string][]string{}
		}
		event.MultiValueQueryStringParameters = &parameters
		event.MultiValueHeaders = allValues(header)
		return event
	}
	parameters := lastValues(query)
	if parameters == nil {
		parameters = map[string]string{}
	}
	event.QueryStringParameters = &parameters
	event.Headers = lastValues(header)
	return event
}
