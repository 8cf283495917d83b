/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/log_reader.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/cleanup.h"

#define WAITING_MAX HTTP_CONNECTIONS_MAX
#define NICENESS 10 /* packets come first */

struct job {
    struct job *next;
    struct http_ticket *ticket;
    struct logs_host host; /* a copy, with the reader's queries */
    char *target, *body;
    size_t body_len;
    struct http_answer answer;
};

struct log_reader {
    pthread_mutex_t lock; /* of the lists and `stopping` */
    pthread_cond_t changed;
    pthread_t thread;
    bool begun; /* the thread */
    bool stopping;
    struct job *waiting, **waiting_end;
    size_t waiting_count;
    struct job *done;
    int done_fd;
    struct logs_queries *queries;
};

static void job_free(struct job *job)
{
    free(job->target);
    free(job->body);
    logs_host_done(&job->host);
    buf_done(&job->answer.body);
    free(job);
}

/* With the lock held. */
static struct job *take_waiting(struct log_reader *reader)
{
    struct job *job = reader->waiting;
    reader->waiting = job->next;
    reader->waiting_count--;
    if (!reader->waiting)
        reader->waiting_end = &reader->waiting;
    return job;
}

static void put_done(struct log_reader *reader, struct job *job)
{
    job->next = reader->done;
    reader->done = job;
    (void)!write(reader->done_fd, &(uint64_t){1}, sizeof(uint64_t)); /* fails when it is readable anyway */
}

static void *answer_jobs(void *context)
{
    struct log_reader *reader = context;
    (void)setpriority(PRIO_PROCESS, (id_t)gettid(), NICENESS);
    pthread_mutex_lock(&reader->lock);
    while (!reader->stopping) {
        if (!reader->waiting) {
            pthread_cond_wait(&reader->changed, &reader->lock);
            continue;
        }
        struct job *job = take_waiting(reader);
        pthread_mutex_unlock(&reader->lock);
        job->answer.status =
            logs_answer(&job->host, job->target, job->body, job->body_len, &job->answer.body);
        pthread_mutex_lock(&reader->lock);
        put_done(reader, job);
    }
    pthread_mutex_unlock(&reader->lock);
    return NULL;
}

int log_reader_open(struct log_reader **ret, struct fault *fault)
{
    struct log_reader *reader = calloc(1, sizeof *reader);
    if (!reader)
        return fault_set(fault, -ENOMEM, "out of memory");
    pthread_mutex_init(&reader->lock, NULL);
    pthread_cond_init(&reader->changed, NULL);
    reader->waiting_end = &reader->waiting;
    reader->queries = logs_queries_new();
    reader->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (!reader->queries || reader->done_fd < 0) {
        log_reader_close(reader);
        return fault_set(fault, -ENOMEM, "requests for logs: no memory or no descriptor");
    }
    *ret = reader;
    return 0;
}

static struct job *make_job(const struct log_reader *reader, const struct logs_host *host, const char *target,
                            const struct http_request *request)
{
    struct job *job = calloc(1, sizeof *job);
    if (!job)
        return NULL;
    job->target = strdup(target);
    job->body = strndup(request->body, request->body_len);
    job->body_len = job->body ? strlen(job->body) : 0;
    bool copied = logs_host_copy(&job->host, host) == 0;
    job->host.queries = reader->queries;
    job->answer = (struct http_answer){.content_type = LOGS_CONTENT_TYPE, .body = BUF_INIT(HTTP_ANSWER_MAX)};
    if (job->target && job->body && copied)
        return job;
    job_free(job);
    return NULL;
}

/* False when too many wait, or there is no thread. */
static bool add_job(struct log_reader *reader, struct job *job)
{
    pthread_mutex_lock(&reader->lock);
    if (!reader->begun)
        reader->begun = pthread_create(&reader->thread, NULL, answer_jobs, reader) == 0;
    bool added = reader->begun && reader->waiting_count < WAITING_MAX;
    if (added) {
        *reader->waiting_end = job;
        reader->waiting_end = &job->next;
        reader->waiting_count++;
        pthread_cond_signal(&reader->changed);
    }
    pthread_mutex_unlock(&reader->lock);
    return added;
}

void log_reader_begin(struct log_reader *reader, const struct logs_host *host, const char *target,
                      const struct http_request *request, struct http_answer *ret)
{
    struct job *job = make_job(reader, host, target, request);
    if (job)
        job->ticket = http_defer(request);
    if (job && add_job(reader, job))
        return;
    struct http_answer refusal = {.content_type = LOGS_CONTENT_TYPE, .body = BUF_INIT(1024)};
    refusal.status = logs_refuse("ServiceUnavailableException", "too many requests wait", &refusal.body);
    if (job) {
        http_resume(job->ticket, &refusal);
        job_free(job);
    } else {
        buf_done(&ret->body);
        *ret = refusal;
    }
}

int log_reader_fd(const struct log_reader *reader)
{
    return reader->done_fd;
}

void log_reader_reap(struct log_reader *reader)
{
    uint64_t count;
    (void)!read(reader->done_fd, &count, sizeof count);
    pthread_mutex_lock(&reader->lock);
    struct job *done = TAKE(reader->done);
    pthread_mutex_unlock(&reader->lock);
    while (done) {
        struct job *job = done;
        done = job->next;
        http_resume(job->ticket, &job->answer);
        job_free(job);
    }
}

void log_reader_close(struct log_reader *reader)
{
    if (!reader)
        return;
    pthread_mutex_lock(&reader->lock);
    reader->stopping = true;
    pthread_cond_signal(&reader->changed);
    pthread_mutex_unlock(&reader->lock);
    if (reader->begun)
        (void)pthread_join(reader->thread, NULL);
    while (reader->waiting) {
        struct job *job = take_waiting(reader);
        job->answer.status =
            logs_refuse("ServiceUnavailableException", "the daemon stops", &job->answer.body);
        put_done(reader, job);
    }
    log_reader_reap(reader);
    logs_queries_free(reader->queries);
    close(reader->done_fd);
    pthread_cond_destroy(&reader->changed);
    pthread_mutex_destroy(&reader->lock);
    free(reader);
}
