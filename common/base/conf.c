/* conf: the environment and the command line gathered by field, then decoded; see conf.h. */
#include "base/conf.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define PREFIX "HAUL_"
#define NAME_MAX_BYTES 80
#define SECRET_MAX_BYTES ((size_t)16 << 10)

static const char *const main_flags[] = {"help", "version", "check-config"};

/* What was given for one field. */
struct given {
    const char *text;   /* NULL = nothing; of a file: its path until it is read */
    const char *origin; /* "HAUL_PORT", "--port" */
    bool is_file;
    bool is_option;
};

struct loader {
    const struct field_table *table;
    const struct conf_source *source;
    struct arena *arena;
    struct err *err;
    struct given *given; /* one a field */
    size_t last;         /* the field that is being decoded */
};

static bool is_main_flag(const char *argument)
{
    for (size_t i = 0; i < FIELDS_COUNT(main_flags); i++) {
        if (strncmp(argument, "--", 2) == 0 && strcmp(argument + 2, main_flags[i]) == 0)
            return true;
    }
    return false;
}

bool conf_asks(const struct conf_source *source, const char *flag)
{
    for (int i = 1; i < source->argc; i++) {
        if (strncmp(source->argv[i], "--", 2) == 0 && strcmp(source->argv[i] + 2, flag) == 0)
            return true;
    }
    return false;
}

/* The field's spelling of what a person wrote: BATCH_ROWS and batch-rows are batch_rows. */
static void field_spelling(struct slice written, char to[NAME_MAX_BYTES])
{
    size_t len = written.len < NAME_MAX_BYTES ? written.len : NAME_MAX_BYTES - 1;
    for (size_t i = 0; i < len; i++)
        to[i] = (char)(written.data[i] == '-' ? '_' : tolower((unsigned char)written.data[i]));
    to[len] = '\0';
}

/* The field's number, by its name or, a secret's, by NAME_file; the table's count = none. */
static size_t find_field(const struct field_table *table, const char *name, bool *ret_is_file)
{
    size_t len = strlen(name);
    for (size_t i = 0; i < table->count; i++) {
        const struct field *field = &table->fields[i];
        size_t known = strlen(field->name);
        if (strncmp(name, field->name, known) != 0)
            continue;
        *ret_is_file = len > known;
        if (len == known ||
            ((field->flags & FIELD_SECRET) != 0 && strcmp(name + known, "_file") == 0))
            return i;
    }
    return table->count;
}

/* A later option replaces; the two forms of one secret from the same side are a contradiction. */
static enum outcome give(struct loader *l, size_t index, struct given next)
{
    struct given *given = &l->given[index];
    TRY_ALLOC(next.origin, l->err);
    if (given->text != NULL && given->is_option == next.is_option && given->is_file != next.is_file)
        return FAIL(l->err, OUTCOME_PERMANENT, "conf.file", "both %s and %s are set", given->origin,
                    next.origin);
    *given = next;
    return OUTCOME_OK;
}

static enum outcome refuse_variable(struct loader *l, struct slice variable, const char *name)
{
    (void)FAIL(l->err, OUTCOME_PERMANENT, "conf.unknown", "unknown environment variable %.*s",
               (int)variable.len, variable.data);
    const char *nearest = fields_nearest(l->table, name);
    if (nearest == NULL)
        return err_hint(l->err, "--help lists the variables; unset this one");
    char upper[NAME_MAX_BYTES];
    text_copy(upper, sizeof upper, nearest);
    for (char *at = upper; *at != '\0'; at++)
        *at = (char)toupper((unsigned char)*at);
    return err_hint(l->err, "did you mean %s%s?", PREFIX, upper);
}

static bool is_ignored(const struct conf_source *source, struct slice variable)
{
    for (const char *const *name = source->ignored; name != NULL && *name != NULL; name++) {
        if (slice_is(variable, *name))
            return true;
    }
    return false;
}

static enum outcome take_variable(struct loader *l, const char *entry)
{
    struct slice variable = {entry, strcspn(entry, "=")};
    size_t prefix = strlen(PREFIX);
    bool is_file;
    char name[NAME_MAX_BYTES];
    if (strncmp(entry, PREFIX, prefix) != 0 || is_ignored(l->source, variable))
        return OUTCOME_OK;
    field_spelling((struct slice){entry + prefix, variable.len - prefix}, name);
    size_t index = find_field(l->table, name, &is_file);
    if (index == l->table->count)
        return refuse_variable(l, variable, name);
    if (entry[variable.len] == '\0' || entry[variable.len + 1] == '\0')
        return OUTCOME_OK;
    return give(l, index,
                (struct given){.text = entry + variable.len + 1,
                               .origin = arena_strndup(l->arena, variable.data, variable.len),
                               .is_file = is_file});
}

static enum outcome refuse_argument(struct loader *l, struct slice written, const char *name)
{
    (void)FAIL(l->err, OUTCOME_PERMANENT, "conf.unknown", "unknown option %.*s", (int)written.len,
               written.data);
    const char *nearest = fields_nearest(l->table, name);
    if (nearest == NULL)
        return err_hint(l->err, "--help lists the options");
    char dashed[NAME_MAX_BYTES];
    text_copy(dashed, sizeof dashed, nearest);
    for (char *at = dashed; *at != '\0'; at++)
        *at = *at == '_' ? '-' : *at;
    return err_hint(l->err, "did you mean --%s?", dashed);
}

