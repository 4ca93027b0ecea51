package httpevent

// restEvent is what a REST API sends. What a request lacks is null, not
// absent. The documented requestContext.authorizer and identity.clientCert
// come with an authorizer and with mutual TLS only, and there is neither here.
type restEvent struct {
	Resource                        string              `json:"resource"`
	Path                            string              `json:"path"`
	HTTPMethod                      string              `json:"httpMethod"`
	Headers                         map[string]string   `json:"headers"`
	MultiValueHeaders               map[string][]string `json:"multiValueHeaders"`
	QueryStringParameters           map[string]string   `json:"queryStringParameters"`
	MultiValueQueryStringParameters map[string][]string `json:"multiValueQueryStringParameters"`
	RequestContext                  restContext         `json:"requestContext"`
	PathParameters                  map[string]string   `json:"pathParameters"`
	StageVariables                  map[string]string   `json:"stageVariables"`
	Body                            *string             `json:"body"`
	IsBase64Encoded                 bool                `json:"isBase64Encoded"`
}

type restContext struct {
	AccountID         string       `json:"accountId"`
	APIID             string       `json:"apiId"`
	DomainName        string       `json:"domainName"`
	DomainPrefix      string       `json:"domainPrefix"`
	ExtendedRequestID string       `json:"extendedRequestId"`
	HTTPMethod        string       `json:"httpMethod"`
	Identity          restIdentity `json:"identity"`
	Path              string       `json:"path"`
	Protocol          string       `json:"protocol"`
	RequestID         string       `json:"requestId"`
	RequestTime       string       `json:"requestTime"`
	RequestTimeEpoch  int64        `json:"requestTimeEpoch"`
	ResourceID        string       `json:"resourceId"`
	ResourcePath      string       `json:"resourcePath"`
	Stage             string       `json:"stage"`
}

// restIdentity is that of a caller who has not signed: all but address and
// program are null.
type restIdentity struct {
	AccessKey                     *string `json:"accessKey"`
	AccountID                     *string `json:"accountId"`
	Caller                        *string `json:"caller"`
	CognitoAuthenticationProvider *string `json:"cognitoAuthenticationProvider"`
	CognitoAuthenticationType     *string `json:"cognitoAuthenticationType"`
	CognitoIdentityID             *string `json:"cognitoIdentityId"`
	CognitoIdentityPoolID         *string `json:"cognitoIdentityPoolId"`
	PrincipalOrgID                *string `json:"principalOrgId"`
	SourceIP                      string  `json:"sourceIp"`
	User                          *string `json:"user"`
	UserAgent                     *string `json:"userAgent"`
	UserARN                       *string `json:"userArn"`
}

// newRESTEvent keeps the path escaped, as REST APIs do, and decodes the query
// and the path's parameters.
func newRESTEvent(s *Settings, r *Request, found match) restEvent {
	header := sameCase(r.header(s.Kind))
	query := parseQuery(r.RawQuery, true)
	body, encoded := r.body(s)
	return restEvent{
		Resource:                        found.route.Path,
		Path:                            r.path(),
		HTTPMethod:                      r.Method,
		Headers:                         lastValues(header),
		MultiValueHeaders:               allValues(header),
		QueryStringParameters:           lastValues(query),
		MultiValueQueryStringParameters: allValues(query),
		RequestContext:                  newRESTContext(s, r, found),
		PathParameters:                  found.parameters,
		StageVariables:                  s.stageVariables(),
		Body:                            nullable(body),
		IsBase64Encoded:                 encoded,
	}
}

func newRESTContext(s *Settings, r *Request, found match) restContext {
	return restContext{
		AccountID:         s.AccountID,
		APIID:             s.apiID(),
		DomainName:        s.domain(),
		DomainPrefix:      s.apiID(),
		ExtendedRequestID: gatewayID(r.RequestID),
		HTTPMethod:        r.Method,
		Identity:          restIdentity{SourceIP: r.SourceIP, UserAgent: nullable(r.get("User-Agent"))},
		Path:              s.staged(r.path()),
		Protocol:          r.Protocol,
		RequestID:         r.RequestID,
		RequestTime:       logTime(r.Time),
		RequestTimeEpoch:  r.Time.UnixMilli(),
		ResourceID:        madeUp("resource "+found.route.Path, lowerAndDigits, 6),
		ResourcePath:      found.route.Path,
		Stage:             s.stage(),
	}
}

// staged is a path as it is under the API's own domain, where a named stage
// comes first.
func (s *Settings) staged(path string) string {
	if s.stage() == defaultPath {
		return path
	}
	return "/" + s.stage() + path
}

// stageVariables are nil if there are none.
func (s *Settings) stageVariables() map[string]string {
	if len(s.StageVariables) == 0 {
		return nil
	}
	return s.StageVariables
}
