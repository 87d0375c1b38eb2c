/* assign: see assign.h. */
#include "assign.h"

#include "command.h"
#include "io/json.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define PATH_SIZE 200
#define SECRET_MAX_BYTES ((size_t)16 << 10)

/* A copy with room for one member more; the values within are shared. */
static enum outcome copy_object(const struct jval *from, struct arena *arena, struct jval *ret_copy,
                                struct jval_member **ret_members, struct err *err)
{
    size_t count = from->object.count;
    struct jval_member *members = ARENA_ARRAY(arena, struct jval_member, count + 1);
    TRY_ALLOC(members, err);
    if (count > 0)
        memcpy(members, from->object.members, count * sizeof *members);
    *ret_copy = (struct jval){.type = JVAL_OBJECT, .object = {count, members}};
    *ret_members = members;
    return OUTCOME_OK;
}

/* The member's place in the object, made when there is none; the object is copied before. */
static enum outcome place_of(struct assign *assign, struct jval *object, const char *name,
                             struct jval **ret_value, struct err *err)
{
    struct jval_member *members = NULL;
    TRY(copy_object(object, assign->arena, object, &members, err));
    size_t i = 0;
    while (i < object->object.count && strcmp(members[i].name, name) != 0)
        i++;
    if (i == object->object.count) {
        members[i].name = arena_strdup(assign->arena, name);
        TRY_ALLOC(members[i].name, err);
        object->object.count++;
    }
    *ret_value = &members[i].value;
    return OUTCOME_OK;
}

static enum outcome refuse_field(const struct field_table *table, const char *path,
                                 const char *name, struct err *err)
{
    (void)USAGE(err, "%s has no field \"%s\"", table->name, path);
    const char *near = fields_nearest(table, name);
    if (near != NULL)
        return err_hint(err, "did you mean \"%s\"?", near);
    STR_AUTO struct str known = str_with_max(sizeof err->hint);
    for (size_t i = 0; i < table->count; i++)
        str_addf(&known, "%s%s", i == 0 ? "" : ", ", table->fields[i].name);
    return err_hint(err, "known fields: %s", str_text(&known));
}

/* ---- values ---- */

static enum outcome split_list(struct assign *assign, const char *text, struct jval *ret_value,
                               struct err *err)
{
    size_t count = 1;
    for (const char *at = text; *at != '\0'; at++)
        count += *at == ',';
    struct jval *items = ARENA_ARRAY(assign->arena, struct jval, count);
    TRY_ALLOC(items, err);
    for (size_t i = 0; i < count; i++) {
        size_t len = strcspn(text, ",");
        const char *item = arena_strndup(assign->arena, text, len);
        TRY_ALLOC(item, err);
        items[i] = (struct jval){.type = JVAL_STRING, .string = {item, len}};
        text += len + 1;
    }
    *ret_value = (struct jval){.type = JVAL_ARRAY, .array = {count, items}};
    return OUTCOME_OK;
}

static bool is_text(enum field_type type)
{
    return type == FIELD_STRING || type == FIELD_ENUM || type == FIELD_TIME;
}

static enum outcome value_of(struct assign *assign, const struct field *field, const char *text,
                             struct jval *ret_value, struct err *err)
{
    if (is_text(field->type)) {
        const char *copy = arena_strdup(assign->arena, text);
        TRY_ALLOC(copy, err);
        *ret_value = (struct jval){.type = JVAL_STRING, .string = slice_of(copy)};
        return OUTCOME_OK;
    }
    if (field->type == FIELD_STRINGS && text[0] != '[')
        return split_list(assign, text, ret_value, err);
    const struct jval *value = NULL;
    if (jread(slice_of(text), assign->arena, &value, err) != OUTCOME_OK)
        return USAGE(err, "%s=%.40s: expected a JSON value, such as %s", field->name, text,
                     field->type == FIELD_BOOL  ? "true"
                     : field->type == FIELD_INT ? "42"
                                                : "{\"name\": 1}");
    *ret_value = *value;
    return OUTCOME_OK;
}

/* ---- secrets ---- */

static enum outcome read_line(int fd, const char *what, char *buffer, size_t *ret_len,
                              struct err *err)
{
    size_t len = 0;
    for (;;) {
        ssize_t got = read(fd, buffer + len, SECRET_MAX_BYTES - len);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return USAGE(err, "%s cannot be read: %s", what, strerror(errno));
        char *end = memchr(buffer + len, '\n', (size_t)got);
        len = end != NULL ? (size_t)(end - buffer) : len + (size_t)got;
        if (got == 0 || end != NULL || len == SECRET_MAX_BYTES)
            break;
    }
    if (len > 0 && buffer[len - 1] == '\r')
        len--;
    if (len == 0)
        return USAGE(err, "%s: the first line is empty", what);
    *ret_len = len;
    return OUTCOME_OK;
}

static enum outcome secret_from_fd(int fd, const char *what, struct secret *ret_secret,
                                   struct err *err)
{
    char buffer[SECRET_MAX_BYTES];
    size_t len = 0;
    enum outcome outcome = read_line(fd, what, buffer, &len, err);
    if (outcome == OUTCOME_OK)
        outcome = secret_copy((struct slice){buffer, len}, ret_secret, err);
    wipe_bytes(buffer, sizeof buffer);
    return outcome;
}

