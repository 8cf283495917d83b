/* SPDX-License-Identifier: Apache-2.0 */

/* AWS's address ranges, and the task metadata of ECS: JSON from elsewhere. What is read can be asked. */

#include <stdlib.h>
#include <string.h>

#include "aws/metadata.h"
#include "topology/aws_ranges.h"

#include "harness.h"

static void check_ranges(const char *text, size_t size)
{
    struct aws_ranges *ranges;
    struct fault fault = {0};
    size_t bad = 0;
    uint8_t address[16] = {[10] = 255, [11] = 255};
    if (aws_ranges_parse(&ranges, "f", text, size, &bad, &fault) < 0) {
        require(fault.text[0]);
        return;
    }
    for (size_t i = 0; i + 4 <= size; i += 4) {
        memcpy(address + 12, text + i, 4);
        const char *service = aws_ranges_find(ranges, address);
        require(!service || service[0]);
    }
    aws_ranges_free(ranges);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct metadata_task task;
    struct fault fault = {0};
    const char *text = (const char *)data;
    check_ranges(text, size);
    if (metadata_parse_task(&task, text, size, &fault) < 0)
        require(fault.text[0]);
    else
        require(memchr(task.task_id, 0, sizeof task.task_id) && memchr(task.definition_arn, 0, METADATA_ARN));
    return 0;
}
