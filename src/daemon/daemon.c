/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/daemon.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/log.h"
#include "capture/reasons.h"
#include "daemon/created.h"
#include "daemon/upload.h"

/* A packet of the old minute can still be discarded after it ended; then the two minutes are settled
 * together. */
#define GRACE_NS (1500 * NS_PER_MS)
#define RETRY_TICKS 5
#define ATTACH_PATIENCE_S 6 /* for the interfaces that are there at the start; others go on waiting */
#define STOP_PATIENCE_S 6   /* for destinations to take what is left */
#define CLOSE_PATIENCE_S 3  /* for one that does not answer to let go */
#define LAST_DRAIN_TRIES 20
#define BPF_FILE_SYSTEM 0xcafe4a11

enum event_source {
    EVENT_SIGNAL,
    EVENT_TICK,
    EVENT_CLOCK,
    EVENT_LINKS,
    EVENT_WAKE,
    EVENT_CONTROL,
    EVENT_HTTP,
    EVENT_LOGS,
};

static int watch(struct daemon *daemon, int fd, enum event_source source, struct fault *fault)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = source};
    if (fd < 0 || epoll_ctl(daemon->epoll, EPOLL_CTL_ADD, fd, &event) < 0)
        return fault_set(fault, -errno, "cannot watch for events: %s", strerror(errno));
    return 0;
}

static int open_timers(struct daemon *daemon, struct fault *fault)
{
    struct itimerspec tick = {.it_interval.tv_nsec = 250 * NS_PER_MS, .it_value.tv_nsec = 250 * NS_PER_MS};
    /* Never expires: it is there to be cancelled when somebody sets the clock. */
    struct itimerspec never = {.it_value.tv_sec = INT64_MAX / 2};
    daemon->ticks = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    daemon->clock_changes = timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK);
    if (daemon->ticks < 0 || daemon->clock_changes < 0 ||
        timerfd_settime(daemon->ticks, 0, &tick, NULL) < 0 ||
        timerfd_settime(daemon->clock_changes, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &never, NULL) < 0)
        return fault_set(fault, -errno, "cannot make timers: %s", strerror(errno));
    return 0;
}

static int open_signals(struct daemon *daemon, struct fault *fault)
{
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGHUP);
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
    (void)signal(SIGPIPE, SIG_IGN); /* a reader of --print that goes away is a write error, no more */
    daemon->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (daemon->signals < 0)
        return fault_set(fault, -errno, "cannot take signals: %s", strerror(errno));
    return 0;
}

static int watch_everything(struct daemon *daemon, struct fault *fault)
{
    daemon->epoll = epoll_create1(EPOLL_CLOEXEC);
    const struct {
        int fd;
        enum event_source source;
    } sources[] = {
        {daemon->signals, EVENT_SIGNAL},          {daemon->ticks, EVENT_TICK},
        {daemon->clock_changes, EVENT_CLOCK},     {links_fd(daemon->links), EVENT_LINKS},
        {live_wake_fd(daemon->live), EVENT_WAKE}, {control_fd(daemon->control), EVENT_CONTROL},
    };
    for (size_t i = 0; i < ARRAY_SIZE(sources); i++) {
        int r = watch(daemon, sources[i].fd, sources[i].source, fault);
        if (r < 0)
            return r;
    }
    if (!daemon->http)
        return 0;
    int r = watch(daemon, http_fd(daemon->http), EVENT_HTTP, fault);
    return r == 0 ? watch(daemon, log_reader_fd(daemon->log_reader), EVENT_LOGS, fault) : r;
}

/* Hash of what tells this daemon from others that write to the same places. */
static uint64_t origin_of(const struct daemon *daemon)
{
    char resolved[PATH_MAX];
    const char *state = realpath(daemon->options->state, resolved) ? resolved : daemon->options->state;
    uint64_t hash = hash_bytes(state, strlen(state), 0);
    return hash_bytes(daemon->machine_id, strlen(daemon->machine_id), hash);
}

