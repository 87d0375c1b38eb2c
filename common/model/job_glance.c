/* job_glance: see job.h. A scan that goes over each byte once and builds nothing. */
#include "model/job.h"

#include "base/json_plain.h"

struct scan {
    const char *at, *end;
};

/* What is looked for in an object: a text, or an object to look into. */
struct wanted {
    const char *name;
    struct slice *text;
    struct wanted *inside; /* as many as `inside_count` */
    size_t inside_count;
    bool is_seen;
};

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* The next byte that is no space; NUL at the end. */
static char peek(struct scan *s)
{
    while (s->at < s->end && is_space(*s->at))
        s->at++;
    return s->at < s->end ? *s->at : '\0';
}

static bool skip(struct scan *s, char c)
{
    if (peek(s) != c)
        return false;
    s->at++;
    return true;
}

static bool read_plain(struct scan *s, struct slice *ret_text)
{
    if (!skip(s, '"'))
        return false;
    size_t len = json_plain_run(s->at, (size_t)(s->end - s->at));
    *ret_text = (struct slice){s->at, len};
    s->at += len;
    return s->at < s->end && *s->at++ == '"';
}

static bool skip_string(struct scan *s)
{
    for (s->at++; s->at < s->end; s->at++) {
        s->at += json_plain_run(s->at, (size_t)(s->end - s->at));
        if (s->at < s->end && *s->at == '"')
            return s->at++, true;
        if (s->at < s->end && *s->at == '\\')
            s->at++;
    }
    return false;
}

/* To the comma or bracket behind it. Brackets are counted, not told apart. */
static bool skip_value(struct scan *s)
{
    for (size_t depth = 0; s->at < s->end;) {
        char c = *s->at;
        bool opens = c == '{' || c == '[', closes = c == '}' || c == ']';
        if (depth == 0 && (c == ',' || closes))
            return true;
        depth += opens;
        depth -= closes;
        if (c != '"')
            s->at++;
        else if (!skip_string(s))
            return false;
    }
    return false;
}

static struct wanted *find(struct wanted *wanted, size_t count, struct slice name)
{
    for (size_t i = 0; i < count; i++) {
        if (slice_is(name, wanted[i].name))
            return &wanted[i];
    }
    return NULL;
}

static bool read_object(struct scan *s, struct wanted *wanted, size_t count);

static bool read_member(struct scan *s, struct wanted *wanted, size_t count)
{
    struct slice name;
    if (!read_plain(s, &name) || !skip(s, ':'))
        return false;
    struct wanted *found = find(wanted, count, name);
    if (found == NULL)
        return skip_value(s);
    if (found->is_seen)
        return false;
    found->is_seen = true;
    return found->text != NULL ? read_plain(s, found->text)
                               : read_object(s, found->inside, found->inside_count);
}

static bool read_object(struct scan *s, struct wanted *wanted, size_t count)
{
    if (!skip(s, '{'))
        return false;
    do {
        if (!read_member(s, wanted, count))
            return false;
    } while (skip(s, ','));
    return skip(s, '}');
}

static bool is_framed(struct slice *text, const char *before, const char *after)
{
    size_t a = strlen(before), z = strlen(after);
    if (text->len <= a + z || memcmp(text->data, before, a) != 0 ||
        memcmp(text->data + text->len - z, after, z) != 0)
        return false;
    *text = (struct slice){text->data + a, text->len - a - z};
    return true;
}

static bool is_within(struct slice text, size_t max)
{
    return text.len > 0 && text.len <= max;
}

bool job_glance(struct slice record, struct job_glance *ret_glance)
{
    struct job_glance glance = {.has_conditions = false};
    struct slice not_before = {NULL, 0}, dedupe_key = {NULL, 0};
    struct wanted data[] = {{.name = "workspace_id", .text = &glance.workspace_id},
                            {.name = "not_before", .text = &not_before},
                            {.name = "dedupe_key", .text = &dedupe_key}};
    struct wanted envelope[] = {{.name = "id", .text = &glance.id},
                                {.name = "type", .text = &glance.kind},
                                {.name = "subject", .text = &glance.subject},
                                {.name = "data", .inside = data, .inside_count = 3}};
    struct scan s = {record.data, record.data + record.len};
    if (record.data == NULL || !read_object(&s, envelope, 4) || peek(&s) != '\0')
        return false;
    if (glance.subject.data == NULL)
        glance.subject = glance.id;
    if (!is_framed(&glance.kind, JOB_TYPE_PREFIX, JOB_TYPE_SUFFIX) || !job_is_id(glance.id) ||
        !is_within(glance.workspace_id, JOB_WORKSPACE_MAX) ||
        !is_within(glance.subject, JOB_SUBJECT_MAX))
        return false;
    glance.has_conditions = not_before.data != NULL || dedupe_key.data != NULL;
    *ret_glance = glance;
    return true;
}