static enum outcome secret_from_file(const char *path, struct secret *ret_secret, struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return USAGE(err, "%s cannot be opened: %s", path, strerror(errno));
    enum outcome outcome = secret_from_fd(fd, path, ret_secret, err);
    (void)close(fd);
    return outcome;
}

enum secret_origin { SECRET_LINE, SECRET_FILE, SECRET_VARIABLE };

static enum outcome take_secret(struct assign *assign, enum secret_origin origin, const char *text,
                                struct jval *ret_value, struct err *err)
{
    if (assign->secret_count == ASSIGN_SECRETS_MAX)
        return USAGE(err, "more than %d secrets", ASSIGN_SECRETS_MAX);
    struct secret *secret = &assign->secrets[assign->secret_count];
    if (origin == SECRET_FILE) {
        TRY(secret_from_file(text, secret, err));
    } else if (origin == SECRET_VARIABLE) {
        const char *value = getenv(text);
        if (value == NULL)
            return USAGE(err, "environment variable %s is not set", text);
        TRY(secret_copy(slice_of(value), secret, err));
    } else if (strcmp(text, "-") == 0) {
        TRY(secret_from_fd(STDIN_FILENO, "standard input", secret, err));
    } else {
        assign->secret_on_line = true;
        TRY(secret_copy(slice_of(text), secret, err));
    }
    assign->secret_count++;
    *ret_value = (struct jval){.type = JVAL_STRING, .string = {secret->text, secret->len}};
    return OUTCOME_OK;
}

/* ---- words ---- */

/* The secret field that the name is of, with _file or _env behind it or without. */
static const struct field *find_secret(const struct field_table *table, const char *name,
                                       enum secret_origin *ret_origin)
{
    static const struct {
        const char *suffix;
        enum secret_origin origin;
    } forms[] = {{"", SECRET_LINE}, {"_file", SECRET_FILE}, {"_env", SECRET_VARIABLE}};
    size_t len = strlen(name);
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        size_t cut = strlen(forms[i].suffix);
        char plain[PATH_SIZE];
        if (len <= cut || strcmp(name + len - cut, forms[i].suffix) != 0)
            continue;
        text_copy(plain, len - cut + 1, name);
        const struct field *field = fields_find(table, plain);
        if (field == NULL || (field->flags & FIELD_SECRET) == 0)
            continue;
        *ret_origin = forms[i].origin;
        return field;
    }
    return NULL;
}

static enum outcome set_last(struct assign *assign, struct jval *object,
                             const struct field_table *table, const char *const names[2],
                             const char *text, struct err *err)
{
    enum secret_origin origin = SECRET_LINE;
    struct jval value = {0};
    const struct field *field = find_secret(table, names[1], &origin);
    if (field != NULL) {
        TRY(take_secret(assign, origin, text, &value, err));
    } else {
        field = fields_find(table, names[1]);
        if (field == NULL)
            return refuse_field(table, names[0], names[1], err);
        TRY(value_of(assign, field, text, &value, err));
    }
    struct jval *place = NULL;
    TRY(place_of(assign, object, field->name, &place, err));
    *place = value;
    return OUTCOME_OK;
}

enum outcome assign_begin(const struct field_table *table, const struct jval *base,
                          struct arena *arena, struct assign *ret_assign, struct err *err)
{
    struct assign assign = {.table = table, .arena = arena, .object = {.type = JVAL_OBJECT}};
    struct jval_member *members = NULL;
    if (base != NULL)
        TRY(copy_object(base, arena, &assign.object, &members, err));
    *ret_assign = assign;
    return OUTCOME_OK;
}

enum outcome assign_word(struct assign *assign, const char *word, struct err *err)
{
    size_t len = strcspn(word, "=");
    char path[PATH_SIZE];
    if (word[len] != '=' || len == 0 || len >= sizeof path)
        return USAGE(err, "\"%.60s\" is not of the form FIELD=VALUE", word);
    text_copy(path, len + 1, word);
    struct jval *object = &assign->object;
    const struct field_table *table = assign->table;
    char segments[PATH_SIZE];
    text_copy(segments, sizeof segments, path);
    char *name = segments;
    for (char *dot = strchr(name, '.'); dot != NULL; dot = strchr(name, '.')) {
        *dot = '\0';
        const struct field *field = fields_find(table, name);
        if (field == NULL || field->type != FIELD_OBJECT)
            return refuse_field(table, path, name, err);
        TRY(place_of(assign, object, name, &object, err));
        if (object->type != JVAL_OBJECT)
            *object = (struct jval){.type = JVAL_OBJECT};
        table = field->object;
        name = dot + 1;
    }
    const char *const names[] = {path, name};
    return set_last(assign, object, table, names, word + len + 1, err);
}

void assign_done(struct assign *assign)
{
    for (size_t i = 0; i < assign->secret_count; i++)
        secret_done(&assign->secrets[i]);
    *assign = (struct assign){0};
}
