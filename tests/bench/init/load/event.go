package main

import (
	"bytes"
	"fmt"
	"strconv"
)

// An event is JSON as Python writes it, so that a runtime in Python that
// returns what it got gives the same bytes:
//
//	{"nonce": "0003-0000000042", "do": "echo", "pad": "xxxx"}
//
// The nonce has a fixed width and place, so that it is overwritten in place.
const (
	eventStart  = `{"nonce": "`
	eventDo     = `", "do": "`
	eventPad    = `", "pad": "`
	eventEnd    = `"}`
	clientWidth = 4
	serialWidth = 10
	nonceWidth  = clientWidth + 1 + serialWidth
	maxClients  = 9999
	// maxSerial is the last number that the nonce has room for.
	maxSerial = 9_999_999_999
)

// smallestEvent is the size of an event without padding.
func smallestEvent(do string) int {
	return len(eventStart) + nonceWidth + len(eventDo) + len(do) + len(eventPad) + len(eventEnd)
}

// newEvent returns an event of the given size, padded to it.
func newEvent(do string, size int) ([]byte, error) {
	least := smallestEvent(do)
	if size < least || size > maxBody {
		return nil, fmt.Errorf("an event has %d to %d bytes, not %d: choose another size", least, maxBody, size)
	}
	event := make([]byte, 0, size)
	event = append(event, eventStart...)
	event = append(event, make([]byte, nonceWidth)...)
	event = append(event, eventDo...)
	event = append(event, do...)
	event = append(event, eventPad...)
	event = append(event, bytes.Repeat([]byte("x"), size-least)...)
	event = append(event, eventEnd...)
	setNonce(event, 0, 0)
	return event, nil
}

// setNonce numbers an event.
func setNonce(event []byte, client int, serial int64) {
	nonce := event[len(eventStart) : len(eventStart)+nonceWidth]
	digits(nonce[:clientWidth], int64(client))
	nonce[clientWidth] = '-'
	digits(nonce[clientWidth+1:], serial)
}

// digits writes a number with leading zeros, over the whole width.
func digits(to []byte, value int64) {
	for i := len(to) - 1; i >= 0; i-- {
		to[i] = byte('0' + value%10)
		value /= 10
	}
}

// nonceOf returns the nonce of an event and what it asks for; ok is false for
// bytes that are no event of ours.
func nonceOf(event []byte) (nonce, do string, ok bool) {
	rest, found := bytes.CutPrefix(event, []byte(eventStart))
	if !found || len(rest) < nonceWidth {
		return "", "", false
	}
	nonce = string(rest[:nonceWidth])
	rest, found = bytes.CutPrefix(rest[nonceWidth:], []byte(eventDo))
	if !found {
		return "", "", false
	}
	name, _, found := bytes.Cut(rest[:min(len(rest), 32)], []byte(`"`))
	if _, _, ok := splitNonce(nonce); !ok {
		return "", "", false
	}
	return nonce, string(name), found
}

// splitNonce returns the client and the serial number in a nonce.
func splitNonce(nonce string) (client int, serial int64, ok bool) {
	if len(nonce) != nonceWidth || nonce[clientWidth] != '-' {
		return 0, 0, false
	}
	first, err := strconv.ParseUint(nonce[:clientWidth], 10, 31)
	second, err2 := strconv.ParseUint(nonce[clientWidth+1:], 10, 63)
	return int(first), int64(second), err == nil && err2 == nil
}
