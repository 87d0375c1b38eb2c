/* select: the text of a read: columns, source, filters, order. */
#include "mysql/mysql_private.h"

#include <ctype.h>
#include <string.h>

/* The query without what would end it early: blanks and semicolons at its end. */
static struct slice trimmed(const char *query)
{
    size_t len = strlen(query);
    while (len > 0 && (isspace((unsigned char)query[len - 1]) || query[len - 1] == ';'))
        len--;
    return (struct slice){query, len};
}

void mys_add_from(struct str *sql, const struct session *session, const struct stream_ref *stream)
{
    if (stream->query == NULL) {
        str_add_text(sql, "FROM ");
        mys_add_table(sql, session, stream);
        return;
    }
    /* A new line ends a comment at the query's end. */
    str_add_text(sql, "FROM (");
    str_add_slice(sql, trimmed(stream->query));
    str_add_text(sql, "\n) AS haul_query");
}

void mys_add_select_column(struct str *sql, const char *alias, const char *name,
                           const struct mys_native *native)
{
    bool is_geometry = native != NULL && native->form == MYS_GEOMETRY;
    str_add_text(sql, is_geometry ? "ST_AsText(" : "");
    if (alias != NULL)
        str_addf(sql, "%s.", alias);
    mys_add_name(sql, name);
    if (is_geometry)
        str_add_char(sql, ')');
    else if (native != NULL && (native->form == MYS_FLOAT || native->form == MYS_DOUBLE))
        str_add_text(sql, " + 0e0");
}

static bool add_comparison(struct str *sql, const struct read_filter *filter, enum value_type type)
{
    static const char *const operators[] = {[READ_EQ] = " = ",
                                            [READ_GE] = " >= ",
                                            [READ_GT] = " > ",
                                            [READ_LE] = " <= ",
                                            [READ_LT] = " < ",
                                            [READ_IS_NULL] = " IS NULL",
                                            [READ_NOT_NULL] = " IS NOT NULL",
                                            [READ_IS_TRUE] = " IS TRUE"};
    mys_add_name(sql, filter->column);
    str_add_text(sql, operators[filter->op]);
    return filter->op >= READ_IS_NULL || mys_add_literal(sql, type, filter->value);
}

static const struct column_spec *find_column(const struct read_request *request, const char *name)
{
    for (size_t i = 0; i < request->column_count; i++) {
        if (strcmp(request->columns[i].name, name) == 0)
            return &request->columns[i];
    }
    return NULL;
}

enum outcome mys_add_where(struct str *sql, const struct read_request *request, struct err *err)
{
    for (size_t i = 0; i < request->filter_count; i++) {
        const struct read_filter *filter = &request->filters[i];
        const struct column_spec *column = find_column(request, filter->column);
        bool needs_type = filter->op < READ_IS_NULL;
        if (needs_type && column == NULL)
            return FAIL_BUG(err, "mysql: filter on column %s, which is not read", filter->column);
        str_add_text(sql, i == 0 ? " WHERE (" : " AND (");
        if (!add_comparison(sql, filter, needs_type ? column->spec.type : VALUE_TEXT))
            return FAIL(err, OUTCOME_PERMANENT, "stream.filter",
                        "mysql: a filter's value is none of the type of column %s", filter->column);
        if (filter->or_null) {
            str_add_text(sql, " OR ");
            mys_add_name(sql, filter->column);
            str_add_text(sql, " IS NULL");
        }
        str_add_char(sql, ')');
    }
    return OUTCOME_OK;
}

static enum outcome take_plan_column(const struct read_request *request, MYSQL_RES *result,
                                     size_t number, struct mys_plan *plan, struct err *err)
{
    const struct column_spec *column = &request->columns[number];
    struct mys_native *native = &plan->natives[number];
    mys_native_of_field(mysql_fetch_field_direct(result, (unsigned)number), native);
    plan->decoders[number] = mys_decoder(native, &column->spec);
    if (plan->decoders[number] != NULL)
        return OUTCOME_OK;
    (void)FAIL(err, OUTCOME_PERMANENT, "stream.changed",
               "mysql: column %s of %s is %s now and can't be read as %s", column->name,
               request->stream.name, native->base == NULL ? "of another type" : native->base,
               value_type_name(column->spec.type));
    return err_hint(err, "discover the stream again");
}

enum outcome mys_plan_make(struct session *session, const struct read_request *request,
                           struct arena *arena, struct mys_plan *ret_plan, struct err *err)
{
    STR_AUTO struct str sql = str_with_max(STR_MAX_DEFAULT);
    struct mys_plan plan = {.count = request->column_count, .columns = request->columns};
    plan.natives = ARENA_ARRAY(arena, struct mys_native, plan.count);
    plan.decoders = ARENA_ARRAY(arena, mys_decode *, plan.count);
    TRY_ALLOC(plan.natives, err);
    TRY_ALLOC(plan.decoders, err);
    str_add_text(&sql, "SELECT ");
    for (size_t i = 0; i < plan.count; i++) {
        str_add_text(&sql, i == 0 ? "" : ", ");
        mys_add_name(&sql, request->columns[i].name);
    }
    str_add_char(&sql, ' ');
    mys_add_from(&sql, session, &request->stream);
    str_add_text(&sql, " LIMIT 0");
    MYS_RES_AUTO MYSQL_RES *result = NULL;
    TRY(mys_select(session, MYS_SOURCE, &sql, &result, err));
    for (size_t i = 0; i < plan.count; i++)
        TRY(take_plan_column(request, result, i, &plan, err));
    *ret_plan = plan;
    return OUTCOME_OK;
}
