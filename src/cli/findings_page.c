/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/findings_page.h"

#include <inttypes.h>

#include "base/clock.h"
#include "cli/answers.h"

static const char head[] =
    "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
    "'unsafe-inline'\">\n"
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
    "<title>Findings in flow logs</title>\n<style>\n"
    ":root{color-scheme:light dark}\n"
    "body{font:16px/1.5 system-ui,sans-serif;max-width:64rem;margin:2rem auto;padding:0 1rem}\n"
    "h1{font-size:1.5rem}h2{font-size:1.2rem;margin-top:2rem}\n"
    "article{border:1px solid #8886;border-left:.4rem solid #888;border-radius:.3rem;padding:.6rem "
    "1rem;margin:.8rem 0}\n"
    "article.high{border-left-color:#c62828}article.medium{border-left-color:#e08a00}article.low{border-left-"
    "color:#1976d2}\n"
    "article h3{font-size:1rem;margin:0}dl{margin:.4rem 0;display:grid;grid-template-columns:max-content "
    "1fr;gap:.1rem 1rem}\n"
    "dt{opacity:.7}dd{margin:0}pre{overflow-x:auto;font-size:.85rem;margin:.4rem 0}summary{cursor:pointer}\n"
    "</style></head><body>\n<h1>Findings in flow logs</h1>\n";

static void escaped(struct buf *buf, const char *text)
{
    for (const char *c = text; *c; c++) {
        switch (*c) {
        case '&':
            buf_text(buf, "&amp;");
            break;
        case '<':
            buf_text(buf, "&lt;");
            break;
        case '>':
            buf_text(buf, "&gt;");
            break;
        case '"':
            buf_text(buf, "&quot;");
            break;
        case '\'':
            buf_text(buf, "&#39;");
            break;
        default:
            buf_char(buf, (unsigned char)*c < ' ' ? ' ' : *c);
        }
    }
}

static void member(struct buf *buf, const char *name, const char *text)
{
    buf_printf(buf, "<dt>%s</dt><dd>", name);
    escaped(buf, text);
    buf_text(buf, "</dd>\n");
}

static void print_finding(struct buf *buf, const struct finding *finding)
{
    const struct totals *totals = &finding->totals;
    buf_printf(buf, "<article class=\"%s\"><h3>", severity_names[finding->severity]);
    escaped(buf, finding->title);
    buf_text(buf, "</h3>\n<dl>\n");
    member(buf, "Kind", finding->kind);
    if (finding->rule)
        member(buf, "Rule", finding->rule);
    if (totals->flows) {
        buf_text(buf, "<dt>Traffic</dt><dd>");
        answers_print_totals(buf, totals);
        buf_text(buf, "</dd>\n");
    }
    member(buf, "What to do", finding->todo);
    buf_text(buf, "</dl>\n");
    if (finding->record_count) {
        buf_printf(buf, "<details><summary>Records (%zu of %" PRIu64 ")</summary><pre>",
                   finding->record_count, totals->flows);
        for (size_t i = 0; i < finding->record_count; i++) {
            escaped(buf, finding->records[i]);
            buf_char(buf, '\n');
        }
        buf_text(buf, "</pre></details>\n");
    }
    buf_text(buf, "</article>\n");
}

/* ": 2 high, 4 low", each a link to where they begin. */
static void print_counts(const struct findings *findings, struct buf *to)
{
    size_t counts[SEVERITIES] = {0};
    const char *before = ": ";
    for (size_t i = 0; i < findings->items.count; i++)
        counts[findings->items.items[i].severity]++;
    for (int severity = 0; severity < SEVERITIES; severity++) {
        if (counts[severity] == 0)
            continue;
        buf_printf(to, "%s<a href=\"#%s\">%zu %s</a>", before, severity_names[severity], counts[severity],
                   severity_names[severity]);
        before = ", ";
    }
}

void findings_page(const struct findings *findings, const struct whatif *whatif, struct buf *to)
{
    static const char *const titles[SEVERITIES] = {"High", "Medium", "Low", "Information"};
    char first[CLOCK_TEXT_MAX];
    char last[CLOCK_TEXT_MAX];
    size_t at = 0;
    buf_append(to, head, sizeof head - 1);
    buf_printf(to, "<p>%zu finding%s in %" PRIu64 " records", findings->items.count,
               findings->items.count == 1 ? "" : "s", whatif->records);
    if (whatif->totals.flows)
        buf_printf(to, " from %s to %s", clock_format_utc(first, whatif->totals.first_s),
                   clock_format_utc(last, whatif->totals.last_s));
    print_counts(findings, to);
    buf_text(to, ".</p>\n");
    for (int severity = 0; severity < SEVERITIES; severity++) {
        if (at < findings->items.count && findings->items.items[at].severity == (enum severity)severity)
            buf_printf(to, "<h2 id=\"%s\">%s</h2>\n", severity_names[severity], titles[severity]);
        for (; at < findings->items.count && findings->items.items[at].severity == (enum severity)severity;
             at++)
            print_finding(to, &findings->items.items[at]);
    }
    buf_text(to, "</body></html>\n");
}
