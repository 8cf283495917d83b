/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "deliver/backoff.h"
#include "deliver/deliveries.h"

#define FORMAT "${packets} ${x-lost-packets} ${start} ${end} ${log-status} ${x-drop-reason}"

static struct delivery *open_delivery(uint64_t max_bytes, uint32_t publish_interval_s)
{
    struct delivery *delivery = NULL;
    struct fault fault = {0};
    const struct delivery_settings settings = {.destination = {.kind = DESTINATION_FILE,
                                                               .folder = root,
                                                               .account = "123456789012",
                                                               .region = "eu-west-1",
                                                               .flow_log_id = "fl-0123456789abcdef0"},
                                               .spool_folder = spool_root,
                                               .spool_max_bytes = max_bytes,
                                               .spool_max_age_s = 1ULL << 40,
                                               .publish_interval_s = publish_interval_s};
    assert_int_equal(delivery_open(&delivery, &settings, &fault), 0);
    return delivery;
}

/* A file where a folder has to be: no attempt can succeed. */
static void obstruct(bool on)
{
    char obstacle[PATH_MAX + 16];
    (void)snprintf(obstacle, sizeof obstacle, "%s/AWSLogs", root);
    assert_int_equal(on ? file_replace(obstacle, "", 0, NULL) : unlink(obstacle), 0);
}

static void commit(struct delivery *delivery, uint64_t sequence, uint64_t window, uint64_t first,
                   unsigned count)
{
    struct record *records = calloc(count, sizeof *records);
    struct batch_head head = head_at(sequence, FORMAT);
    head.window = window;
    for (unsigned i = 0; i < count; i++)
        records[i] = record_at(window + 59, first + i);
    commit_batch(delivery, &head, records, count);
    free(records);
}

/* Always: nothing is missing from the account. */
static struct delivery_counts check_counts(struct delivery *delivery)
{
    struct delivery_counts counts;
    struct batch_sum sum = {0};
    delivery_counts(delivery, &counts);
    batch_sum_add(&sum, &counts.delivered);
    batch_sum_add(&sum, &counts.waiting);
    batch_sum_add(&sum, &counts.given_up);
    batch_sum_add(&sum, &counts.rejected);
    assert_int_equal(sum.records, counts.taken.records);
    assert_int_equal(sum.packets, counts.taken.packets);
    return counts;
}

static void deliver_all(struct delivery *delivery)
{
    struct delivery_counts counts;
    delivery_flush(delivery);
    do
        counts = check_counts(delivery);
    while (!wait_for_outcome(delivery, counts.failures));
    (void)check_counts(delivery);
}

/* What arrived: packets in records, and told as lost. */
static struct arrived {
    uint64_t packets;
    uint64_t lost;
    unsigned objects;
    uint64_t lost_start;
    uint64_t lost_end;
    char cause[32]; /* of the last that was told as lost */
} arrived;

static void take_line(const char *line)
{
    char packets[32];
    char lost[32];
    char status[16];
    char cause[32];
    unsigned long long start;
    unsigned long long end;
    if (sscanf(line, "%31s %31s %llu %llu %15s %31s", packets, lost, &start, &end, status, cause) != 6)
        return; /* the header */
    if (strcmp(status, "SKIPDATA") == 0) {
        arrived.lost += strtoull(lost, NULL, 10);
        arrived.lost_start = start;
        arrived.lost_end = end;
        memcpy(arrived.cause, cause, sizeof cause);
    } else {
        arrived.packets += strtoull(packets, NULL, 10);
    }
}

