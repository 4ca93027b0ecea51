package invokeapi

import (
	"encoding/binary"
	"hash/crc32"
)

// appendMessage adds one message of AWS's event stream encoding, of an event
// of that type: lengths, their checksum, headers, payload, and the checksum of
// all of that.
func appendMessage(out []byte, eventType, contentType string, payload []byte) []byte {
	const (
		preludeSize  = 12
		checksumSize = 4
	)
	start := len(out)
	out = append(out, make([]byte, preludeSize)...)
	out = appendString(out, ":message-type", "event")
	out = appendString(out, ":event-type", eventType)
	out = appendString(out, ":content-type", contentType)
	headers := len(out) - start - preludeSize
	total := preludeSize + headers + len(payload) + checksumSize
	prelude := out[start : start+preludeSize]
	binary.BigEndian.PutUint32(prelude[0:], uint32(total))
	binary.BigEndian.PutUint32(prelude[4:], uint32(headers))
	binary.BigEndian.PutUint32(prelude[8:], crc32.ChecksumIEEE(prelude[:8]))
	out = append(out, payload...)
	return binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(out[start:]))
}

// stringType is the encoding's number for a header value that is a string.
const stringType = 7

func appendString(out []byte, name, value string) []byte {
	out = append(out, byte(len(name)))
	out = append(out, name...)
	out = append(out, stringType)
	out = binary.BigEndian.AppendUint16(out, uint16(len(value)))
	return append(out, value...)
}
