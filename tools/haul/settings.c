/* settings: what every command can be told, by --option or HAUL_ variable. */
#include "command.h"

#define OWN(member) .offset = offsetof(struct cli_settings, member)

/* What a command needs of them is checked when it is run: hence none is required here, see
 * cli_settings_check. */
static const struct field fields[] = {
    {.name = "json",
     .type = FIELD_BOOL,
     OWN(json),
     .default_text = "false",
     .doc = "The answer, an error too, as one JSON value on standard output."},
    {.name = "workspace",
     .type = FIELD_STRING,
     .min = 1,
     .max = 128,
     OWN(workspace),
     .doc = "The workspace that the command is about."},
    {.name = "keyring_file",
     .type = FIELD_STRING,
     OWN(keyring_file),
     .doc = "File of the keys that seal secrets, a line id:base64 a key; the first one seals."},
    {.name = "topic_prefix",
     .type = FIELD_STRING,
     .max = 100,
     OWN(topic_prefix),
     .default_text = "haul.",
     .doc = "What the names of all topics begin with."},
    {.name = "timeout_ms",
     .type = FIELD_INT,
     .min = 100,
     .max = 3600000,
     OWN(timeout_ms),
     .default_text = "10000",
     .unit = "ms",
     .doc = "Longest wait for one answer of Kafka."},
    PGSQL_CONF_FIELDS(struct cli_settings, hub),
    KAFKA_CONF_FIELDS(struct cli_settings, kafka),
    RCONN_CONF_FIELDS(struct cli_settings, redis),
};

const struct field_table cli_settings_table = {"haul", "Settings of every command.", fields,
                                               FIELDS_COUNT(fields), sizeof(struct cli_settings)};
