/*
 * value: see value.h. JSON text in canonical form (RFC 8259 in; sorted names and minimal escapes
 * out).
 *
 * The text is written once, in its own order, and an object whose names turn out not to be in order
 * is put right where it stands in the output when it ends: no tree is built, and what the scratch
 * arena holds is the members of the objects that are open.
 */
#include "model/json_private.h"

#define DEPTH_MAX 512

/* A member as it was written to the output: `"name":value`. */
struct member {
    struct member *next;
    size_t start, name_len, len; /* offsets into the output; the name with its quotes */
    bool escaped;                /* the name holds an escape */
};

static bool canon_value(struct canon *canon);

static void skip_blanks(struct canon *canon)
{
    while (canon->at < canon->end &&
           (*canon->at == ' ' || *canon->at == '\n' || *canon->at == '\t' || *canon->at == '\r'))
        canon->at++;
}

static bool take(struct canon *canon, char c)
{
    skip_blanks(canon);
    if (canon->at == canon->end || *canon->at != c)
        return false;
    canon->at++;
    return true;
}

/* ---- objects ---- */

/* The next byte of a written name, escapes undone; `at` moves on. A lone surrogate gives three. */
struct name_bytes {
    const char *at, *end;
    char pending[3];
    unsigned pending_count;
};

static int next_name_byte(struct name_bytes *name)
{
    static const char from[] = "\"\\bfnrt", to[] = "\"\\\b\f\n\r\t";
    if (name->pending_count > 0)
        return (unsigned char)name->pending[--name->pending_count];
    if (name->at == name->end)
        return -1;
    char c = *name->at++;
    if (c != '\\')
        return (unsigned char)c;
    c = *name->at++;
    if (c != 'u')
        return (unsigned char)to[strchr(from, c) - from];
    uint8_t unit[2];
    (void)hex_parse(name->at, 2, unit);
    name->at += 4;
    unsigned code = (unsigned)unit[0] << 8 | unit[1];
    if (code < 0x80)
        return (int)code;
    name->pending[1] = (char)(0x80 | (code >> 6 & 0x3F));
    name->pending[0] = (char)(0x80 | (code & 0x3F));
    name->pending_count = 2;
    return (int)(0xE0 | code >> 12);
}

static int compare_names(const struct canon *canon, const struct member *a, const struct member *b)
{
    const char *a_text = canon->out->data + a->start + 1;
    const char *b_text = canon->out->data + b->start + 1;
    size_t a_len = a->name_len - 2, b_len = b->name_len - 2;
    if (!a->escaped && !b->escaped) {
        int order = memcmp(a_text, b_text, a_len < b_len ? a_len : b_len);
        return order != 0 ? order : (a_len > b_len) - (a_len < b_len);
    }
    struct name_bytes a_bytes = {.at = a_text, .end = a_text + a_len};
    struct name_bytes b_bytes = {.at = b_text, .end = b_text + b_len};
    for (;;) {
        int a_byte = next_name_byte(&a_bytes), b_byte = next_name_byte(&b_bytes);
        if (a_byte != b_byte || a_byte < 0)
            return a_byte - b_byte;
    }
}

/* Joins two ordered lists; of equal names the first list's stand first. */
static struct member *merge_lists(const struct canon *canon, struct member *a, struct member *b)
{
    struct member *head = NULL, **tail = &head;
    while (a != NULL && b != NULL) {
        struct member **least = compare_names(canon, a, b) <= 0 ? &a : &b;
        *tail = *least;
        tail = &(*least)->next;
        *least = (*least)->next;
    }
    *tail = a != NULL ? a : b;
    return head;
}

static struct member *sort_members(const struct canon *canon, struct member *list, size_t count)
{
    if (count < 2) {
        if (list != NULL)
            list->next = NULL;
        return list;
    }
    struct member *half = list;
    for (size_t i = 0; i < count / 2; i++)
        half = half->next;
    struct member *first = sort_members(canon, list, count / 2);
    return merge_lists(canon, first, sort_members(canon, half, count - count / 2));
}

