# SPDX-License-Identifier: Apache-2.0
"""The servers of the other tests themselves: what boto3 puts, the `aws` command finds."""

import services


def test_moto_holds_what_was_put(moto):
    s3 = services.client("s3", moto.endpoint)
    s3.create_bucket(Bucket="services", CreateBucketConfiguration={"LocationConstraint": services.REGION})
    s3.put_object(Bucket="services", Key="a/b c+d.txt", Body=b"17 bytes of text.")
    assert services.aws(moto.endpoint, "s3", "cp", "s3://services/a/b c+d.txt", "-") == "17 bytes of text."
