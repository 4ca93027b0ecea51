package app

import (
	"crypto/rand"
	"encoding/hex"

	"imagemill/init/internal/config"
)

// randomHex returns n random bytes as hex digits.
func randomHex(n int) string {
	raw := make([]byte, n)
	// Never fails, by its documentation.
	_, _ = rand.Read(raw)
	return hex.EncodeToString(raw)
}

// newRequestID returns a request id: a UUID that says it is of version 1 as
// docker-lambda's do, or 4 as the emulator's.
func (p *program) newRequestID() string {
	version := byte(0x10)
	if p.cfg.Mode == config.RIE {
		version = 0x40
	}
	var raw [16]byte
	_, _ = rand.Read(raw[:])
	raw[6] = raw[6]&0x0f | version
	raw[8] = raw[8]&0x3f | 0x80
	var id [36]byte
	hex.Encode(id[0:8], raw[0:4])
	hex.Encode(id[9:13], raw[4:6])
	hex.Encode(id[14:18], raw[6:8])
	hex.Encode(id[19:23], raw[8:10])
	hex.Encode(id[24:36], raw[10:16])
	id[8], id[13], id[18], id[23] = '-', '-', '-', '-'
	return string(id[:])
}