static int take_object(const char *path, const struct stat *status, int kind, struct FTW *walk)
{
    if (kind != FTW_F)
        return 0;
    char *rest = NULL;
    for (char *line = strtok_r(read_object(path), "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
        take_line(line);
    arrived.objects++;
    return 0;
}

static void look(void)
{
    arrived = (struct arrived){0};
    assert_int_equal(nftw(root, take_object, 16, FTW_PHYS), 0);
}

static void assert_arrived(uint64_t packets, uint64_t lost)
{
    look();
    assert_int_equal(arrived.packets, packets);
    assert_int_equal(arrived.lost, lost);
}

/* How many files of the spool have that ending, and the last of them. */
static unsigned count_files(const char *ending, char ret[static 2 * PATH_MAX])
{
    AUTO_CLOSEDIR DIR *dir = opendir(spool_root);
    const struct dirent *found;
    unsigned count = 0;
    while ((found = readdir(dir)))
        if (found->d_name[0] != '.' && strstr(found->d_name, ending)) {
            (void)snprintf(ret, 2 * PATH_MAX, "%s/%s", spool_root, found->d_name);
            count++;
        }
    return count;
}

/* There is one. */
static void find_file(const char *ending, char ret[static 2 * PATH_MAX])
{
    assert_int_equal(count_files(ending, ret), 1);
}

static void wait_until_packed(void)
{
    char path[2 * PATH_MAX];
    uint64_t deadline = clock_monotonic_ns() + WAIT_NS;
    while (count_files(".batch", path) > 0) {
        assert_true(clock_monotonic_ns() < deadline);
        (void)nanosleep(&(struct timespec){.tv_nsec = 2 * NS_PER_MS}, NULL);
    }
}

static void cut(const char *ending, off_t len)
{
    char path[2 * PATH_MAX];
    find_file(ending, path);
    assert_int_equal(truncate(path, len), 0);
}

/* Three records, 11 + 12 + 13 packets, in an object that waits; the process has ended. */
static void leave_object(void)
{
    obstruct(true);
    struct delivery *delivery = open_delivery(1 << 30, 60);
    commit(delivery, 1, WINDOW, 11, 3);
    assert_false(wait_for_outcome(delivery, 0));
    close_delivery(delivery);
    obstruct(false);
}

static void test_what_waits_survives_the_process(void **state)
{
    (void)state;
    obstruct(true);
    struct delivery *delivery = open_delivery(1 << 30, 60);
    for (uint64_t i = 1; i <= 5; i++)
        commit(delivery, i, WINDOW + 60 * i, 100 * i, 3);
    assert_false(wait_for_outcome(delivery, 0));
    assert_int_equal(check_counts(delivery).waiting.records, 15);
    close_delivery(delivery);
    delivery = open_delivery(1 << 30, 60);
    assert_int_equal(delivery_accepted(delivery), 5);
    assert_int_equal(check_counts(delivery).taken.records, 15);
    struct batch_head head = head_at(5, FORMAT);
    struct batch_writer *writer = NULL;
    assert_int_equal(delivery_begin(delivery, &head, &writer, NULL), -EALREADY);
    obstruct(false);
    deliver_all(delivery);
    close_delivery(delivery);
    look();
    assert_int_equal(arrived.packets, 3 * (100 + 200 + 300 + 400 + 500) + 5 * 3);
    assert_int_equal(arrived.lost, 0);
    delivery = open_delivery(1 << 30, 60); /* nothing is left, but what was taken is known */
    assert_int_equal(delivery_accepted(delivery), 5);
    assert_int_equal(check_counts(delivery).taken.records, 0);
    close_delivery(delivery);
}

static void test_beyond_the_bound_the_oldest_is_told_as_lost(void **state)
{
    (void)state;
    uint64_t sent = 0;
    obstruct(true);
    struct delivery *delivery = open_delivery(2000, 86400); /* room for two batches */
    uint64_t now = clock_wall_ns() / NS_PER_S / 86400 * 86400;
    for (uint64_t i = 1; i <= 6; i++) {
        commit(delivery, i, now, 1000 * i, 2);
        sent += 2000 * i + 1;
        if (i == 4) { /* also when the process ends in between */
            close_delivery(delivery);
            delivery = open_delivery(2000, 86400);
        }
    }
    struct delivery_counts counts = check_counts(delivery);
    assert_true(counts.items_given_up > 0);
    assert_true(counts.waiting.records > 0);
    close_delivery(delivery);
    delivery = open_delivery(1 << 30, 86400);
    commit(delivery, 7, now, 5, 1); /* tells what was not told yet */
    obstruct(false);
    deliver_all(delivery);
    close_delivery(delivery);
    look();
    assert_true(arrived.lost > 0);
    assert_int_equal(arrived.packets + arrived.lost, sent + 5);
    assert_int_equal(arrived.lost_start, now);
    assert_int_equal(arrived.lost_end, now + 599);
    assert_string_equal(arrived.cause, "NOT_DELIVERED");
}

static void test_cut_batch_delivers_the_rest(void **state)
{
    (void)state;
    char path[2 * PATH_MAX];
    struct stat found;
    uint64_t now = clock_wall_ns() / NS_PER_S / 86400 * 86400;
    struct delivery *delivery = open_delivery(1 << 30, 86400);
    commit(delivery, 1, now, 1, 20000);
    close_delivery(delivery);
    find_file(".batch", path);
    assert_int_equal(stat(path, &found), 0);
    assert_int_equal(truncate(path, found.st_size / 2), 0);
    delivery = open_delivery(1 << 30, 86400);
    assert_int_equal(check_counts(delivery).taken.records, 20000);
    deliver_all(delivery);
    struct delivery_counts counts = check_counts(delivery);
    assert_true(counts.given_up.records > 0 && counts.delivered.records > 0);
    close_delivery(delivery);
    look();
    assert_int_equal(arrived.packets + arrived.lost, 20000ULL * 20001 / 2);
    assert_int_equal(arrived.lost, counts.given_up.packets);
}

static void cut_short(const char *path)
{
    assert_int_equal(truncate(path, 20), 0);
}

static void falsify(const char *path)
{
    AUTO_CLOSE int fd = open(path, O_WRONLY | O_CLOEXEC);
    assert_int_equal(pwrite(fd, "falsified", 9, 20), 9);
}

/* While the process runs that wrote it, or between that and the next. */
static void damage_object(void (*damage)(const char *path), bool restart)
{
    char path[2 * PATH_MAX];
    obstruct(true);
    struct delivery *delivery = open_delivery(1 << 30, 60);
    commit(delivery, 1, WINDOW, 11, 3);
    assert_false(wait_for_outcome(delivery, 0));
    if (restart)
        close_delivery(delivery);
    find_file(".object", path);
    damage(path);
    obstruct(false);
    if (restart)
        delivery = open_delivery(1 << 30, 60);
    deliver_all(delivery);
    struct delivery_counts counts = check_counts(delivery);
    assert_int_equal(counts.given_up.records, 3);
    assert_int_equal(counts.given_up.packets, 11 + 12 + 13);
    look();
    assert_int_equal(arrived.objects, 0);
    commit(delivery, 2, WINDOW + 600, 7, 1);
    deliver_all(delivery);
    close_delivery(delivery);
    look();
    assert_int_equal(arrived.packets, 7);
    assert_int_equal(arrived.lost, 11 + 12 + 13);
    assert_int_equal(arrived.lost_start, WINDOW);
}

static void test_cut_pack_has_a_copy(void **state)
{
    (void)state;
    leave_object();
    cut(".pack", 100);
    struct delivery *delivery = open_delivery(1 << 30, 60);
    assert_int_equal(check_counts(delivery).taken.packets, 11 + 12 + 13);
    deliver_all(delivery);
    assert_int_equal(check_counts(delivery).unreadable, 0);
    close_delivery(delivery);
    look();
    assert_int_equal(arrived.packets, 11 + 12 + 13);
    char name[2 * PATH_MAX];
    find_file("", name); /* neither of the two is left */
    assert_string_equal(strrchr(name, '/'), "/state");
}

static void test_copy_tells_what_is_lost(void **state)
{
    (void)state;
    leave_object();
    cut(".pack", 0);
    cut(".object", 20);
    struct delivery *delivery = open_delivery(1 << 30, 60);
    deliver_all(delivery);
    assert_int_equal(check_counts(delivery).given_up.packets, 11 + 12 + 13);
    commit(delivery, 2, WINDOW + 600, 7, 1);
    deliver_all(delivery);
    close_delivery(delivery);
    look();
    assert_int_equal(arrived.packets, 7);
    assert_int_equal(arrived.lost, 11 + 12 + 13);
}

static void test_pack_without_a_copy_is_set_aside(void **state)
{
    (void)state;
    leave_object();
    cut(".pack", 100);
    cut(".copy", 100);
    struct delivery *delivery = open_delivery(1 << 30, 60);
    assert_int_equal(check_counts(delivery).unreadable, 1);
    assert_int_equal(check_counts(delivery).waiting.records, 0);
    assert_int_equal(delivery_accepted(delivery), 1);
    close_delivery(delivery);
    char aside[2 * PATH_MAX];
    (void)snprintf(aside, sizeof aside, "%s/rejected/0000000000000001-00000000.object", spool_root);
    assert_int_equal(access(aside, F_OK), 0);
}

/* Its process was killed before the pack was there: the batches still count. */
static void test_copy_alone_is_nothing(void **state)
{
    (void)state;
    char path[2 * PATH_MAX];
    uint64_t now = clock_wall_ns() / NS_PER_S / 86400 * 86400;
    struct delivery *delivery = open_delivery(1 << 30, 86400);
    commit(delivery, 1, now, 11, 3);
    close_delivery(delivery);
    (void)snprintf(path, sizeof path, "%s/0000000000000001.copy", spool_root);
    assert_int_equal(file_replace(path, "half", 4, NULL), 0);
    delivery = open_delivery(1 << 30, 86400);
    assert_int_not_equal(access(path, F_OK), 0);
    assert_int_equal(check_counts(delivery).taken.packets, 11 + 12 + 13);
    deliver_all(delivery);
    assert_int_equal(check_counts(delivery).unreadable, 0);
    close_delivery(delivery);
    look();
    assert_int_equal(arrived.packets, 11 + 12 + 13);
}

static void test_damaged_object_is_told_as_lost(void **state)
{
    (void)state;
    damage_object(cut_short, true);
}

static void test_object_cut_meanwhile_is_told_as_lost(void **state)
{
    (void)state;
    damage_object(cut_short, false);
}

static void test_object_falsified_meanwhile_is_told_as_lost(void **state)
{
    (void)state;
    damage_object(falsify, false);
}

/* Reading it from its beginning fails with EIO. */
static void make_unreadable(const char *path)
{
    assert_int_equal(unlink(path), 0);
    assert_int_equal(symlink("/proc/self/mem", path), 0);
}

static void assert_set_aside(const char *path)
{
    struct stat found;
    char aside[3 * PATH_MAX];
    (void)snprintf(aside, sizeof aside, "%s/rejected/%s", spool_root, strrchr(path, '/') + 1);
    assert_int_equal(lstat(aside, &found), 0);
    assert_int_equal(lstat(path, &found), -1);
}

/* Two batches, of which something happens to the first, and a third behind them. */
static void lose_first_batch(void (*damage)(const char *path))
{
    char path[2 * PATH_MAX];
    uint64_t now = clock_wall_ns() / NS_PER_S / 86400 * 86400;
    struct delivery *delivery = open_delivery(1 << 30, 86400);
    commit(delivery, 1, now, 1, 3);
    find_file(".batch", path);
    commit(delivery, 2, now, 5, 1);
    damage(path);
    deliver_all(delivery);
    struct delivery_counts counts = check_counts(delivery);
    assert_int_equal(counts.given_up.records, 3);
    assert_int_equal(counts.items_given_up, 1);
    commit(delivery, 3, now, 7, 1);
    deliver_all(delivery);
    close_delivery(delivery);
    assert_arrived(5 + 7, 0);
    if (damage == make_unreadable)
        assert_set_aside(path);
}

static void remove_file(const char *path)
{
    assert_int_equal(unlink(path), 0);
}

static void test_missing_batch_is_given_up(void **state)
{
    (void)state;
    lose_first_batch(remove_file);
}

static void test_batch_that_cannot_be_read_is_given_up(void **state)
{
    (void)state;
    lose_first_batch(make_unreadable);
}

static void test_missing_object_is_told_as_lost(void **state)
{
    (void)state;
    damage_object(remove_file, false);
}

/* Before the next start. */
static void ruin_batch(void (*damage)(const char *path))
{
    char path[2 * PATH_MAX];
    uint64_t now = clock_wall_ns() / NS_PER_S / 86400 * 86400;
    struct delivery *delivery = open_delivery(1 << 30, 86400);
    commit(delivery, 1, now, 1, 3);
    close_delivery(delivery);
    find_file(".batch", path);
    damage(path);
    delivery = open_delivery(1 << 30, 86400);
    assert_int_equal(check_counts(delivery).unreadable, 1);
    commit(delivery, 2, now, 5, 1);
    deliver_all(delivery);
    close_delivery(delivery);
    assert_arrived(5, 0);
    assert_set_aside(path);
}

static void test_ruined_batch_is_set_aside(void **state)
{
    (void)state;
    ruin_batch(cut_short);
}

static void test_batch_that_cannot_be_read_at_the_start_is_set_aside(void **state)
{
    (void)state;
    ruin_batch(make_unreadable);
}

static void test_objects_hold_their_publish_interval(void **state)
{
    (void)state;
    struct delivery *delivery = open_delivery(1 << 30, 1800);
    for (uint64_t i = 0; i < 6; i++)
        commit(delivery, i + 1, WINDOW + 600 * (i + 1), 1, 1);
    deliver_all(delivery);
    close_delivery(delivery);
    look();
    assert_int_equal(arrived.packets, 6);
    assert_int_equal(arrived.objects, 6); /* a slot of 300 s each, whatever the interval */
}

static void test_lost_before_it_was_written(void **state)
{
    (void)state;
    struct delivery *delivery = open_delivery(1 << 30, 60);
    struct batch_head head = head_at(1, FORMAT);
    head.interfaces[0].sum = (struct batch_sum){.records = 2, .packets = 40, .lost = 2};
    delivery_lose(delivery, &head, "the disk is full");
    assert_int_equal(check_counts(delivery).given_up.packets, 40);
    head.interfaces[0].sum = (struct batch_sum){0};
    close_delivery(delivery);
    delivery = open_delivery(1 << 30, 60);
    assert_int_equal(delivery_accepted(delivery), 1);
    commit(delivery, 2, WINDOW, 3, 1);
    deliver_all(delivery);
    close_delivery(delivery);
    look();
    assert_int_equal(arrived.packets, 3);
    assert_int_equal(arrived.lost, 42);
}

/* A full disk: a spool of its own file system, which something else fills. */

static int remove_small_roots(void **state)
{
    (void)umount2(spool_root, MNT_DETACH);
    return remove_roots(state);
}

static void mount_spool(void)
{
    if (mount("tmpfs", spool_root, "tmpfs", 0, "size=1m") < 0)
        skip(); /* needs root */
}

static void fill_spool(void)
{
    static const char page[4096];
    char path[PATH_MAX + 16];
    (void)snprintf(path, sizeof path, "%s/filler", spool_root);
    AUTO_CLOSE int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    while (write(fd, page, sizeof page) > 0)
        ;
    assert_int_equal(errno, ENOSPC);
}

static void test_full_disk_does_not_hold_up_what_is_ready(void **state)
{
    (void)state;
    uint64_t now = clock_wall_ns() / NS_PER_S / 86400 * 86400;
    mount_spool();
    obstruct(true);
    struct delivery *delivery = open_delivery(1 << 30, 86400);
    commit(delivery, 1, WINDOW, 1, 3000);
    wait_until_packed();
    commit(delivery, 2, now, 5, 1); /* its interval is not over: becomes an object when the disk is full */
    fill_spool();
    obstruct(false);
    deliver_all(delivery);
    close_delivery(delivery);
    assert_arrived(3000ULL * 3001 / 2 + 5, 0);
}

/* Until the flow log's error is that of the full disk, or of nothing. */
static void wait_for_error(struct delivery *delivery, const char *word, const char *text)
{
    uint64_t deadline = clock_monotonic_ns() + WAIT_NS;
    struct delivery_counts counts = check_counts(delivery);
    for (; strcmp(counts.word, word) != 0; counts = check_counts(delivery)) {
        assert_true(clock_monotonic_ns() < deadline);
        (void)nanosleep(&(struct timespec){.tv_nsec = 2 * NS_PER_MS}, NULL);
    }
    assert_non_null(strstr(counts.error, text));
}

static void test_full_disk_is_told(void **state)
{
    (void)state;
    char path[PATH_MAX + 16];
    mount_spool();
    struct delivery *delivery = open_delivery(1 << 30, 86400);
    commit(delivery, 1, clock_wall_ns() / NS_PER_S / 86400 * 86400, 5, 1);
    fill_spool();
    delivery_flush(delivery);
    wait_for_error(delivery, "Unknown error", "No space left on device");
    (void)snprintf(path, sizeof path, "%s/filler", spool_root);
    assert_int_equal(unlink(path), 0);
    wait_for_error(delivery, "", "");
    deliver_all(delivery);
    close_delivery(delivery);
    assert_arrived(5, 0);
}

static void start_on_a_full_disk(unsigned batches)
{
    mount_spool();
    obstruct(true);
    struct delivery *delivery = open_delivery(1 << 30, 60);
    for (uint64_t i = 1; i <= batches; i++)
        commit(delivery, i, WINDOW + 600 * i, 1, 3000);
    wait_until_packed();
    close_delivery(delivery);
    fill_spool();
    delivery = open_delivery(1 << 30, 60);
    obstruct(false);
    deliver_all(delivery);
    close_delivery(delivery);
    assert_arrived(batches * 3000ULL * 3001 / 2, 0);
    delivery = open_delivery(1 << 30, 60);
    assert_int_equal(delivery_accepted(delivery), batches);
    assert_int_equal(check_counts(delivery).taken.records, 0);
    close_delivery(delivery);
}

static void test_start_on_a_full_disk(void **state)
{
    (void)state;
    start_on_a_full_disk(3);
}

static void test_start_on_a_full_disk_with_one_object(void **state)
{
    (void)state;
    start_on_a_full_disk(1);
}

static void test_given_up_on_a_full_disk(void **state)
{
    (void)state;
    mount_spool();
    obstruct(true);
    struct delivery *delivery = open_delivery(1 << 30, 60);
    for (uint64_t i = 1; i <= 3; i++)
        commit(delivery, i, WINDOW + 600 * i, 1, 3000);
    wait_until_packed();
    uint64_t bytes = check_counts(delivery).spool_bytes;
    close_delivery(delivery);
    fill_spool();
    delivery = open_delivery(bytes - 1, 60);
    obstruct(false);
    deliver_all(delivery);
    assert_int_equal(check_counts(delivery).given_up.records, 3000);
    commit(delivery, 4, WINDOW + 2400, 7, 1);
    deliver_all(delivery);
    close_delivery(delivery);
    assert_arrived(2 * 3000ULL * 3001 / 2 + 7, 3000ULL * 3001 / 2);
}

static void test_backoff_is_jittered_and_bounded(void **state)
{
    (void)state;
    struct backoff backoff = {.random = 12345, .max_s = 300};
    uint64_t longest = 0;
    for (unsigned i = 0; i < 200; i++) {
        uint64_t bound_s = i < 9 && 1U << i < 300 ? 1U << i : 300;
        uint64_t wait_ns = backoff_next(&backoff);
        assert_true(wait_ns < bound_s * NS_PER_S);
        longest = wait_ns > longest ? wait_ns : longest;
    }
    assert_true(longest > 200 * NS_PER_S); /* spread over all of it */
    backoff_reset(&backoff);
    assert_true(backoff_next(&backoff) < NS_PER_S);
}

int main(void)
{
#define IN_ROOT(test) cmocka_unit_test_setup_teardown(test, make_roots, remove_roots)
#define IN_SMALL_ROOT(test) cmocka_unit_test_setup_teardown(test, make_roots, remove_small_roots)
    const struct CMUnitTest tests[] = {
        IN_ROOT(test_what_waits_survives_the_process),
        IN_ROOT(test_beyond_the_bound_the_oldest_is_told_as_lost),
        IN_ROOT(test_cut_batch_delivers_the_rest),
        IN_ROOT(test_damaged_object_is_told_as_lost),
        IN_ROOT(test_cut_pack_has_a_copy),
        IN_ROOT(test_copy_tells_what_is_lost),
        IN_ROOT(test_pack_without_a_copy_is_set_aside),
        IN_ROOT(test_copy_alone_is_nothing),
        IN_ROOT(test_object_cut_meanwhile_is_told_as_lost),
        IN_ROOT(test_object_falsified_meanwhile_is_told_as_lost),
        IN_ROOT(test_ruined_batch_is_set_aside),
        IN_ROOT(test_missing_batch_is_given_up),
        IN_ROOT(test_batch_that_cannot_be_read_is_given_up),
        IN_ROOT(test_missing_object_is_told_as_lost),
        IN_ROOT(test_batch_that_cannot_be_read_at_the_start_is_set_aside),
        IN_ROOT(test_objects_hold_their_publish_interval),
        IN_ROOT(test_lost_before_it_was_written),
        IN_SMALL_ROOT(test_full_disk_does_not_hold_up_what_is_ready),
        IN_SMALL_ROOT(test_full_disk_is_told),
        IN_SMALL_ROOT(test_start_on_a_full_disk),
        IN_SMALL_ROOT(test_start_on_a_full_disk_with_one_object),
        IN_SMALL_ROOT(test_given_up_on_a_full_disk),
        cmocka_unit_test(test_backoff_is_jittered_and_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
