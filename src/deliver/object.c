/* SPDX-License-Identifier: Apache-2.0 */
#include "deliver/object.h"

#include <errno.h>
#include <fcntl.h>
#include <nettle/sha2.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "deliver/object_file.h"
#include "deliver/spool_files.h"

#define DIGEST_PIECE 65536
#define NO_INTERFACE UINT32_MAX

#define OPEN_MAX 2 /* objects made at once: records of one window lie in one slot or two */

/* An object that is being made. */
struct open_object {
    uint64_t slot;
    uint32_t slot_part;           /* of the slot's next object */
    size_t index;                 /* in packing.objects; meaningless without a writer */
    struct object_writer *writer; /* NULL between a full object and the next */
    uint32_t *places;             /* the reader's interfaces in the object's account */
};

/* The making of one pack. */
struct packing {
    const struct spool *spool;
    const struct object_settings *settings;
    const uint64_t *sequences;
    size_t count; /* of them, with one format */
    char *format_text;
    struct format format;
    uint64_t window; /* of the first batch */
    uint64_t end;    /* of the last */
    struct open_object open[OPEN_MAX];
    size_t open_count;
    uint64_t *done; /* slots of earlier passes */
    size_t done_count;
    bool more; /* records of further slots were seen in this pass */
    struct spool_item *objects;
    size_t object_count;
};

int object_digest(const char *path, uint8_t ret[static 32], struct fault *fault)
{
    uint8_t piece[DIGEST_PIECE];
    struct sha256_ctx context;
    ssize_t got;
    AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    sha256_init(&context);
    while (fd >= 0 && (got = read(fd, piece, sizeof piece)) != 0) {
        if (got > 0)
            sha256_update(&context, (size_t)got, piece);
        else if (errno != EINTR)
            return fault_set(fault, -errno, "%s: cannot read: %s", path, strerror(errno));
    }
    if (fd < 0)
        return fault_set(fault, -errno, "%s: cannot open: %s", path, strerror(errno));
    sha256_digest(&context, SHA256_DIGEST_SIZE, ret);
    return 0;
}

/* Takes one batch in. 1 when its format is another: the pack ends before it. */
static int survey_batch(struct packing *packing, size_t index, struct fault *fault)
{
    char path[PATH_MAX];
    struct batch_head head;
    spool_batch_path(packing->spool, packing->sequences[index], path);
    int r = batch_head_read(&head, path, fault);
    if (r < 0)
        return r;
    if (index == 0) {
        packing->format_text = strdup(head.format_text);
        packing->format = head.format;
        packing->window = head.window;
    }
    if (!packing->format_text)
        r = fault_set(fault, -ENOMEM, "out of memory");
    else if (strcmp(packing->format_text, head.format_text) != 0)
        r = 1;
    else
        packing->end = head.window + head.interval;
    batch_head_done(&head);
    return r;
}

/* How many batches go together; less than all when a format changes or one is damaged. */
static int survey(struct packing *packing, size_t *ret_used, struct fault *fault)
{
    int r = 0;
    size_t used = 0;
    while (used < packing->count && (r = survey_batch(packing, used, fault)) == 0)
        used++;
    packing->count = used;
    *ret_used = used;
    return r < 0 ? r : 0;
}

static int end_object(struct packing *packing, struct open_object *open, struct fault *fault)
{
    char path[PATH_MAX];
    struct spool_item *object = &packing->objects[open->index];
    int r = object_writer_close(TAKE(open->writer), &object->bytes, fault);
    if (r < 0)
        return r;
    spool_item_path(packing->spool, object, path);
    return object_digest(path, object->sha256, fault);
}