/* The folder of our pins, or "" when there is no bpf file system to hold it. */
static void pin_folder(const struct daemon *daemon, char ret[static PATH_MAX])
{
    char parent[PATH_MAX];
    struct statfs status;
    ret[0] = '\0';
    (void)snprintf(parent, sizeof parent, "%s", daemon->config.capture.pin_path);
    char *slash = strrchr(parent, '/');
    if (slash && access(parent, F_OK) < 0)
        *slash = '\0';
    if (statfs(parent, &status) < 0 || status.f_type != BPF_FILE_SYSTEM) {
        log_warning(
            "capture",
            "%s is not on a bpf file system: capture goes on, but packets are lost when the daemon dies. "
            "Mount it: mount -t bpf bpf /sys/fs/bpf",
            daemon->config.capture.pin_path);
        return;
    }
    (void)snprintf(ret, PATH_MAX, "%.4000s/v%d-%016llx", daemon->config.capture.pin_path, WIRE_VERSION,
                   (unsigned long long)origin_of(daemon));
}

static int open_capture(struct daemon *daemon, struct fault *fault)
{
    char pins[PATH_MAX];
    pin_folder(daemon, pins);
    struct live_options options = {.map_entries = (uint32_t)daemon->config.capture.map_entries,
                                   .attach = (enum live_attach)daemon->config.capture.attach,
                                   .pin_folder = pins[0] ? pins : NULL};
    if (options.pin_folder && live_remove_other_versions(options.pin_folder))
        log_warning("capture",
                    "what an earlier version left counting is taken down: its last windows have no records");
    int r = drop_reasons_load(fault);
    if (r == 0)
        r = live_open(&daemon->live, &options, fault);
    if (r == 0 && live_adopted(daemon->live))
        log_info("capture", "going on where an earlier process left off");
    return r;
}

/* What --print shows: AWS's default record, and the few more that people look for first. */
static const char print_format[] =
    "${version} ${account-id} ${interface-id} ${srcaddr} ${dstaddr} ${srcport} ${dstport} ${protocol} "
    "${packets} ${bytes} "
    "${start} ${end} ${action} ${log-status} ${tcp-flags} ${flow-direction} ${x-reject-source}";

static int make_print_log(struct daemon *daemon, struct fault *fault)
{
    struct flow_log *log = &daemon->print_log;
    *log = (struct flow_log){.name = (char *)"print",
                             .resource = (char *)"all",
                             .traffic_type = TRAFFIC_ALL,
                             .interval = 60,
                             .place = {.kind = DESTINATION_STDOUT},
                             .file_format = FILE_FORMAT_PLAIN_TEXT,
                             .publish_interval = WINDOW_SECONDS,
                             .id = "print"};
    log->format_text = (char *)(uintptr_t)print_format;
    return format_parse(&log->format, print_format, fault);
}

static int load_config(struct daemon *daemon, struct config *ret, struct fault *fault)
{
    struct config_report report;
    int r = config_load(ret, daemon->options->config_path, daemon->options->state, &report);
    if (r < 0) {
        (void)fputs(buf_string(&report.mistakes), stderr);
        (void)fault_set(fault, r, "%s: %u mistakes in the configuration", daemon->options->config_path,
                        report.mistake_count);
    }
    config_report_done(&report);
    return r;
}

/* So that commands find the store by the state folder alone. */
static void note_store(const struct daemon *daemon)
{
    char path[PATH_MAX];
    struct fault fault;
    if ((size_t)snprintf(path, sizeof path, "%s/" CONFIG_STORE_NOTE, daemon->options->state) < sizeof path &&
        file_replace(path, daemon->config.store_path, strlen(daemon->config.store_path), &fault) < 0)
        log_warning("store", "%s", fault.text);
}

