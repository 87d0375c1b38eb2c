/* What `convert` makes of any raw text is a value that the gate lets through. */
#include "fuzz.h"

#include "model/policy.h"

#define DAY_US INT64_C(86400000000)

static const struct value_limits limits = {
    .time_max_us = DAY_US,
    .date_min = -719162,
    .date_max = 2932896,
    .timestamp_min_us = -719162 * DAY_US,
    .timestamp_max_us = 2932897 * DAY_US - 1,
    .timestamptz_max_us = INT64_C(2147483647) * 1000000,
    .decimal_precision = 65,
    .decimal_scale = 30,
};

static const char *const specs[] = {
    "bool",         "int64(8)",     "int64",         "float64(32)", "float64",
    "decimal(5,2)", "decimal(2,4)", "decimal(3,-2)", "decimal",     "text(5)",
    "text",         "bytes(3)",     "date",          "time",        "time(3)",
    "timestamp",    "timestamp(1)", "timestamptz",   "uuid",        "timestamptz(2)",
};

static void gate_batch(const struct column_spec *column, struct batch *batch,
                       enum value_action action, struct policy_counts *counts)
{
    struct value_policy policy;
    struct arena ARENA_AUTO arena;
    struct err err = {0};
    for (size_t i = 0; i < VALUE_FAULT_COUNT; i++)
        policy.actions[i] = action;
    arena_init(&arena, 1 << 16);
    struct gate *gate = gate_new(column, 1, &limits, &policy, &arena);
    HOLDS(gate != NULL);
    HOLDS(gate_apply(gate, batch, counts, &err) == OUTCOME_OK);
}

/* The first byte picks the column's type, the second the fault; the rest is the raw text. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct column_spec column = {.name = "c", .nullable = true};
    struct policy_counts first = {0}, again = {0};
    if (size < 2)
        return 0;
    enum value_fault fault = (enum value_fault)(data[1] % VALUE_FAULT_COUNT);
    struct slice raw = {(const char *)data + 2, size - 2};
    HOLDS(value_spec_parse(specs[data[0] % (sizeof specs / sizeof specs[0])], &column.spec));
    if (column.spec.type == VALUE_TEXT && fault != FAULT_INVALID_UTF8 &&
        !utf8_is_valid(raw.data, raw.len))
        return 0; /* other faults have text for their raw text */
    struct batch *batch = batch_new(&column, 1, 64, 1 << 20);
    HOLDS(batch != NULL);
    batch_add_fault(batch, &batch->columns[0], fault, raw);
    HOLDS(batch_end_row(batch));
    gate_batch(&column, batch, ACTION_CONVERT, &first);
    HOLDS(batch->fault_count == 0);
    bool null = column_is_null(&batch->columns[0], 0);
    HOLDS(batch->columns[0].null_count == null);
    HOLDS((first.nulled[fault] == 1) == null || first.converted[fault] == 1);
    gate_batch(&column, batch, ACTION_QUARANTINE, &again);
    HOLDS(batch->fault_count == 0);
    if (column.spec.type == VALUE_TEXT && !null) {
        struct slice text = column_bytes(&batch->columns[0], 0);
        HOLDS(utf8_is_valid(text.data, text.len));
    }
    batch_free(batch);
    return 0;
}