/* Rewrites the members that stand from `start` to the output's end, in order and each name once. */
static bool reorder(struct canon *canon, struct member *list, size_t count, size_t start)
{
    size_t len = canon->out->len - start;
    char *copy = arena_memdup(canon->scratch, canon->out->data + start, len);
    if (copy == NULL)
        return false;
    list = sort_members(canon, list, count);
    /* Names are compared in the output: mark the losers before it is written over. */
    for (struct member *member = list; member != NULL; member = member->next) {
        if (member->next != NULL && compare_names(canon, member, member->next) == 0)
            member->len = 0;
    }
    canon->out->len = start;
    for (const struct member *member = list; member != NULL; member = member->next) {
        if (member->len == 0)
            continue;
        if (canon->out->len > start)
            str_add_char(canon->out, ',');
        str_add(canon->out, copy + (member->start - start), member->len);
    }
    return true;
}

static bool canon_member(struct canon *canon, struct member *member)
{
    member->start = canon->out->len;
    if (!take(canon, '"') || !canon_string(canon) || canon->out->failed)
        return false;
    member->name_len = canon->out->len - member->start;
    member->escaped = memchr(canon->out->data + member->start, '\\', member->name_len) != NULL;
    str_add_char(canon->out, ':');
    if (!take(canon, ':') || !canon_value(canon))
        return false;
    member->len = canon->out->len - member->start;
    return true;
}

static bool canon_object(struct canon *canon)
{
    struct arena_mark mark = arena_snapshot(canon->scratch);
    struct member *head = NULL, *last = NULL;
    size_t count = 0, start;
    bool ordered = true;
    str_add_char(canon->out, '{');
    start = canon->out->len;
    if (!take(canon, '}')) {
        do {
            struct member *member = ARENA_NEW(canon->scratch, struct member);
            if (count++ > 0)
                str_add_char(canon->out, ',');
            if (member == NULL || !canon_member(canon, member) || canon->out->failed)
                return false;
            ordered = ordered && (last == NULL || compare_names(canon, last, member) < 0);
            *(last == NULL ? &head : &last->next) = member;
            last = member;
        } while (take(canon, ','));
        if (!take(canon, '}') || (!ordered && !reorder(canon, head, count, start)))
            return false;
    }
    arena_reset(canon->scratch, mark);
    str_add_char(canon->out, '}');
    return true;
}

/* ---- the rest ---- */

static bool canon_array(struct canon *canon)
{
    str_add_char(canon->out, '[');
    if (!take(canon, ']')) {
        for (bool more = true; more;) {
            if (!canon_value(canon))
                return false;
            more = take(canon, ',');
            if (more)
                str_add_char(canon->out, ',');
        }
        if (!take(canon, ']'))
            return false;
    }
    str_add_char(canon->out, ']');
    return true;
}

static bool canon_word(struct canon *canon, const char *word)
{
    size_t len = strlen(word);
    if ((size_t)(canon->end - canon->at) < len || memcmp(canon->at, word, len) != 0)
        return false;
    canon->at += len;
    str_add(canon->out, word, len);
    return true;
}

static bool canon_nested(struct canon *canon, bool (*read)(struct canon *))
{
    if (canon->depth == DEPTH_MAX)
        return false;
    canon->depth++;
    canon->at++;
    bool ok = read(canon);
    canon->depth--;
    return ok;
}

static bool canon_value(struct canon *canon)
{
    skip_blanks(canon);
    if (canon->at == canon->end)
        return false;
    switch (*canon->at) {
    case '{':
        return canon_nested(canon, canon_object);
    case '[':
        return canon_nested(canon, canon_array);
    case '"':
        canon->at++;
        return canon_string(canon);
    case 't':
        return canon_word(canon, "true");
    case 'f':
        return canon_word(canon, "false");
    case 'n':
        return canon_word(canon, "null");
    default:
        return canon_number(canon);
    }
}

bool json_text_canonical(struct slice text, struct arena *scratch, struct str *out)
{
    struct canon canon = {text.data, text.data + text.len, scratch, out, 0};
    size_t start = out->len;
    bool ok = text.len > 0 && canon_value(&canon);
    skip_blanks(&canon);
    ok = ok && canon.at == canon.end && !out->failed;
    if (!ok && out->data != NULL) {
        out->len = start;
        out->data[start] = '\0';
    }
    return ok;
}
