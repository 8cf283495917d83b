/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Rules of groups as AWS writes them: for documents, and for the command line that would make or remove them.
 */

#include "base/buf.h"
#include "policy/model.h"

/* An element of SecurityGroupRules; `rule->group` is set. */
void aws_form_print_flat(struct buf *buf, const struct policy_rule *rule);

/* `aws ec2 authorize-security-group-ingress …`, without a line end. */
void aws_form_print_authorize(struct buf *buf, const struct policy_rule *rule);
void aws_form_print_revoke(struct buf *buf, const struct policy_rule *rule);