/* Takes the option at `*at`, and the argument after it when that is its value. */
static enum outcome take_option(struct loader *l, int *at)
{
    const char *argument = l->source->argv[*at];
    if (is_main_flag(argument))
        return OUTCOME_OK;
    if (strncmp(argument, "--", 2) != 0 || argument[2] == '\0') {
        (void)FAIL(l->err, OUTCOME_PERMANENT, "conf.unknown", "unexpected argument \"%.60s\"",
                   argument);
        return err_hint(l->err, "settings are given as --name value; --help lists them");
    }
    struct slice written = {argument, strcspn(argument, "=")};
    char name[NAME_MAX_BYTES];
    bool is_file;
    field_spelling((struct slice){argument + 2, written.len - 2}, name);
    size_t index = find_field(l->table, name, &is_file);
    if (index == l->table->count)
        return refuse_argument(l, written, name);
    const char *text = "true";
    if (argument[written.len] == '=')
        text = argument + written.len + 1;
    else if (l->table->fields[index].type != FIELD_BOOL)
        text = *at + 1 < l->source->argc ? l->source->argv[++*at] : NULL;
    if (text == NULL)
        return FAIL(l->err, OUTCOME_PERMANENT, "conf.option", "option %s needs a value", argument);
    return give(l, index,
                (struct given){.text = text,
                               .origin = arena_strndup(l->arena, written.data, written.len),
                               .is_file = is_file,
                               .is_option = true});
}

/* Reads at most `size` bytes; -1 with errno set, else how many. */
static ssize_t read_start(int fd, char *to, size_t size)
{
    size_t len = 0;
    while (len < size) {
        ssize_t got = read(fd, to + len, size - len);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        len += (size_t)got;
    }
    return (ssize_t)len;
}

/* The arena keeps the one line, the buffer is wiped. */
static enum outcome take_first_line(const char *path, char *buffer, size_t len, struct arena *arena,
                                    const char **ret_text, struct err *err)
{
    size_t line = 0;
    while (line < len && strchr("\r\n", buffer[line]) == NULL)
        line++; /* strchr finds a NUL too */
    if (line == 0 || line == SECRET_MAX_BYTES)
        return FAIL(err, OUTCOME_PERMANENT, "conf.file", "the first line of %s is %s", path,
                    line == 0 ? "empty" : "too long");
    const char *text = arena_strndup(arena, buffer, line);
    TRY_ALLOC(text, err);
    *ret_text = text;
    return OUTCOME_OK;
}

enum outcome conf_read_secret(const char *path, struct arena *arena, const char **ret_text,
                              struct err *err)
{
    char buffer[SECRET_MAX_BYTES];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t len = fd < 0 ? -1 : read_start(fd, buffer, sizeof buffer);
    int cause = errno;
    if (fd >= 0)
        (void)close(fd);
    if (len < 0) {
        (void)FAIL(err, OUTCOME_PERMANENT, "conf.file", "cannot read %s: %s", path,
                   strerror(cause));
        return err_hint(err, "the file must exist and be readable by this user");
    }
    enum outcome outcome = take_first_line(path, buffer, (size_t)len, arena, ret_text, err);
    explicit_bzero(buffer, sizeof buffer);
    return outcome;
}

static enum outcome read_files(struct loader *l)
{
    for (size_t i = 0; i < l->table->count; i++) {
        struct given *given = &l->given[i];
        if (given->text == NULL || !given->is_file)
            continue;
        enum outcome outcome = conf_read_secret(given->text, l->arena, &given->text, l->err);
        if (outcome != OUTCOME_OK)
            return err_prefix(l->err, "%s", given->origin);
    }
    return OUTCOME_OK;
}

static const char *given_text(void *ctx, const char *name)
{
    struct loader *l = ctx;
    bool is_file;
    l->last = find_field(l->table, name, &is_file);
    return l->given[l->last].text;
}

/* Says which variable or option is meant; of one that is missing, both that would do. */
static enum outcome name_origin(struct loader *l, enum outcome outcome)
{
    if (outcome != OUTCOME_PERMANENT)
        return outcome;
    const struct given *given = &l->given[l->last];
    if (given->origin != NULL)
        return err_prefix(l->err, "%s", given->origin);
    char variable[NAME_MAX_BYTES];
    const struct field *field = &l->table->fields[l->last];
    text_copy(variable, sizeof variable, field->name);
    for (char *at = variable; *at != '\0'; at++)
        *at = (char)toupper((unsigned char)*at);
    return err_hint(l->err, "set %s%s%s%s", PREFIX, variable, field->doc == NULL ? "" : ": ",
                    field->doc == NULL ? "" : field->doc);
}

enum outcome conf_load(const struct field_table *table, const struct conf_source *source,
                       struct arena *arena, void *ret_struct, struct err *err)
{
    struct loader l = {.table = table, .source = source, .arena = arena, .err = err};
    l.given = ARENA_ARRAY(arena, struct given, table->count);
    TRY_ALLOC(l.given, err);
    for (char **entry = source->environ; entry != NULL && *entry != NULL; entry++)
        TRY(take_variable(&l, *entry));
    for (int i = 1; i < source->argc; i++)
        TRY(take_option(&l, &i));
    TRY(read_files(&l));
    enum outcome outcome = fields_decode_texts(table, given_text, &l, arena, ret_struct, err);
    return name_origin(&l, outcome);
}
