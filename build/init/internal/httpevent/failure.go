package httpevent

import "strconv"

// BadGateway is what the client gets if the function fails, takes too long,
// or returns what is malformed.
//
// The statuses of REST APIs (API Gateway's guide on Lambda proxy integration)
// and of load balancers (Elastic Load Balancing's guide, "Lambda functions")
// are documented, and so is the body of HTTP APIs (API Gateway's guide on
// troubleshooting them). Their status, 500, and the 502 with a lone sentence
// of function URLs, of which the documentation says only that it is one of
// the 5xx, are chosen here. The load balancer's page is chosen too.
func BadGateway(s *Settings) Response {
	switch s.Kind {
	case APIGatewayV1:
		return message(502, `{"message": "Internal server error"}`, "InternalServerErrorException")
	case APIGatewayV2:
		return message(500, `{"message":"Internal Server Error"}`, "")
	case FunctionURL:
		return message(502, "Internal Server Error", "")
	default:
		return page(502, "Bad Gateway")
	}
}

// NotFound is what the client gets if no route answers. A REST API says that
// a token is missing, since it cannot tell whether the request was to be
// signed. Function URLs and load balancers have no routes: theirs is chosen
// here, for the sake of completeness.
func NotFound(s *Settings) Response {
	switch s.Kind {
	case APIGatewayV1:
		return message(403, `{"message":"Missing Authentication Token"}`, "MissingAuthenticationTokenException")
	case APIGatewayV2:
		return message(404, `{"message":"Not Found"}`, "")
	case FunctionURL:
		return message(404, `{"Message":null}`, "")
	default:
		return page(404, "Not Found")
	}
}

// TooLarge is what the client gets for a body beyond MaxRequest. The load
// balancer's status is documented; the others and all texts are chosen here.
func TooLarge(s *Settings) Response {
	switch s.Kind {
	case APIGatewayV1:
		return message(413, `{"message":"Request Too Long"}`, "RequestTooLargeException")
	case ALB:
		return page(413, "Request Entity Too Large")
	default:
		return message(413, `{"message":"Request Entity Too Large"}`, "")
	}
}

// message is an answer of the service's own, with the type of error that REST
// APIs name.
func message(status int, body, errorType string) Response {
	header := []Field{{"Content-Type", "application/json"}}
	if errorType != "" {
		header = append(header, Field{"x-amzn-ErrorType", errorType})
	}
	return Response{Status: status, Header: header, Body: []byte(body)}
}

// page is a load balancer's own answer.
func page(status int, reason string) Response {
	title := strconv.Itoa(status) + " " + reason
	return Response{
		Status: status,
		Header: []Field{{"Content-Type", "text/html"}},
		Body:   []byte("<html><head><title>" + title + "</title></head><body><h1>" + title + "</h1></body></html>\n"),
	}
}
