/*
 * json: see json.h.
 *
 * A reader of our own rather than the library's tree: the library drops the text of numbers, which
 * decimals need, and a second tree would cost more than the rest of a job.
 */
#include "io/json_private.h"

#include <stdlib.h>

#define FEW_MEMBERS 16
#define SCRATCH_USUAL 1024

enum outcome jread_fail_at(const struct jreader *r, const char *at, const char *expected)
{
    size_t offset = (size_t)(at - r->begin);
    if (at >= r->end)
        return FAIL(r->err, OUTCOME_PERMANENT, "json.syntax",
                    "bad JSON at byte %zu: the text ends, expected %s", offset, expected);
    return FAIL(r->err, OUTCOME_PERMANENT, "json.syntax", "bad JSON at byte %zu: expected %s",
                offset, expected);
}

static enum outcome fail_memory(const struct jreader *r)
{
    return FAIL_NO_MEMORY(r->err);
}

static void skip_space(struct jreader *r)
{
    while (r->at < r->end && (*r->at == ' ' || *r->at == '\n' || *r->at == '\t' || *r->at == '\r'))
        r->at++;
}

/* ---- containers ---- */

static enum outcome read_value(struct jreader *r, struct jval *value);

/* What was put on the scratch since `mark`, moved into the arena. */
static enum outcome take_scratch(struct jreader *r, size_t mark, const void **ret_items)
{
    if (r->scratch.failed) {
        /* The scratch ends where the arena does: a text that fills most of it is too much for both.
         */
        r->arena->capped = r->arena->capped || r->scratch.len > r->scratch.max / 2;
        return fail_memory(r);
    }
    size_t len = r->scratch.len - mark;
    if (len > 0) {
        void *items = arena_memdup(r->arena, r->scratch.data + mark, len);
        if (items == NULL)
            return fail_memory(r);
        *ret_items = items;
    }
    r->scratch.len = mark;
    return OUTCOME_OK;
}

static enum outcome read_separator(struct jreader *r, char close, const char *expected,
                                   bool *ret_more)
{
    skip_space(r);
    if (r->at >= r->end || (*r->at != ',' && *r->at != close))
        return jread_fail_at(r, r->at, expected);
    *ret_more = *r->at++ == ',';
    return OUTCOME_OK;
}

static bool closes_at_once(struct jreader *r, char close)
{
    r->at++; /* the opening bracket */
    skip_space(r);
    if (r->at >= r->end || *r->at != close)
        return false;
    r->at++;
    return true;
}

