/* receipt_view: see receipt_view.h. */
#include "receipt_view.h"

#include "base/clock.h"
#include "out.h"

static void add_count(const struct jval *receipt, const char *name, const char *word,
                      bool even_zero, struct str *line)
{
    char text[HUMAN_SIZE];
    int64_t count = jval_int(receipt, name, -1);
    if (count < 0 || (count == 0 && !even_zero))
        return;
    str_addf(line, "%s%s %s", line->len == 0 ? "" : ", ", human_count(count, text), word);
}

static void add_line(struct str *out, const char *indent, const char *title, const char *text)
{
    if (text != NULL && text[0] != '\0')
        str_addf(out, "%s%-12s %s\n", indent, title, text);
}

static void add_rows(const struct jval *receipt, const char *indent, struct str *out)
{
    STR_AUTO struct str line = str_with_max(1024);
    char text[HUMAN_SIZE];
    add_count(receipt, "rows_read", "read", true, &line);
    add_count(receipt, "rows_written", "written", true, &line);
    add_count(receipt, "rows_inserted", "inserted", false, &line);
    add_count(receipt, "rows_updated", "updated", false, &line);
    add_count(receipt, "rows_unchanged", "unchanged", false, &line);
    add_count(receipt, "rows_deleted", "deleted", false, &line);
    add_count(receipt, "rows_rejected", "rejected", false, &line);
    add_line(out, indent, "rows", str_text(&line));
    str_clear(&line);
    add_count(receipt, "target_rows", "stand in the target", true, &line);
    add_line(out, indent, "target rows", str_text(&line));
    int64_t bytes = jval_int(receipt, "bytes_read", -1);
    if (bytes >= 0)
        add_line(out, indent, "bytes read", human_bytes(bytes, text));
}

static void add_proof(const struct jval *receipt, const char *indent, struct str *out)
{
    const struct jval *proof = jval_get(receipt, "verification");
    STR_AUTO struct str line = str_with_max(1024);
    char rows[HUMAN_SIZE], chunks[HUMAN_SIZE];
    if (proof == NULL)
        return;
    const char *source = jval_text(proof, "source_hash", ""),
               *target = jval_text(proof, "target_hash", "");
    int64_t verified = jval_int(proof, "rows", 0), parts = jval_int(proof, "chunks", 0);
    if (verified == 0 && jval_int(receipt, "target_rows", -1) < 0)
        return; /* nothing was written, or it failed before */
    str_addf(&line, "%s: %s %s", jval_text(proof, "level", "?"), human_count(verified, rows),
             verified == 1 ? "row" : "rows");
    if (parts > 0) /* a merge has none */
        str_addf(&line, " in %s %s", human_count(parts, chunks), parts == 1 ? "chunk" : "chunks");
    str_add_text(&line, " read back");
    if (verified > 0)
        str_addf(&line, ", hashes %s", strcmp(source, target) == 0 ? "agree" : "DIFFER");
    add_line(out, indent, "verified", str_text(&line));
    add_line(out, indent, "hash", jval_text(receipt, "source_hash", NULL));
}

static void add_values(const struct jval *receipt, const char *indent, struct str *out)
{
    const struct jval *values = jval_get(receipt, "values");
    for (size_t i = 0; values != NULL && values->type == JVAL_OBJECT && i < values->object.count;
         i++) {
        const struct jval_member *member = &values->object.members[i];
        STR_AUTO struct str line = str_with_max(1024);
        add_count(&member->value, "converted", "converted", false, &line);
        add_count(&member->value, "nulled", "made NULL", false, &line);
        add_count(&member->value, "quarantined", "quarantined", false, &line);
        str_addf(out, "%s%-12s %s: %s\n", indent, "values", member->name, str_text(&line));
    }
}

static void add_stages(const struct jval *receipt, const char *indent, struct str *out)
{
    const struct jval *stages = jval_get(receipt, "stages_ms");
    STR_AUTO struct str line = str_with_max(1024);
    char text[HUMAN_SIZE];
    int64_t duration = jval_int(receipt, "duration_ms", -1);
    if (duration < 0)
        return;
    add_line(out, indent, "time", human_duration(duration * US_PER_MS, text));
    for (size_t i = 0; stages != NULL && stages->type == JVAL_OBJECT && i < stages->object.count;
         i++) {
        int64_t ms = jval_int(stages, stages->object.members[i].name, 0);
        if (ms > 0)
            str_addf(&line, "%s%s %s", line.len == 0 ? "" : ", ", stages->object.members[i].name,
                     human_duration(ms * US_PER_MS, text));
    }
    add_line(out, indent, "stages", str_text(&line));
}

static void add_checkpoint(const struct jval *receipt, const char *indent, struct str *out)
{
    const char *before = jval_text(receipt, "checkpoint_before", NULL);
    const char *after = jval_text(receipt, "checkpoint_after", NULL);
    if (before == NULL && after == NULL)
        return;
    str_addf(out, "%s%-12s %s -> %s\n", indent, "checkpoint", before == NULL ? "(none)" : before,
             after == NULL ? "(none)" : after);
}

void receipt_view(const struct jval *receipt, const char *indent, struct str *out)
{
    const char *path = jval_text(receipt, "path", NULL);
    const char *mode = jval_text(receipt, "mode", NULL);
    if (mode != NULL)
        str_addf(out, "%s%-12s %s%s%s%s\n", indent, "mode", mode, path == NULL ? "" : " (",
                 path == NULL ? "" : path, path == NULL ? "" : ")");
    add_line(out, indent, "source", jval_text(receipt, "source", NULL));
    add_line(out, indent, "target", jval_text(receipt, "target", NULL));
    add_rows(receipt, indent, out);
    add_proof(receipt, indent, out);
    add_values(receipt, indent, out);
    add_checkpoint(receipt, indent, out);
    add_stages(receipt, indent, out);
    const struct jval *notes = jval_get(receipt, "notes");
    for (size_t i = 0; notes != NULL && notes->type == JVAL_ARRAY && i < notes->array.count; i++)
        add_line(out, indent, "note", notes->array.items[i].string.data);
}