static int begin_object(struct packing *packing, struct open_object *open, struct fault *fault)
{
    char text[PATH_MAX > LAYOUT_KEY_MAX ? PATH_MAX : LAYOUT_KEY_MAX];
    struct layout layout = packing->settings->layout;
    layout.extension = object_writer_extension(packing->settings->file_format);
    struct spool_item *objects = reallocarray(packing->objects, packing->object_count + 1, sizeof *objects);
    if (!objects)
        return fault_set(fault, -ENOMEM, "out of memory");
    packing->objects = objects;
    open->index = packing->object_count;
    struct spool_item *object = &objects[open->index];
    *object = (struct spool_item){.kind = SPOOL_OBJECT,
                                  .first = packing->sequences[0],
                                  .last = packing->sequences[packing->count - 1],
                                  .part = (uint32_t)packing->object_count,
                                  .window = packing->window,
                                  .end = packing->end,
                                  .verified = true};
    packing->object_count++;
    int r = layout_print_key(&layout, open->slot, object->first, open->slot_part++, text);
    if (r < 0)
        return fault_set(fault, r, "no object name for time %llu: %s", (unsigned long long)open->slot,
                         strerror(-r));
    object->key = strdup(text);
    object->content_type = strdup(object_writer_content_type(packing->settings->file_format));
    if (!object->key || !object->content_type)
        return fault_set(fault, -ENOMEM, "out of memory");
    spool_item_path(packing->spool, object, text);
    return object_writer_open(&open->writer, text, packing->settings->file_format, packing->settings->codec,
                              &packing->format, fault);
}

/* The interface's place in the object's account; found again by its identity in other batches. -ENOMEM. */
static int place_interface(struct spool_item *object, const struct interface_identity *identity,
                           uint32_t hint, uint32_t *ret)
{
    struct batch_interface *account = object->interfaces;
    if (hint < object->interface_count && memcmp(&account[hint].identity, identity, sizeof *identity) == 0) {
        *ret = hint;
        return 0;
    }
    for (uint32_t i = 0; i < object->interface_count; i++)
        if (memcmp(&account[i].identity, identity, sizeof *identity) == 0) {
            *ret = i;
            return 0;
        }
    struct batch_interface *longer = reallocarray(account, object->interface_count + 1U, sizeof *longer);
    if (!longer)
        return -ENOMEM;
    longer[object->interface_count] = (struct batch_interface){.identity = *identity};
    object->interfaces = longer;
    *ret = object->interface_count++;
    return 0;
}

static int account_line(struct spool_item *object, uint32_t *place, const struct batch_head *head,
                        const struct batch_line *line)
{
    const struct batch_sum sum = {.records = 1, .packets = line->packets, .lost = line->lost};
    int r = 0;
    if (*place == NO_INTERFACE)
        r = place_interface(object, &head->interfaces[line->interface].identity, line->interface, place);
    if (r < 0)
        return r;
    batch_sum_add(&object->interfaces[*place].sum, &sum);
    batch_sum_add(&object->sum, &sum);
    return 0;
}

static void forget_places(struct open_object *open, const struct batch_head *head)
{
    memset(open->places, 0xff, (size_t)head->interface_count * sizeof *open->places);
}

/* Of another batch. */
static int renew_places(struct open_object *open, const struct batch_head *head, struct fault *fault)
{
    uint32_t *places = reallocarray(open->places, head->interface_count + 1U, sizeof *places);
    if (!places)
        return fault_set(fault, -ENOMEM, "out of memory");
    open->places = places;
    forget_places(open, head);
    return 0;
}

static bool is_done(const struct packing *packing, uint64_t slot)
{
    for (size_t i = 0; i < packing->done_count; i++)
        if (packing->done[i] == slot)
            return true;
    return false;
}

/* The object of the slot in *ret; NULL when its turn is in another pass. */
static int find_open(struct packing *packing, const struct batch_head *head, uint64_t slot,
                     struct open_object **ret, struct fault *fault)
{
    *ret = NULL;
    for (size_t i = 0; i < packing->open_count; i++)
        if (packing->open[i].slot == slot)
            *ret = &packing->open[i];
    if (*ret || is_done(packing, slot))
        return 0;
    if (packing->open_count == OPEN_MAX) {
        packing->more = true;
        return 0;
    }
    *ret = &packing->open[packing->open_count++];
    **ret = (struct open_object){.slot = slot};
    return renew_places(*ret, head, fault);
}

