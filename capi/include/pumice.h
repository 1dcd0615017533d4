/* libpumice: Amazon Bedrock from C. docs/c.md is the guide.
 *
 * This file is made by cbindgen from capi/src: change the documentation there.
 */

#ifndef PUMICE_H
#define PUMICE_H

#include <stddef.h>
#include <stdint.h>

// Results of functions. The function did what it is for.
#define PUMICE_OK 0

// The next event of a stream is there.
#define PUMICE_EVENT 1

// The stream is complete: no event follows.
#define PUMICE_END 2

// Nothing came within the time. The stream goes on: call again.
#define PUMICE_TIMEOUT 3

// The stream was cancelled, or the callback stopped it.
#define PUMICE_CANCELLED 4

// The function failed, and its last argument says why.
#define PUMICE_FAILED -1

// Kinds of errors. A kind that this version has no number for.
#define PUMICE_ERROR_OTHER 0

// An argument, a setting or a member of the request is wrong. Nothing was sent.
#define PUMICE_ERROR_INVALID_INPUT 1

// The recording cannot be read, or has no response to this call.
#define PUMICE_ERROR_RECORDING 2

// No credentials were found, or a configured source of them is broken.
#define PUMICE_ERROR_CREDENTIALS 3

// The service refused the credentials or the access (401, 403).
#define PUMICE_ERROR_ACCESS_DENIED 4

// The service rejected the request (400, and any other 4xx without a kind of its own).
#define PUMICE_ERROR_VALIDATION 5

// The model, profile or guardrail does not exist here (404).
#define PUMICE_ERROR_NOT_FOUND 6

// A quota of the account is used up. To wait a little does not help.
#define PUMICE_ERROR_QUOTA_EXCEEDED 7

// The model failed on this request (424).
#define PUMICE_ERROR_MODEL_ERROR 8

// The model took longer than the service allows (408).
#define PUMICE_ERROR_MODEL_TIMEOUT 9

// The model is being prepared (429).
#define PUMICE_ERROR_MODEL_NOT_READY 10

// Too many requests or tokens (429).
#define PUMICE_ERROR_THROTTLED 11

// The service failed (500).
#define PUMICE_ERROR_INTERNAL 12

// The service, or a gateway in front of it, is not available (502, 503, 504).
#define PUMICE_ERROR_UNAVAILABLE 13

// No connection could be made. Nothing was sent.
#define PUMICE_ERROR_CONNECT 14

// The request was sent, and then nothing arrived for longer than a time limit of the client.
#define PUMICE_ERROR_TIMEOUT 15

// The connection broke after the request was sent, or the response ended before it was complete.
#define PUMICE_ERROR_BROKEN_OFF 16

// What arrived violates the protocol.
#define PUMICE_ERROR_DAMAGED 17

// The service responded with a status that has no other kind.
#define PUMICE_ERROR_SERVICE 18

// A fault of pumice itself.
#define PUMICE_ERROR_PANIC 19

// A client of Amazon Bedrock. Any number of threads may use it at the same time.
typedef struct pumice_client pumice_client;

// The response of a call, as a stream of events. One thread at a time may wait for it; any may cancel it.
typedef struct pumice_stream pumice_stream;

// Why a function failed. To be freed with pumice_error_free(), with all its texts. A later version may add members at
// the end.
typedef struct pumice_error {
  // PUMICE_ERROR_…, to decide by.
  int kind;
  // Whether the same call can succeed a little later: 1 or 0. What was delivered would be delivered again.
  int retryable;
  // The HTTP status; 0 if no response arrived.
  int http_status;
  // How many milliseconds the service asks to wait before the next call; -1 if it does not say.
  int64_t retry_after_ms;
  // What happened, with its causes. Never NULL, and without secrets.
  const char *message;
  // The service's name for the failure, such as "ThrottlingException"; NULL if it is not the service's.
  const char *code;
  // What to do next; NULL if there is nothing to say.
  const char *hint;
  // The service's id of the request, for AWS support; NULL if there is none.
  const char *request_id;
} pumice_error;

// A function that is called with each event of a stream. `event` ends with a NUL, which `event_len` does not count,
// and is valid until the function returns. A result other than 0 stops the stream.
typedef int (*pumice_on_event)(void *user_data, const char *event, size_t event_len);

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// The version of the library, such as "0.1.0". The text lives as long as the library.
const char *pumice_version(void);

// Makes a client from a JSON object of settings, which docs/c.md lists. Without settings (NULL and 0) everything
// comes from the environment and the AWS files.
//
// No file is read and no connection opened before the first call, except for a recording. The client has one thread,
// which carries its connections. Any number of threads may call it at the same time.
//
// Returns PUMICE_OK, and a client to be freed with pumice_client_free(); or PUMICE_FAILED.
//
// # Safety
//
// `settings` points to `settings_len` bytes. `client` and `error` each point to a pointer, or are NULL.
int pumice_client_new(const char *settings,
                      size_t settings_len,
                      struct pumice_client **client,
                      struct pumice_error **error);