static int open_publisher(struct daemon *daemon, struct fault *fault)
{
    if (attribution_open(&daemon->attribution, &daemon->registry) < 0)
        return fault_set(fault, -ENOMEM, "out of memory");
    daemon->publish.taken = recover_note_published;
    daemon->publish.context = daemon;
    daemon->publish.rule_name = attribution_rule;
    daemon->publish.rule_context = daemon->attribution;
    daemon->publish.world = &daemon->world;
    return publish_open(&daemon->publish, &daemon->config, &daemon->registry, &daemon->windows.ledger,
                        daemon->options->state, origin_of(daemon),
                        daemon->options->print ? &daemon->print_log : NULL, fault);
}

/* A store that cannot be read does not keep the declared flow logs from running. */
static int open_store(struct daemon *daemon, struct fault *fault)
{
    int r = flow_log_store_open(&daemon->store, daemon->options->state, fault);
    if (r == -EBADMSG) {
        log_error("api", "%s", fault->text);
        *fault = (struct fault){0};
        r = 0;
    }
    if (r == 0 && created_append(daemon, &daemon->config) < 0)
        r = fault_set(fault, -ENOMEM, "flow logs: out of memory");
    return r;
}

int daemon_open(struct daemon *daemon, const struct daemon_options *options, struct fault *fault)
{
    *daemon =
        (struct daemon){.options = options, .epoll = -1, .signals = -1, .ticks = -1, .clock_changes = -1};
    daemon->started_s = clock_wall_ns() / NS_PER_S;
    daemon->live_line = options->print && isatty(STDERR_FILENO);
    identity_machine(daemon->machine_id);
    int r = load_config(daemon, &daemon->config, fault);
    if (r == 0)
        r = world_open(&daemon->world, &daemon->config.topology, fault);
    if (r < 0)
        return r;
    windows_init(&daemon->windows, daemon->config.capture.max_flows);
    if ((r = make_print_log(daemon, fault)) < 0 || (r = file_make_folders(options->state, 0750, fault)) < 0 ||
        (r = open_signals(daemon, fault)) < 0 || (r = open_timers(daemon, fault)) < 0 ||
        (r = control_open(&daemon->control, options->state, daemon_answer, daemon, fault)) < 0 ||
        (r = open_store(daemon, fault)) < 0 || (r = daemon_open_api(daemon, fault)) < 0 ||
        (r = open_capture(daemon, fault)) < 0 || (r = open_publisher(daemon, fault)) < 0 ||
        (r = keeper_open(&daemon->keeper, &daemon->config, fault)) < 0)
        return r;
    note_store(daemon);
    daemon->closed_before = daemon_window_of(clock_wall_ns());
    r = recover_open(daemon, fault);
    if (r == 0)
        r = links_open(&daemon->links, daemon_follow_link, daemon, fault);
    if (r == 0)
        r = watch_everything(daemon, fault);
    if (r < 0)
        return r;
    daemon_forget_vanished(daemon);
    daemon_compare_anew(daemon);
    (void)publish_retry(&daemon->publish);
    return 0;
}

/* Before anybody looks at what the documents said before. */
static void describe_all(struct daemon *daemon)
{
    for (uint32_t i = 0; i < daemon->registry.count; i++)
        world_describe(&daemon->world, &registry_at(&daemon->registry, (uint16_t)i)->interface);
}

static void renew_listener(struct daemon *daemon)
{
    struct fault fault = {0};
    int r = daemon_renew_api(daemon, &fault);
    if (r == 1)
        r = watch(daemon, http_fd(daemon->http), EVENT_HTTP, &fault);
    if (r < 0)
        log_error("api", "nobody listens any more: %s; mend that and reload", fault.text);
}

