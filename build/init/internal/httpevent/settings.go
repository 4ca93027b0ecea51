// Package httpevent turns an HTTP request into the event that one of AWS's
// HTTP services hands to a function, and the function's answer into the HTTP
// response which that service would give. It computes only: it does no input
// or output, and starts nothing.
package httpevent

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"strings"
)

// Kind is the service whose events are made.
type Kind int

const (
	// APIGatewayV1 is an API Gateway REST API with Lambda proxy integration.
	APIGatewayV1 Kind = iota + 1
	// APIGatewayV2 is an API Gateway HTTP API with payload format 2.0.
	APIGatewayV2
	// FunctionURL is a Lambda function URL with the auth type NONE.
	FunctionURL
	// ALB is an Application Load Balancer with a Lambda target group.
	ALB
)

var kindWords = []struct {
	kind Kind
	word string
}{
	{APIGatewayV1, "apigw-v1"},
	{APIGatewayV2, "apigw-v2"},
	{FunctionURL, "function-url"},
	{ALB, "alb"},
}

// ParseKind reads the word that names a service.
func ParseKind(word string) (Kind, error) {
	var words []string
	for _, k := range kindWords {
		if k.word == word {
			return k.kind, nil
		}
		words = append(words, k.word)
	}
	return 0, fmt.Errorf("%q is no HTTP event: use one of %s", word, strings.Join(words, ", "))
}

// String is the word that ParseKind reads.
func (k Kind) String() string {
	for _, known := range kindWords {
		if known.kind == k {
			return known.word
		}
	}
	return fmt.Sprintf("Kind(%d)", int(k))
}

// Settings are what an event tells beside its request.
type Settings struct {
	Kind        Kind
	AccountID   string
	Region      string
	FunctionARN string
	// APIID is the first label of the domain. Empty, it is made up from the
	// function's ARN: always the same for the same function.
	APIID string
	// Stage is the API's stage; empty is "prod" for a REST API and "$default"
	// for an HTTP API. Function URLs always have "$default". A named stage
	// comes first in requestContext.path (v1) and rawPath (v2), as it does
	// under the API's own domain; requests are to leave it out.
	Stage          string
	StageVariables map[string]string
	// Routes is the API's route table. Without one everything is answered: by
	// /{proxy+} in v1, by $default in v2. Function URLs and load balancers
	// know no routes, and take no notice of it.
	Routes []Route
	// MultiValue is the load balancer's lambda.multi_value_headers.enabled.
	MultiValue bool
	// BinaryTypes are a REST API's binary media types, such as "image/png",
	// "image/*" or "*/*": request bodies of such a type are base64. Without
	// any, those are that are not UTF-8. Responses marked as base64 are
	// decoded either way: whether they are on AWS depends on the Accept field
	// of their request.
	BinaryTypes []string
}

// MaxRequest is the number of bytes that the service takes as a body.
func MaxRequest(kind Kind) int64 {
	const megabyte = 1024 * 1024
	switch kind {
	case FunctionURL:
		return 6 * megabyte
	case ALB:
		return 1 * megabyte
	default:
		return 10 * megabyte
	}
}

// maxOutput is the size of a function's output that a load balancer takes.
const maxOutput = 1024 * 1024

func (s *Settings) stage() string {
	switch {
	case s.Kind == FunctionURL:
		return "$default"
	case s.Stage != "":
		return s.Stage
	case s.Kind == APIGatewayV1:
		return "prod"
	default:
		return "$default"
	}
}

func (s *Settings) apiID() string {
	switch {
	case s.APIID != "":
		return s.APIID
	case s.Kind == FunctionURL:
		return madeUp("url "+s.FunctionARN, lowerAndDigits, 32)
	default:
		return madeUp("api "+s.FunctionARN, lowerAndDigits, 10)
	}
}

func (s *Settings) domain() string {
	if s.Kind == FunctionURL {
		return s.apiID() + ".lambda-url." + s.Region + ".on.aws"
	}
	return s.apiID() + ".execute-api." + s.Region + ".amazonaws.com"
}

// functionName is the name in the function's ARN.
func (s *Settings) functionName() string {
	parts := strings.Split(s.FunctionARN, ":")
	if len(parts) > 6 && parts[6] != "" {
		return parts[6]
	}
	return "function"
}

func (s *Settings) targetGroup() string {
	return "arn:aws:elasticloadbalancing:" + s.Region + ":" + s.AccountID + ":targetgroup/" +
		s.functionName() + "/" + madeUp("target "+s.FunctionARN, hexDigits, 16)
}

const (
	lowerAndDigits = "abcdefghijklmnopqrstuvwxyz0123456789"
	hexDigits      = "0123456789abcdef"
)

// madeUp is an identifier that looks drawn at random, but is the same for the
// same seed.
func madeUp(seed, alphabet string, length int) string {
	id := make([]byte, length)
	var state uint64
	for i := range id {
		if i%8 == 0 {
			state = hash(seed, byte(i/8))
		}
		id[i] = alphabet[state%256%uint64(len(alphabet))]
		state >>= 8
	}
	return string(id)
}

// gatewayID is the short id that API Gateway itself gives to a request, made
// up from the invocation's.
func gatewayID(requestID string) string {
	id := binary.BigEndian.AppendUint64(nil, hash(requestID, 0))
	id = binary.BigEndian.AppendUint64(id, hash(requestID, 1))
	return base64.URLEncoding.EncodeToString(id[:11])
}

func hash(seed string, round byte) uint64 {
	h := fnv.New64a()
	// A hash's Write cannot fail.
	_, _ = h.Write([]byte{round})
	_, _ = h.Write([]byte(seed))
	return h.Sum64()
}