static enum outcome read_array(struct jreader *r, struct jval *value)
{
    size_t mark = r->scratch.len;
    bool more = !closes_at_once(r, ']');
    value->type = JVAL_ARRAY;
    while (more) {
        struct jval item = {0};
        TRY(read_value(r, &item));
        str_add(&r->scratch, &item, sizeof item);
        value->array.count++;
        TRY(read_separator(r, ']', "a comma or ]", &more));
    }
    const void *items = NULL;
    TRY(take_scratch(r, mark, &items));
    value->array.items = items;
    return OUTCOME_OK;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static enum outcome fail_duplicate(const struct jreader *r, const char *name)
{
    return FAIL(r->err, OUTCOME_PERMANENT, "json.duplicate",
                "bad JSON before byte %zu: the name \"%.60s\" stands twice in an object",
                (size_t)(r->at - r->begin), name);
}

static enum outcome check_few(const struct jreader *r, const struct jval *object)
{
    const struct jval_member *members = object->object.members;
    for (size_t i = 1; i < object->object.count; i++) {
        for (size_t j = 0; j < i; j++) {
            if (text_eq(members[i].name, members[j].name))
                return fail_duplicate(r, members[i].name);
        }
    }
    return OUTCOME_OK;
}

/* Sorted copies of the names, so that an object of many members costs no square. */
static enum outcome check_unique(struct jreader *r, const struct jval *object)
{
    size_t count = object->object.count;
    if (count <= FEW_MEMBERS)
        return check_few(r, object);
    size_t mark = r->scratch.len;
    for (size_t i = 0; i < count; i++)
        str_add(&r->scratch, &object->object.members[i].name, sizeof(const char *));
    if (r->scratch.failed)
        return fail_memory(r);
    char *names = r->scratch.data + mark;
    qsort(names, count, sizeof(const char *), compare_names);
    r->scratch.len = mark;
    for (size_t i = 1; i < count; i++) {
        const char *pair[2];
        memcpy(pair, names + (i - 1) * sizeof *pair, sizeof pair);
        if (strcmp(pair[0], pair[1]) == 0)
            return fail_duplicate(r, pair[0]);
    }
    return OUTCOME_OK;
}

static enum outcome read_member(struct jreader *r, struct jval_member *member)
{
    struct slice name = {0};
    skip_space(r);
    if (r->at >= r->end || *r->at != '"')
        return jread_fail_at(r, r->at, "a name in quotes");
    TRY(jread_string(r, &name));
    member->name = name.data;
    skip_space(r);
    if (r->at >= r->end || *r->at != ':')
        return jread_fail_at(r, r->at, "a colon");
    r->at++;
    return read_value(r, &member->value);
}

static enum outcome read_object(struct jreader *r, struct jval *value)
{
    size_t mark = r->scratch.len;
    bool more = !closes_at_once(r, '}');
    value->type = JVAL_OBJECT;
    while (more) {
        struct jval_member member = {0};
        TRY(read_member(r, &member));
        str_add(&r->scratch, &member, sizeof member);
        value->object.count++;
        TRY(read_separator(r, '}', "a comma or }", &more));
    }
    const void *members = NULL;
    TRY(take_scratch(r, mark, &members));
    value->object.members = members;
    return check_unique(r, value);
}

/* ---- values ---- */

static enum outcome read_word(struct jreader *r, struct jval *value)
{
    static const struct {
        const char *word;
        enum jval_type type;
        bool boolean;
    } words[] = {
        {"true", JVAL_BOOL, true}, {"false", JVAL_BOOL, false}, {"null", JVAL_NULL, false}};
    size_t left = (size_t)(r->end - r->at);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        size_t len = strlen(words[i].word);
        if (left < len || memcmp(r->at, words[i].word, len) != 0)
            continue;
        r->at += len;
        value->type = words[i].type;
        if (value->type == JVAL_BOOL)
            value->boolean = words[i].boolean;
        return OUTCOME_OK;
    }
    return jread_fail_at(r, r->at, "a value");
}

static enum outcome read_container(struct jreader *r, struct jval *value)
{
    if (r->depth == JREAD_DEPTH_MAX)
        return FAIL(r->err, OUTCOME_PERMANENT, "json.depth",
                    "bad JSON at byte %zu: nested deeper than %d", (size_t)(r->at - r->begin),
                    JREAD_DEPTH_MAX);
    r->depth++;
    enum outcome outcome = *r->at == '{' ? read_object(r, value) : read_array(r, value);
    r->depth--;
    return outcome;
}

static enum outcome read_value(struct jreader *r, struct jval *value)
{
    skip_space(r);
    if (r->at >= r->end)
        return jread_fail_at(r, r->at, "a value");
    char c = *r->at;
    if (c == '{' || c == '[')
        return read_container(r, value);
    if (c == '-' || (c >= '0' && c <= '9'))
        return jread_number(r, value);
    if (c != '"')
        return read_word(r, value);
    value->type = JVAL_STRING;
    return jread_string(r, &value->string);
}

static enum outcome read_text(struct jreader *r, const struct jval **ret_value)
{
    struct jval *value = ARENA_NEW(r->arena, struct jval);
    if (value == NULL)
        return fail_memory(r);
    TRY(read_value(r, value));
    skip_space(r);
    if (r->at < r->end)
        return jread_fail_at(r, r->at, "the end of the text");
    *ret_value = value;
    return OUTCOME_OK;
}

enum outcome jread(struct slice text, struct arena *arena, const struct jval **ret_value,
                   struct err *err)
{
    const char *begin = text.data == NULL ? "" : text.data;
    STR_AUTO struct str scratch = str_with_max(arena->cap_bytes);
    if (arena->cap_bytes > SCRATCH_USUAL)
        (void)str_reserve(&scratch, SCRATCH_USUAL);
    struct jreader reader = {begin, begin, begin + text.len, arena, scratch, err, 0};
    enum outcome outcome = read_text(&reader, ret_value);
    scratch = reader.scratch;
    return outcome;
}

enum outcome jread_object(struct slice text, struct arena *arena, const struct jval **ret_object,
                          struct err *err)
{
    const struct jval *value = NULL;
    TRY(jread(text, arena, &value, err));
    if (value->type != JVAL_OBJECT)
        return FAIL(err, OUTCOME_PERMANENT, "json.type", "expected a JSON object, found %s",
                    jval_type_name(value->type));
    *ret_object = value;
    return OUTCOME_OK;
}