static void reload(struct daemon *daemon)
{
    struct config fresh;
    struct fault fault = {0};
    AUTO_BUF struct buf names = BUF_INIT(4096);
    if (load_config(daemon, &fresh, &fault) < 0) {
        log_error("config", "not reloaded: %s", fault.text);
        return;
    }
    if (world_fill(&daemon->world, &fresh.topology) < 0 || created_append(daemon, &fresh) < 0)
        (void)fault_set(&fault, -ENOMEM, "out of memory");
    if (fault.text[0] || world_load(&daemon->world, &fresh.topology, &fault) < 0) {
        log_error("config", "not reloaded: %s", fault.text);
        config_done(&fresh);
        return;
    }
    if (config_unreloadable(&daemon->config, &fresh, &names))
        log_warning("config", "take effect only after a restart: %s", buf_string(&names));
    describe_all(daemon);
    config_reload(&daemon->config, &fresh);
    daemon->world.topology = &daemon->config.topology;
    daemon->config.declared_count = fresh.declared_count;
    if (publish_reload(&daemon->publish, &daemon->config, &fault) < 0)
        log_error("config", "%s", fault.text);
    keeper_configure(daemon->keeper, &daemon->config);
    note_store(daemon);
    daemon_follow_rules(daemon);
    renew_listener(daemon);
    config_done(&fresh);
    log_info("config", "reloaded: %zu entries for interfaces, %zu flow logs",
             daemon->config.topology.rule_count, daemon->config.flow_log_count);
}

static void take_signal(struct daemon *daemon)
{
    struct signalfd_siginfo signal;
    while (read(daemon->signals, &signal, sizeof signal) == sizeof signal) {
        if (signal.ssi_signo == SIGHUP)
            reload(daemon);
        else
            daemon->stopping = true;
    }
}

static bool drain_and_report(struct daemon *daemon)
{
    struct fault fault = {0};
    bool drained = daemon_drain(daemon, &fault) == 0;
    if (!drained && !daemon->drain_failing)
        log_error("capture", "%s; tried again until it works, windows stay open meanwhile", fault.text);
    daemon->drain_failing = !drained;
    return drained;
}

static void take_tick(struct daemon *daemon)
{
    static unsigned ticks;
    uint64_t expirations;
    if (read(daemon->ticks, &expirations, sizeof expirations) < 0)
        return;
    uint32_t settled = daemon_window_of(clock_wall_ns() - GRACE_NS);
    bool due = settled > daemon->closed_before;
    bool wanted = due || daemon->drain_failing || daemon->gone_undrained;
    if (wanted && drain_and_report(daemon) && due)
        daemon_close_windows(daemon, settled);
    if (daemon->config.attribution == ATTRIBUTION_NFTRACE)
        attribution_process(daemon->attribution);
    else
        attribution_stop(daemon->attribution);
    uploads_reap(daemon);
    leavings_process(&daemon->publish.leavings);
    if (daemon->http)
        http_process(daemon->http);
    live_find_conntrack(daemon->live);
    if (++ticks % (4 * RETRY_TICKS) == 0) {
        (void)publish_retry(&daemon->publish);
        world_refresh(&daemon->world);
    }
    if (daemon->live_line && ticks % 4 == 0)
        daemon_draw_live_line(daemon);
}

static void take_clock_change(struct daemon *daemon)
{
    uint64_t expirations;
    struct itimerspec never = {.it_value.tv_sec = INT64_MAX / 2};
    (void)!read(daemon->clock_changes, &expirations,
                sizeof expirations); /* fails with ECANCELED: that is the news */
    (void)timerfd_settime(daemon->clock_changes, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &never, NULL);
    live_set_clock(daemon->live);
    log_info("capture", "the wall clock was set");
}

static void take_wake(struct daemon *daemon)
{
    live_wake_clear(daemon->live);
    (void)drain_and_report(daemon);
}

static void dispatch(struct daemon *daemon, enum event_source source)
{
    struct fault fault = {0};
    switch (source) {
    case EVENT_SIGNAL:
        take_signal(daemon);
        break;
    case EVENT_TICK:
        take_tick(daemon);
        break;
    case EVENT_CLOCK:
        take_clock_change(daemon);
        break;
    case EVENT_LINKS:
        if (links_process(daemon->links, &fault) < 0)
            log_error("topology", "%s", fault.text);
        break;
    case EVENT_WAKE:
        take_wake(daemon);
        break;
    case EVENT_CONTROL:
        control_process(daemon->control);
        break;
    case EVENT_LOGS:
        log_reader_reap(daemon->log_reader);
        http_process(daemon->http);
        break;
    case EVENT_HTTP:
        http_process(daemon->http);
        break;
    }
}

