/* SPDX-License-Identifier: Apache-2.0 */
#include "deliver/destination.h"

#include "deliver/driver.h"

static const struct delivery_driver *const drivers[] = {
    [DESTINATION_FILE] = &deliver_file_driver,
    [DESTINATION_STDOUT] = &deliver_stdout_driver,
    [DESTINATION_CLOUDWATCH] = &deliver_cloudwatch_driver,
    [DESTINATION_FIREHOSE] = &deliver_firehose_driver,
    [DESTINATION_KAFKA] = &deliver_kafka_driver,
    [DESTINATION_S3] = &deliver_s3_driver,
};

const struct delivery_driver *destination_driver(enum destination_kind kind)
{
    return drivers[kind];
}

const char *refusal_name(enum refusal refusal)
{
    static const char *const names[] = {
        [REFUSAL_TOO_NEW] = "too-new",     [REFUSAL_TOO_OLD] = "too-old", [REFUSAL_EXPIRED] = "expired",
        [REFUSAL_TOO_LARGE] = "too-large", [REFUSAL_INVALID] = "invalid",
    };
    return names[refusal];
}
