/* The C interface as a C program uses it: test URL RECORDING, where URL is that of capi/tests/server.py. Run by
 * capi/tests/run, with valgrind and with sanitizers. */

#include <pthread.h>
#include <pumice.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CHECK(condition) \
    do { \
        if (!(condition)) { \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
            exit(1); \
        } \
    } while (0)

static const char *url, *recording;

static pumice_client *client_with(const char *more)
{
    char settings[1024];
    pumice_client *client;
    pumice_error *error;

    snprintf(settings, sizeof settings,
             "{\"endpointUrl\":\"%s\",\"region\":\"us-east-1\",\"credentials\":{\"accessKeyId\":\"AKIDEXAMPLE\","
             "\"secretAccessKey\":\"secret\"},\"maxAttempts\":1%s}",
             url, more);
    CHECK(pumice_client_new(settings, strlen(settings), &client, &error) == PUMICE_OK);
    CHECK(client && !error);
    return client;
}

static pumice_stream *open_model(const pumice_client *client, const char *model)
{
    char request[256];
    pumice_stream *stream;
    pumice_error *error;

    snprintf(request, sizeof request,
             "{\"modelId\":\"%s\",\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"Hi\"}]}]}", model);
    CHECK(pumice_stream_open(client, "ConverseStream", request, strlen(request), &stream, &error) == PUMICE_OK);
    CHECK(stream && !error);
    return stream;
}

static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void settings_and_arguments(void)
{
    static const char wrong[] = "{\"regoin\":\"x\"}";
    pumice_client *client;
    pumice_stream *stream;
    pumice_error *error;
    char *response;

    CHECK(pumice_client_new(wrong, strlen(wrong), &client, &error) == PUMICE_FAILED);
    CHECK(!client && error->kind == PUMICE_ERROR_INVALID_INPUT && !error->retryable && !error->http_status);
    CHECK(strstr(error->message, "did you mean region?") && !error->code && error->retry_after_ms == -1);
    pumice_error_free(error);
    CHECK(pumice_client_new(wrong, strlen(wrong), &client, NULL) == PUMICE_FAILED);

    client = client_with("");
    CHECK(pumice_stream_open(client, "Talk", "{}", 2, &stream, &error) == PUMICE_FAILED && !stream);
    pumice_error_free(error);
    CHECK(pumice_call(client, "ConverseStream", "{}", 2, &response, NULL, &error) == PUMICE_FAILED && !response);
    CHECK(strstr(error->hint, "pumice_stream_open"));
    pumice_error_free(error);
    pumice_client_free(client);
}

static void whole_response(void)
{
    static const char request[] = "{\"modelId\":\"m\",\"messages\":[]}";
    pumice_client *client = client_with("");
    pumice_error *error;
    char *response;
    size_t length;

    CHECK(pumice_call(client, "Converse", request, strlen(request), &response, &length, &error) == PUMICE_OK);
    CHECK(strstr(response, "0 messages") && strlen(response) == length);
    pumice_string_free(response);
    pumice_client_free(client);
}

static int words_of(pumice_stream *stream)
{
    const char *event;
    size_t length;
    pumice_error *error;
    int words = 0, status;

    while ((status = pumice_stream_next(stream, -1, &event, &length, &error)) == PUMICE_EVENT) {
        CHECK(strlen(event) == length);
        words += strstr(event, "contentBlockDelta") != NULL;
    }
    CHECK(status == PUMICE_END && !error);
    return words;
}

static int count(void *user_data, const char *event, size_t length)
{
    CHECK(strlen(event) == length);
    return ++*(int *)user_data == 3;
}

static void recorded(void)
{
    char settings[1024];
    pumice_client *client;
    pumice_stream *stream;
    pumice_error *error;

    snprintf(settings, sizeof settings, "{\"replay\":\"%s\",\"replayLoop\":true}", recording);
    CHECK(pumice_client_new(settings, strlen(settings), &client, &error) == PUMICE_OK);
    stream = open_model(client, "m");
    CHECK(words_of(stream) > 10);
    CHECK(words_of(stream) == 0);
    pumice_stream_free(stream);
    /* A stream outlives its client. */
    stream = open_model(client, "m");
    pumice_client_free(client);
    CHECK(words_of(stream) > 10);
    pumice_stream_free(stream);
}