static int pack_line(struct packing *packing, const struct batch_head *head, const struct batch_line *line,
                     struct open_object *open, struct fault *fault)
{
    int r = 0;
    if (open->writer && object_writer_bytes(open->writer) >= packing->settings->full_bytes)
        r = end_object(packing, open, fault);
    if (r == 0 && !open->writer) {
        r = begin_object(packing, open, fault);
        forget_places(open, head);
    }
    if (r == 0)
        r = object_writer_add(open->writer, line, fault);
    if (r == 0 &&
        account_line(&packing->objects[open->index], &open->places[line->interface], head, line) < 0)
        r = fault_set(fault, -ENOMEM, "out of memory");
    return r;
}

static int pack_lines(struct packing *packing, struct batch_reader *reader, struct fault *fault)
{
    int r = 0;
    struct batch_line line;
    struct open_object *open = NULL;
    uint64_t slot = UINT64_MAX;
    const struct batch_head *head = batch_reader_head(reader);
    for (size_t i = 0; r == 0 && i < packing->open_count; i++)
        r = renew_places(&packing->open[i], head, fault);
    while (r == 0 && (r = batch_reader_next(reader, &line, fault)) > 0) {
        r = 0;
        if (layout_slot_of(line.end) != slot) {
            slot = layout_slot_of(line.end);
            r = find_open(packing, head, slot, &open, fault);
        }
        if (r == 0 && open)
            r = pack_line(packing, head, &line, open, fault);
    }
    return r;
}

static int pack_batch(struct packing *packing, size_t index, struct fault *fault)
{
    char path[PATH_MAX];
    struct batch_reader *reader = NULL;
    spool_batch_path(packing->spool, packing->sequences[index], path);
    int r = batch_reader_open(&reader, path, fault);
    if (r < 0)
        return r;
    r = pack_lines(packing, reader, fault);
    batch_reader_close(reader);
    return r;
}

static int end_pass(struct packing *packing, struct fault *fault)
{
    int r = 0;
    uint64_t *done = reallocarray(packing->done, packing->done_count + packing->open_count + 1, sizeof *done);
    if (!done)
        return fault_set(fault, -ENOMEM, "out of memory");
    packing->done = done;
    for (size_t i = 0; i < packing->open_count; i++) {
        struct open_object *open = &packing->open[i];
        done[packing->done_count++] = open->slot;
        if (r == 0 && open->writer)
            r = end_object(packing, open, fault);
    }
    return r;
}

static void free_open(struct packing *packing)
{
    for (size_t i = 0; i < packing->open_count; i++) {
        object_writer_abandon(TAKE(packing->open[i].writer));
        free(packing->open[i].places);
    }
    packing->open_count = 0;
}

/* Few objects are open at a time; the batches are gone through again as long as there are further slots. */
static int pack_slots(struct packing *packing, size_t *ret_used, struct fault *fault)
{
    int r = 0;
    do {
        packing->more = false;
        for (size_t b = 0; r == 0 && b < packing->count; b++) {
            r = pack_batch(packing, b, fault);
            *ret_used = r < 0 ? b : packing->count;
        }
        if (r == 0)
            r = end_pass(packing, fault);
        free_open(packing);
    } while (r == 0 && packing->more);
    return r;
}

static void discard_objects(struct packing *packing)
{
    for (size_t i = 0; i < packing->object_count; i++) {
        char path[PATH_MAX];
        spool_item_path(packing->spool, &packing->objects[i], path);
        (void)unlink(path);
        spool_item_done(&packing->objects[i]);
    }
    free(packing->objects);
}

int object_pack(const struct spool *spool, const struct object_settings *settings, const uint64_t *sequences,
                size_t count, struct spool_item **ret, size_t *ret_count, size_t *ret_used,
                struct fault *fault)
{
    struct packing packing = {.spool = spool, .settings = settings, .sequences = sequences, .count = count};
    int r = survey(&packing, ret_used, fault);
    if (r == 0)
        r = pack_slots(&packing, ret_used, fault);
    if (r == 0 && packing.object_count) {
        char path[PATH_MAX];
        spool_item_path(spool, packing.objects, path);
        file_sync_folder_of(path);
    }
    free(packing.format_text);
    free(packing.done);
    if (r < 0) {
        discard_objects(&packing);
        return r;
    }
    *ret = packing.objects;
    *ret_count = packing.object_count;
    return 0;
}
