package httpevent

import (
	"slices"
	"strings"
	"testing"
)

// shapes are the keys of each service's event as they are documented, and
// what the rich request must have there: a sort of value, or the reason why
// the key is not there.
var shapes = map[Kind]string{
	APIGatewayV1: `
		resource string
		path string
		httpMethod string
		headers map
		multiValueHeaders map
		queryStringParameters map
		multiValueQueryStringParameters map
		requestContext.accountId string
		requestContext.apiId string
		requestContext.authorizer absent: no authorizer
		requestContext.domainName string
		requestContext.domainPrefix string
		requestContext.extendedRequestId string
		requestContext.httpMethod string
		requestContext.identity.accessKey null
		requestContext.identity.accountId null
		requestContext.identity.caller null
		requestContext.identity.cognitoAuthenticationProvider null
		requestContext.identity.cognitoAuthenticationType null
		requestContext.identity.cognitoIdentityId null
		requestContext.identity.cognitoIdentityPoolId null
		requestContext.identity.principalOrgId null
		requestContext.identity.sourceIp string
		requestContext.identity.user null
		requestContext.identity.userAgent string
		requestContext.identity.userArn null
		requestContext.identity.clientCert absent: no mutual TLS
		requestContext.path string
		requestContext.protocol string
		requestContext.requestId string
		requestContext.requestTime string
		requestContext.requestTimeEpoch number
		requestContext.resourceId string
		requestContext.resourcePath string
		requestContext.stage string
		pathParameters map
		stageVariables map
		body string
		isBase64Encoded bool
		version absent: that is payload format 1.0 of HTTP APIs`,
	APIGatewayV2: `
		version string
		routeKey string
		rawPath string
		rawQueryString string
		cookies list
		headers map
		queryStringParameters map
		requestContext.accountId string
		requestContext.apiId string
		requestContext.authentication absent: no mutual TLS
		requestContext.authorizer absent: no authorizer
		requestContext.domainName string
		requestContext.domainPrefix string
		requestContext.http.method string
		requestContext.http.path string
		requestContext.http.protocol string
		requestContext.http.sourceIp string
		requestContext.http.userAgent string
		requestContext.requestId string
		requestContext.routeKey string
		requestContext.stage string
		requestContext.time string
		requestContext.timeEpoch number
		body string
		pathParameters map
		isBase64Encoded bool
		stageVariables map
		multiValueHeaders absent: not in this format
		multiValueQueryStringParameters absent: not in this format`,
	FunctionURL: `
		version string
		routeKey string
		rawPath string
		rawQueryString string
		cookies list
		headers map
		queryStringParameters map
		requestContext.accountId string
		requestContext.apiId string
		requestContext.authentication null
		requestContext.authorizer null
		requestContext.domainName string
		requestContext.domainPrefix string
		requestContext.http.method string
		requestContext.http.path string
		requestContext.http.protocol string
		requestContext.http.sourceIp string
		requestContext.http.userAgent string
		requestContext.requestId string
		requestContext.routeKey string
		requestContext.stage string
		requestContext.time string
		requestContext.timeEpoch number
		body string
		pathParameters null
		isBase64Encoded bool
		stageVariables null`,
	ALB: `
		requestContext.elb.targetGroupArn string
		httpMethod string
		path string
		queryStringParameters map
		multiValueQueryStringParameters absent: single-value mode
		headers map
		multiValueHeaders absent: single-value mode
		body string
		isBase64Encoded bool`,
}

func TestShapes(t *testing.T) {
	for _, kind := range kinds {
		t.Run(kind.String(), func(t *testing.T) {
			s := settings(kind)
			s.StageVariables = map[string]string{"table": "users"}
			s.Routes = []Route{{"POST", "/{proxy+}"}}
			event := object(t, s, richRequest())
			var documented []string
			for line := range strings.Lines(shapes[kind]) {
				key, expected, ok := strings.Cut(strings.TrimSpace(line), " ")
				if !ok {
					continue
				}
				documented = append(documented, key)
				value, there := at(event, strings.Split(key, ".")...)
				found := sortOf(value)
				if !there {
					found = "absent"
				}
				if word, _, _ := strings.Cut(expected, ":"); word != found {
					t.Errorf("%s: expected %s, found %s", key, expected, found)
				}
			}
			for _, key := range keysOf(event, "") {
				if !slices.Contains(documented, key) {
					t.Errorf("%s is in the event, but not documented", key)
				}
			}
		})
	}
}

func sortOf(value any) string {
	switch value.(type) {
	case nil:
		return "null"
	case string:
		return "string"
	case bool:
		return "bool"
	case float64:
		return "number"
	case []any:
		return "list"
	default:
		return "map"
	}
}

// keysOf are the keys of an event, down through its context.
func keysOf(value any, prefix string) []string {
	var keys []string
	for key, inner := range value.(map[string]any) {
		path := prefix + key
		if _, deeper := inner.(map[string]any); deeper && strings.HasPrefix(path, "requestContext") {
			keys = append(keys, keysOf(inner, path+".")...)
			continue
		}
		keys = append(keys, path)
	}
	return keys
}

// TestBareShapes holds what becomes of things that a request does not have.
func TestBareShapes(t *testing.T) {
	cases := []struct {
		kind     Kind
		multi    bool
		key      string
		expected string
	}{
		{APIGatewayV1, false, "queryStringParameters", "null"},
		{APIGatewayV1, false, "multiValueQueryStringParameters", "null"},
		{APIGatewayV1, false, "pathParameters", "null"},
		{APIGatewayV1, false, "stageVariables", "null"},
		{APIGatewayV1, false, "body", "null"},
		{APIGatewayV1, false, "requestContext.identity.userAgent", "null"},
		{APIGatewayV2, false, "rawQueryString", "string"},
		{APIGatewayV2, false, "cookies", "absent"},
		{APIGatewayV2, false, "queryStringParameters", "absent"},
		{APIGatewayV2, false, "pathParameters", "absent"},
		{APIGatewayV2, false, "stageVariables", "absent"},
		{APIGatewayV2, false, "body", "absent"},
		{FunctionURL, false, "cookies", "absent"},
		{FunctionURL, false, "queryStringParameters", "absent"},
		{FunctionURL, false, "body", "absent"},
		{ALB, false, "queryStringParameters", "map"},
		{ALB, false, "body", "string"},
		{ALB, true, "multiValueQueryStringParameters", "map"},
		{ALB, true, "multiValueHeaders", "map"},
		{ALB, true, "headers", "absent"},
		{ALB, true, "queryStringParameters", "absent"},
	}
	for _, c := range cases {
		t.Run(c.kind.String()+" "+c.key, func(t *testing.T) {
			s := settings(c.kind)
			s.MultiValue = c.multi
			event := object(t, s, bareRequest())
			value, there := at(event, strings.Split(c.key, ".")...)
			found := sortOf(value)
			if !there {
				found = "absent"
			}
			if found != c.expected {
				t.Errorf("expected %s, found %s", c.expected, found)
			}
			if event["isBase64Encoded"] != false {
				t.Errorf("expected an empty body as text, found it as base64")
			}
		})
	}
}
