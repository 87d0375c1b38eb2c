/* fuzz_fields: any command line and environment is loaded or refused with a full error, and a
 * secret is in no message. Lines of input are words; those that begin with HAUL_ go to the
 * environment. */
#include "fuzz.h"

#include "base/conf.h"

#include <string.h>
#include <strings.h>

#define WORDS_MAX 16
#define SECRET "hunter2hunter2"

struct settings {
    const char *name;
    int64_t count;
    bool on;
    int mode;
    double ratio;
    int64_t since_us;
    struct field_strings kinds;
    const char *token;
};

static const char *const modes[] = {"append", "upsert", NULL};

#define AT(member) .offset = offsetof(struct settings, member)
static const struct field fields[] = {
    {.name = "name", .type = FIELD_STRING, AT(name), .min = 1, .max = 20},
    {.name = "count", .type = FIELD_INT, AT(count), .min = 1, .max = 9, .default_text = "3"},
    {.name = "on", .type = FIELD_BOOL, AT(on), .default_text = "true"},
    {.name = "mode", .type = FIELD_ENUM, AT(mode), .choices = modes},
    {.name = "ratio", .type = FIELD_REAL, AT(ratio), .min = 0, .max = 1},
    {.name = "since", .type = FIELD_TIME, AT(since_us)},
    {.name = "kinds", .type = FIELD_STRINGS, AT(kinds), .min = 0, .max = 3},
    {.name = "token", .type = FIELD_STRING, .flags = FIELD_SECRET, AT(token), .min = 1, .max = 10},
};
static const struct field_table table = {"settings", NULL, fields, FIELDS_COUNT(fields),
                                         sizeof(struct settings)};

static void check_settings(const struct settings *settings)
{
    STR_AUTO struct str out = str_with_max(STR_MAX_DEFAULT);
    HOLDS(settings->count >= 1 && settings->count <= 9 && settings->kinds.count <= 3);
    conf_print_effective(&table, settings, &out);
    HOLDS(!out.failed);
}

/* The only secret that is given is too long, so that it is refused whenever it is looked at. */
static void check_error(const struct err *err)
{
    HOLDS(err->outcome == OUTCOME_PERMANENT && err->code[0] != '\0' && err->message[0] != '\0');
    HOLDS(strstr(err->message, SECRET) == NULL && strstr(err->hint, SECRET) == NULL);
}

/* --token-file and HAUL_TOKEN_FILE in any spelling. */
static bool holds_file(const char *word)
{
    for (; *word != '\0'; word++) {
        if (strncasecmp(word, "file", 4) == 0)
            return true;
    }
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    char text[512];
    char *argv[WORDS_MAX + 1] = {0}, *environ_list[WORDS_MAX + 2] = {0};
    char secret[] = "HAUL_TOKEN=" SECRET;
    struct conf_source source = {.argc = 1, .argv = argv, .environ = environ_list};
    size_t variables = 0;
    if (len >= sizeof text)
        return 0;
    if (len > 0)
        memcpy(text, bytes, len);
    text[len] = '\0';
    argv[0] = text;
    for (char *word = text, *next; word != NULL && source.argc < WORDS_MAX; word = next) {
        next = strchr(word, '\n');
        if (next != NULL)
            *next++ = '\0';
        /* No file of this machine is to be read, and only one place is to hold the secret. */
        if (holds_file(word) || strstr(word, SECRET) != NULL)
            continue;
        if (strncmp(word, "HAUL_", 5) != 0)
            argv[source.argc++] = word;
        else if (variables < WORDS_MAX)
            environ_list[variables++] = word;
    }
    if (len % 2 == 1)
        environ_list[variables] = secret;
    ARENA_AUTO struct arena arena;
    arena_init(&arena, 1u << 20);
    struct settings settings;
    struct err err = {0};
    if (conf_load(&table, &source, &arena, &settings, &err) == OUTCOME_OK)
        check_settings(&settings);
    else
        check_error(&err);
    return 0;
}
