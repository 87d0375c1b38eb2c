/*
 * contract: what the contract tests share: each case runs once for every registered connector that
 * has the features it needs, against the server that the environment names.
 *
 * HAUL_CONTRACT_CONNECTOR=postgres runs one connector alone; HAUL_CONTRACT_CONFIG='{...}' is its
 * configuration then. Without them each connector's comes from POSTGRES_HOST, MARIADB_HOST and so
 * on. A case that a connector lacks the features for is printed as skipped, with its name.
 */
#ifndef HAUL_TESTS_CONTRACT_H
#define HAUL_TESTS_CONTRACT_H

#include "check.h"
#include "sync/connector.h"

struct contract_case {
    const char *name;
    void (*run)(void);
    unsigned features;
};

int contract_main(const char *program, const struct contract_case *cases, size_t count, int argc,
                  char **argv);
#define CONTRACT_MAIN(program, cases)                                                              \
    int main(int argc, char **argv)                                                                \
    {                                                                                              \
        return contract_main((program), (cases), sizeof(cases) / sizeof *(cases), argc, argv);     \
    }

/* The connector under test and its configuration; the case's own arena, emptied after it. */
extern const struct connector *subject;
extern const void *subject_config;
extern struct arena case_arena;

/* A session; NULL (and a failed check) when it cannot be had. */
struct session *contract_open(bool read_only);
/* A table of the case, dropped before and after it: it has a stage's name, since only those can be
 * dropped through a connector. */
struct stream_ref contract_table(const char *name);
/* A name that is no stage's and that no table has; what is made of it stays. */
struct stream_ref contract_target(const char *name);

/* Columns by "id int64(64) not null, name text(20)": name, value spec, and whether NULL is out. */
struct columns {
    size_t count;
    struct column_spec *specs;
};
struct columns contract_columns(const char *text);

/* Rows as text, cells parted by |, rows by line feeds; a cell of NULL is null. */
struct batch *contract_batch(const struct columns *columns, const char *rows);
/* What is read, in that text form. NULL after a failure. */
const char *contract_rows(struct reader *reader, const struct columns *columns);
const char *contract_read(struct session *session, const struct read_request *request);
/* The whole table ordered by its first column. */
const char *contract_read_table(struct session *session, const struct stream_ref *table,
                                const struct columns *columns);

struct contract_write {
    struct stream_ref table;
    const struct columns *columns;
    enum write_how how;
    size_t key_count; /* the first columns */
    bool soft_delete, history;
    int64_t now_us;
    const char *rows;
};
struct write_request contract_write_request(const struct contract_write *write);
/* Begins, writes one batch, commits with state {"n":1}; false after a failed check. */
bool contract_write(struct session *session, const struct contract_write *write,
                    struct write_counts *ret_counts);
/* Makes the table with the columns, the first key_count of them its key. */
bool contract_create(struct session *session, struct stream_ref table,
                     const struct columns *columns, size_t key_count);
/* Takes it with a fence greater than all before. */
bool contract_take(struct session *session, struct checkpoint_ref *ret_checkpoint);

#endif
