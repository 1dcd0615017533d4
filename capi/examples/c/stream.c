/* Streams the response to one question: stream SETTINGS MODEL QUESTION
 *
 * SETTINGS is the JSON of docs/c.md, such as {"region":"eu-central-1"} or {"replay":"fixtures/text.jsonl"}. Prints the
 * text as it arrives. Ctrl-C stops the model and the cost.
 */

#include <pthread.h>
#include <pumice.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Appends a text to a buffer as a JSON string. */
static char *quoted(char *end, const char *text)
{
    *end++ = '"';
    for (; *text; text++) {
        if ((unsigned char)*text < 0x20)
            end += sprintf(end, "\\u%04x", *text);
        else {
            if (*text == '"' || *text == '\\')
                *end++ = '\\';
            *end++ = *text;
        }
    }
    *end++ = '"';
    *end = 0;
    return end;
}

/* {"modelId":…,"messages":[{"role":"user","content":[{"text":…}]}]} */
static char *request_of(const char *model, const char *question)
{
    char *request = malloc(6 * (strlen(model) + strlen(question)) + 128);
    char *end = request;

    if (!request)
        abort();
    end = quoted(end + sprintf(end, "{\"modelId\":"), model);
    end = quoted(end + sprintf(end, ",\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":"), question);
    strcpy(end, "}]}]}");
    return request;
}

static void put_utf8(unsigned code)
{
    if (code < 0x80)
        putchar((int)code);
    else if (code < 0x800) {
        putchar((int)(0xc0 | code >> 6));
        putchar((int)(0x80 | (code & 0x3f)));
    } else if (code < 0x10000) {
        putchar((int)(0xe0 | code >> 12));
        putchar((int)(0x80 | (code >> 6 & 0x3f)));
        putchar((int)(0x80 | (code & 0x3f)));
    } else {
        putchar((int)(0xf0 | code >> 18));
        putchar((int)(0x80 | (code >> 12 & 0x3f)));
        putchar((int)(0x80 | (code >> 6 & 0x3f)));
        putchar((int)(0x80 | (code & 0x3f)));
    }
}

/* Prints the JSON string that begins after its quotation mark. A program of your own uses the JSON reader that it has. */
static void print_text(const char *json)
{
    unsigned high = 0;

    for (; *json && *json != '"'; json++) {
        char unit[5] = {0};
        unsigned code;

        if (*json != '\\') {
            putchar(*json);
            continue;
        }
        switch (*++json) {
        case 'n': putchar('\n'); break;
        case 't': putchar('\t'); break;
        case 'r': putchar('\r'); break;
        case 'b': putchar('\b'); break;
        case 'f': putchar('\f'); break;
        case 'u':
            memcpy(unit, json + 1, 4);
            json += 4;
            code = (unsigned)strtoul(unit, NULL, 16);
            if (code >= 0xd800 && code < 0xdc00)
                high = code;
            else if (code >= 0xdc00 && code < 0xe000)
                put_utf8(0x10000 + ((high - 0xd800) << 10) + (code - 0xdc00));
            else
                put_utf8(code);
            break;
        default: putchar(*json);
        }
    }
}

static int failed(pumice_error *error)
{
    fprintf(stderr, "error: %s%s%s\n", error->code ? error->code : "", error->code ? ": " : "", error->message);
    if (error->hint)
        fprintf(stderr, "hint: %s\n", error->hint);
    if (error->request_id)
        fprintf(stderr, "request id: %s\n", error->request_id);
    pumice_error_free(error);
    return 1;
}

static sigset_t interrupt;

/* Waits for Ctrl-C. A signal handler may not call the library, but a thread that waits for the signal may. */
static void *cancel_on_interrupt(void *stream)
{
    int signal;

    sigwait(&interrupt, &signal);
    pumice_stream_cancel(stream);
    return NULL;
}

int main(int argc, char **argv)
{
    static const char delta[] = "{\"contentBlockDelta\":", text[] = "\"delta\":{\"text\":\"";
    pumice_client *client;
    pumice_stream *stream;
    pumice_error *error;
    pthread_t thread;
    const char *event, *found;
    char *request;
    int status;

    if (argc != 4) {
        fprintf(stderr, "usage: stream SETTINGS MODEL QUESTION\n");
        return 2;
    }
    /* Before there is any other thread: each inherits it. */
    sigemptyset(&interrupt);
    sigaddset(&interrupt, SIGINT);
    pthread_sigmask(SIG_BLOCK, &interrupt, NULL);

    if (pumice_client_new(argv[1], strlen(argv[1]), &client, &error) != PUMICE_OK)
        return failed(error);
    request = request_of(argv[2], argv[3]);
    status = pumice_stream_open(client, "ConverseStream", request, strlen(request), &stream, &error);
    free(request);
    if (status != PUMICE_OK) {
        pumice_client_free(client);
        return failed(error);
    }

    pthread_create(&thread, NULL, cancel_on_interrupt, stream);

    /* What has arrived is printed before the program waits for more. */
    for (;;) {
        status = pumice_stream_next(stream, 0, &event, NULL, &error);
        if (status == PUMICE_TIMEOUT) {
            fflush(stdout);
            status = pumice_stream_next(stream, -1, &event, NULL, &error);
        }
        if (status != PUMICE_EVENT)
            break;
        if (!strncmp(event, delta, sizeof delta - 1) && (found = strstr(event, text)))
            print_text(found + sizeof text - 1);
    }
    putchar('\n');

    pthread_cancel(thread);
    pthread_join(thread, NULL);
    pumice_stream_free(stream);
    pumice_client_free(client);
    if (status == PUMICE_FAILED)
        return failed(error);
    return status == PUMICE_END ? 0 : 130;
}