// Frees a client; NULL is ignored. Its streams may still be open and go on. With the last of them the client's thread
// ends, before this function or pumice_stream_free() returns.
//
// # Safety
//
// `client` is a client that is not freed, or NULL. No other thread uses it any more, nor begins to.
void pumice_client_free(struct pumice_client *client);

// Calls an operation by its name in the API, such as "Converse", and waits for its whole response.
//
// The request is one JSON object with the members of the API, blobs in base64; the response is JSON of the same form,
// in one line. NULL and 0 is a request without members. A list in pages comes whole.
//
// The time limits are those of the client. To limit the wait itself, or to cancel it, open the call with
// pumice_stream_open(). An operation whose response is a stream is an error here.
//
// Returns PUMICE_OK, and a response to be freed with pumice_string_free(); or PUMICE_FAILED. The response ends with a
// NUL, which `response_len` does not count. `response_len` may be NULL.
//
// # Safety
//
// `client` is a client that is not freed. `operation` is a text that ends with a NUL. `request` points to `request_len`
// bytes. The other pointers each point to a value of their type, or are NULL.
int pumice_call(const struct pumice_client *client,
                const char *operation,
                const char *request,
                size_t request_len,
                char **response,
                size_t *response_len,
                struct pumice_error **error);

// Begins a call of an operation, and returns at once: it waits for nothing. Only wrong arguments are reported here,
// everything else by pumice_stream_next().
//
// The events are those of the operation, each as one line of JSON under its name in the API:
// {"contentBlockDelta":{"contentBlockIndex":0,"delta":{"text":"Hi"}}}. An operation whose response comes whole is a
// stream of one event, which is the response.
//
// Returns PUMICE_OK, and a stream to be freed with pumice_stream_free(); or PUMICE_FAILED.
//
// # Safety
//
// As for pumice_call().
int pumice_stream_open(const struct pumice_client *client,
                       const char *operation,
                       const char *request,
                       size_t request_len,
                       struct pumice_stream **stream,
                       struct pumice_error **error);

// Waits for the next event of a stream.
//
// `timeout_ms` limits the wait: 0 returns at once with what has arrived, a negative number is no limit.
//
// Returns
// - PUMICE_EVENT, and the event in `event`. It belongs to the stream, and is valid until the stream is used again,
//   except by pumice_stream_cancel(). It ends with a NUL, which `event_len` does not count. `event_len` may be NULL.
// - PUMICE_TIMEOUT: the time has passed. Nothing is lost: call again.
// - PUMICE_END: the response is complete.
// - PUMICE_CANCELLED: pumice_stream_cancel() was called.
// - PUMICE_FAILED: the response is not complete, or never began.
//
// After one of the last three, the connection is closed, and each further call returns the same. Only one thread at a
// time may wait for a stream: for a second one, the function fails, and the stream goes on.
//
// # Safety
//
// `stream` is a stream that is not freed. The other pointers each point to a value of their type, or are NULL.
int pumice_stream_next(struct pumice_stream *stream,
                       int timeout_ms,
                       const char **event,
                       size_t *event_len,
                       struct pumice_error **error);

// Reads a stream to its end, and calls `on_event` with each event. All these calls are made by the thread that called
// this function, before it returns. In them the stream may be cancelled or freed, and other calls made.
//
// Returns PUMICE_END when the response is complete, PUMICE_CANCELLED when `on_event` or pumice_stream_cancel() stopped
// it, or PUMICE_FAILED.
//
// # Safety
//
// `stream` is a stream that is not freed. `on_event` returns: it neither jumps nor throws past this function.
int pumice_stream_run(struct pumice_stream *stream,
                      pumice_on_event on_event,
                      void *user_data,
                      struct pumice_error **error);

// Cancels a stream: its connection is closed, so that the model stops. Any thread may do this, also while another one
// waits for the stream, whose wait then ends with PUMICE_CANCELLED. A stream that has ended stays as it is; NULL is
// ignored.
//
// # Safety
//
// `stream` is a stream that is not freed, or NULL.
void pumice_stream_cancel(struct pumice_stream *stream);

// Frees a stream, and cancels it if it has not ended. NULL is ignored.
//
// # Safety
//
// `stream` is a stream that is not freed, or NULL. No other thread uses it any more, nor begins to.
void pumice_stream_free(struct pumice_stream *stream);

// Frees a response of pumice_call(). NULL is ignored.
//
// # Safety
//
// `string` is such a response that is not freed, or NULL. Its length has not been changed.
void pumice_string_free(char *string);

// Frees an error with its texts. NULL is ignored.
//
// # Safety
//
// `error` is an error that one of these functions made and that is not freed, or NULL. Nothing in it has been changed.
void pumice_error_free(struct pumice_error *error);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* PUMICE_H */