static void callback_stops(void)
{
    pumice_client *client = client_with("");
    pumice_stream *stream = open_model(client, "words-100");
    pumice_error *error;
    int events = 0;

    CHECK(pumice_stream_run(stream, count, &events, &error) == PUMICE_CANCELLED && events == 3 && !error);
    CHECK(pumice_stream_run(stream, count, &events, &error) == PUMICE_CANCELLED && events == 3);
    pumice_stream_free(stream);
    pumice_client_free(client);
}

static int free_it(void *user_data, const char *event, size_t length)
{
    pumice_stream **stream = user_data;

    CHECK(strlen(event) == length);
    pumice_stream_free(*stream);
    *stream = NULL;
    return 0;
}

static void callback_frees(void)
{
    pumice_client *client = client_with("");
    pumice_stream *stream = open_model(client, "words-100");

    pumice_client_free(client);
    CHECK(pumice_stream_run(stream, free_it, &stream, NULL) == PUMICE_CANCELLED && !stream);
}

static void timeouts(void)
{
    pumice_client *client = client_with("");
    pumice_stream *stream = open_model(client, "silent");
    const char *event;
    pumice_error *error;
    double start;

    while (pumice_stream_next(stream, -1, &event, NULL, &error) == PUMICE_EVENT && !strstr(event, "one"))
        ;
    CHECK(event);
    CHECK(pumice_stream_next(stream, 0, &event, NULL, &error) == PUMICE_TIMEOUT && !event && !error);
    start = now();
    CHECK(pumice_stream_next(stream, 50, &event, NULL, &error) == PUMICE_TIMEOUT);
    CHECK(now() - start >= 0.05);
    pumice_stream_free(stream);
    pumice_client_free(client);

    client = client_with(",\"firstByteTimeoutMs\":50");
    stream = open_model(client, "mute");
    CHECK(pumice_stream_next(stream, -1, &event, NULL, &error) == PUMICE_FAILED && error->kind == PUMICE_ERROR_TIMEOUT);
    pumice_error_free(error);
    pumice_stream_free(stream);
    pumice_client_free(client);
}

static void errors(void)
{
    pumice_client *client = client_with("");
    pumice_stream *stream = open_model(client, "throttled");
    const char *event;
    pumice_error *error;
    int status;

    CHECK(pumice_stream_next(stream, -1, &event, NULL, &error) == PUMICE_FAILED);
    CHECK(error->kind == PUMICE_ERROR_THROTTLED && error->retryable && error->http_status == 429);
    CHECK(!strcmp(error->code, "ThrottlingException") && strstr(error->message, "Too many tokens"));
    pumice_error_free(error);
    pumice_stream_free(stream);

    stream = open_model(client, "broken");
    while ((status = pumice_stream_next(stream, -1, &event, NULL, &error)) == PUMICE_EVENT)
        ;
    CHECK(status == PUMICE_FAILED && error->kind == PUMICE_ERROR_BROKEN_OFF && !strcmp(error->request_id, "request-1"));
    pumice_error_free(error);
    /* It is not repeated as if it were the end. */
    CHECK(pumice_stream_next(stream, -1, &event, NULL, NULL) == PUMICE_FAILED);
    pumice_stream_free(stream);
    pumice_client_free(client);
}

