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
