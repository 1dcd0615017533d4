// Streams the response to one question: stream SETTINGS MODEL QUESTION
//
// SETTINGS is the JSON of docs/c.md, such as {"region":"eu-central-1"} or {"replay":"fixtures/text.jsonl"}. Built with
// PKG_CONFIG_PATH=PREFIX/lib/pkgconfig go build; Ctrl-C stops the model and the cost.
package main

/*
#cgo pkg-config: pumice
#include <pumice.h>
#include <stdlib.h>
*/
import "C"

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"unsafe"
)

// Error is a failed call. Kind is a PUMICE_ERROR_… of pumice.h.
type Error struct {
	Kind, HTTPStatus               int
	Retryable                      bool
	Message, Code, Hint, RequestID string
}

func (e *Error) Error() string {
	if e.Code != "" {
		return e.Code + ": " + e.Message
	}
	return e.Message
}

func failure(e *C.pumice_error) error {
	defer C.pumice_error_free(e)
	return &Error{
		Kind:       int(e.kind),
		HTTPStatus: int(e.http_status),
		Retryable:  e.retryable != 0,
		Message:    C.GoString(e.message),
		Code:       C.GoString(e.code),
		Hint:       C.GoString(e.hint),
		RequestID:  C.GoString(e.request_id),
	}
}

// Client may be used by any number of goroutines at the same time.
type Client struct{ handle *C.pumice_client }

func NewClient(settings string) (*Client, error) {
	text := C.CString(settings)
	defer C.free(unsafe.Pointer(text))
	client := &Client{}
	var e *C.pumice_error
	if C.pumice_client_new(text, C.size_t(len(settings)), &client.handle, &e) != C.PUMICE_OK {
		return nil, failure(e)
	}
	return client, nil
}

func (c *Client) Close() { C.pumice_client_free(c.handle) }

// Stream calls onEvent with each event of an operation. When the context ends, so does the call.
func (c *Client) Stream(ctx context.Context, operation string, request any, onEvent func(json.RawMessage) error) error {
	text, err := json.Marshal(request)
	if err != nil {
		return err
	}
	name, body := C.CString(operation), C.CString(string(text))
	defer C.free(unsafe.Pointer(name))
	defer C.free(unsafe.Pointer(body))
	var stream *C.pumice_stream
	var e *C.pumice_error
	if C.pumice_stream_open(c.handle, name, body, C.size_t(len(text)), &stream, &e) != C.PUMICE_OK {
		return failure(e)
	}
	// The stream is freed when no goroutine can cancel it any more.
	done, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		select {
		case <-ctx.Done():
			C.pumice_stream_cancel(stream)
		case <-done:
		}
	}()
	defer func() {
		close(done)
		<-stopped
		C.pumice_stream_free(stream)
	}()
	for {
		var event *C.char
		var length C.size_t
		switch C.pumice_stream_next(stream, -1, &event, &length, &e) {
		case C.PUMICE_EVENT:
			if err := onEvent(C.GoBytes(unsafe.Pointer(event), C.int(length))); err != nil {
				return err
			}
		case C.PUMICE_END:
			return nil
		case C.PUMICE_CANCELLED:
			return ctx.Err()
		default:
			return failure(e)
		}
	}
}

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: stream SETTINGS MODEL QUESTION")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2], os.Args[3]); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		var failed *Error
		if errors.As(err, &failed) && failed.Hint != "" {
			fmt.Fprintln(os.Stderr, "hint:", failed.Hint)
		}
		os.Exit(1)
	}
}

func run(settings, model, question string) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	client, err := NewClient(settings)
	if err != nil {
		return err
	}
	defer client.Close()
	type object map[string]any
	content := []object{{"text": question}}
	request := object{"modelId": model, "messages": []object{{"role": "user", "content": content}}}
	err = client.Stream(ctx, "ConverseStream", request, func(event json.RawMessage) error {
		var found struct {
			ContentBlockDelta struct{ Delta struct{ Text string } }
		}
		if err := json.Unmarshal(event, &found); err != nil {
			return err
		}
		fmt.Print(found.ContentBlockDelta.Delta.Text)
		return nil
	})
	fmt.Println()
	return err
}