/* A connection that is closed while a long request is written is an error, and no SIGPIPE: this program would end. */
static void closed_connections(void)
{
    size_t length = 8 << 20, used;
    char *request = malloc(length + 256);
    pumice_client *client = client_with("");
    pumice_stream *stream;
    pumice_error *error;
    const char *event;
    int calls;

    CHECK(request);
    used = (size_t)sprintf(request, "{\"modelId\":\"unread\",\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"");
    memset(request + used, 'a', length);
    strcpy(request + used + length, "\"}]}]}");
    for (calls = 0; calls < 5; calls++) {
        CHECK(pumice_stream_open(client, "ConverseStream", request, strlen(request), &stream, &error) == PUMICE_OK);
        CHECK(pumice_stream_next(stream, -1, &event, NULL, &error) == PUMICE_FAILED);
        CHECK(error->kind == PUMICE_ERROR_BROKEN_OFF || error->kind == PUMICE_ERROR_CONNECT);
        pumice_error_free(error);
        pumice_stream_free(stream);
    }
    free(request);
    pumice_client_free(client);
}

struct waiting {
    pumice_stream *stream;
    pthread_barrier_t begins;
    int status;
};

static void *wait_for_all(void *argument)
{
    struct waiting *waiting = argument;
    const char *event;

    pthread_barrier_wait(&waiting->begins);
    while ((waiting->status = pumice_stream_next(waiting->stream, -1, &event, NULL, NULL)) == PUMICE_EVENT)
        ;
    return NULL;
}

static void cancelled_by_another_thread(void)
{
    static const char *const models[] = {"silent", "mute", "words-1000"};
    static const int pauses_us[] = {0, 100, 1000, 20000};
    pumice_client *client = client_with("");
    size_t model, pause;

    for (model = 0; model < sizeof models / sizeof *models; model++) {
        for (pause = 0; pause < sizeof pauses_us / sizeof *pauses_us; pause++) {
            struct waiting waiting = {.stream = open_model(client, models[model])};
            pthread_t thread;

            CHECK(!pthread_barrier_init(&waiting.begins, NULL, 2));
            CHECK(!pthread_create(&thread, NULL, wait_for_all, &waiting));
            pthread_barrier_wait(&waiting.begins);
            usleep((useconds_t)pauses_us[pause]);
            pumice_stream_cancel(waiting.stream);
            CHECK(!pthread_join(thread, NULL));
            CHECK(waiting.status == PUMICE_CANCELLED || (model == 2 && waiting.status == PUMICE_END));
            pthread_barrier_destroy(&waiting.begins);
            pumice_stream_free(waiting.stream);
        }
    }
    pumice_client_free(client);
}

static void *call_often(void *client)
{
    int calls;

    for (calls = 0; calls < 4; calls++) {
        pumice_stream *stream = open_model(client, calls % 2 ? "words-20" : "words-1");

        CHECK(words_of(stream) == (calls % 2 ? 20 : 1));
        pumice_stream_free(stream);
    }
    return NULL;
}

static void threads_share_a_client(void)
{
    pumice_client *client = client_with("");
    pthread_t threads[12];
    size_t thread;

    for (thread = 0; thread < 12; thread++)
        CHECK(!pthread_create(&threads[thread], NULL, call_often, client));
    for (thread = 0; thread < 12; thread++)
        CHECK(!pthread_join(threads[thread], NULL));
    pumice_client_free(client);
}

static void opened_and_freed(void)
{
    pumice_client *client;
    int calls;

    for (calls = 0; calls < 20; calls++) {
        client = client_with("");
        if (calls % 2)
            pumice_stream_free(open_model(client, "silent"));
        pumice_client_free(client);
    }
    pumice_client_free(NULL);
    pumice_stream_free(NULL);
    pumice_stream_cancel(NULL);
    pumice_string_free(NULL);
    pumice_error_free(NULL);
}

/* The thread of a client is not in a process that was forked off. */
static void forked(void)
{
    pumice_client *client = client_with("");
    pid_t child;
    int status;

    fflush(NULL);
    child = fork();
    CHECK(child >= 0);
    if (!child) {
        pumice_error *error;
        char *response;
        int ok = pumice_call(client, "Converse", "{}", 2, &response, NULL, &error) == PUMICE_FAILED
            && strstr(error->message, "client: expected one of this process");

        pumice_error_free(error);
        pumice_client_free(client);
        _exit(!ok);
    }
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    pumice_client_free(client);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(void);
    } tests[] = {
        {"settings_and_arguments", settings_and_arguments},
        {"whole_response", whole_response},
        {"recorded", recorded},
        {"callback_stops", callback_stops},
        {"callback_frees", callback_frees},
        {"timeouts", timeouts},
        {"errors", errors},
        {"closed_connections", closed_connections},
        {"cancelled_by_another_thread", cancelled_by_another_thread},
        {"threads_share_a_client", threads_share_a_client},
        {"opened_and_freed", opened_and_freed},
        {"forked", forked},
    };
    size_t test;

    CHECK(argc > 2);
    url = argv[1];
    recording = argv[2];
    for (test = 0; test < sizeof tests / sizeof *tests; test++) {
        /* A leak checker follows no processes, and a thread checker knows none of them. */
        if (argc > 3 && !strcmp(argv[3], tests[test].name))
            continue;
        tests[test].run();
    }
    printf("%d tests in C passed\n", (int)test - (argc > 3));
    return 0;
}