static void report_undelivered(struct publish *publish)
{
    for (size_t i = 0; i < publish->waiting_count; i++)
        log_error("deliver", "window %llu is in the journal alone, for the next start",
                  (unsigned long long)publish->waiting[i].flows.window);
    for (size_t i = 0; i < publish->count; i++) {
        struct delivery_counts counts;
        delivery_counts(publish->publishers[i].delivery, &counts);
        if (counts.items)
            log_warning("deliver", "flow log %s: %llu records stay in the spool, for the next start: %s",
                        publish->publishers[i].flow_log->id, (unsigned long long)counts.waiting.records,
                        counts.error[0] ? counts.error : "not delivered in time");
    }
}

/* Open windows are finished with what there is, and destinations get what is in the spools, as far as they
 * take it. */
static void finish(struct daemon *daemon)
{
    daemon->capturing = false;
    if (daemon->config.attribution == ATTRIBUTION_NFTRACE)
        attribution_finish(daemon->attribution);
    live_stop(daemon->live);
    for (int tries = 0; !drain_and_report(daemon) && tries < LAST_DRAIN_TRIES; tries++)
        (void)nanosleep(&(struct timespec){.tv_nsec = 100 * NS_PER_MS}, NULL);
    daemon_close_windows(daemon, daemon_window_of(clock_wall_ns()) + 1);
    live_unpin(daemon->live); /* not before the journal has what the kernel counted */
    if (!publish_flush(&daemon->publish, clock_monotonic_ns() + STOP_PATIENCE_S * NS_PER_S))
        report_undelivered(&daemon->publish);
    recover_compact(daemon);
}

/* With more interfaces than can be attached in time, readiness does not wait for the last of them. */
static void note_capturing(struct daemon *daemon, uint64_t patience_end_ns)
{
    if (daemon->capturing || (daemon->due_count && clock_monotonic_ns() < patience_end_ns))
        return;
    daemon->capturing = true;
    if (daemon->due_count)
        log_warning("capture", "%u interfaces still wait to be attached", daemon->due_count);
}

int daemon_run(struct daemon *daemon, struct fault *fault)
{
    uint64_t patience_end_ns = clock_monotonic_ns() + ATTACH_PATIENCE_S * NS_PER_S;
    while (!daemon->stopping) {
        struct epoll_event events[16];
        note_capturing(daemon, patience_end_ns);
        bool pending = daemon->http && http_is_pending(daemon->http);
        int timeout = pending || daemon->due_count ? 0 : -1;
        int count = epoll_wait(daemon->epoll, events, ARRAY_SIZE(events), timeout);
        if (count < 0 && errno != EINTR)
            return fault_set(fault, -errno, "cannot wait for events: %s", strerror(errno));
        for (int i = 0; i < count; i++)
            dispatch(daemon, events[i].data.u32);
        if (pending)
            http_process(daemon->http);
        daemon_attach_next(daemon);
    }
    finish(daemon);
    return 0;
}

void daemon_close(struct daemon *daemon)
{
    keeper_close(daemon->keeper);
    publish_close(&daemon->publish, clock_monotonic_ns() + CLOSE_PATIENCE_S * NS_PER_S);
    attribution_close(daemon->attribution);
    journal_close(daemon->journal);
    control_close(daemon->control);
    uploads_close(daemon);
    log_reader_close(daemon->log_reader);
    http_close(daemon->http);
    flow_log_store_close(daemon->store);
    access_keys_close(daemon->access_keys);
    links_close(daemon->links);
    live_close(daemon->live);
    windows_done(&daemon->windows);
    if (daemon->long_window_open)
        flow_table_done(&daemon->long_window);
    registry_done(&daemon->registry);
    world_close(&daemon->world);
    config_done(&daemon->config);
    const int fds[] = {daemon->epoll, daemon->signals, daemon->ticks, daemon->clock_changes};
    for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
        if (fds[i] >= 0)
            close(fds[i]);
}
