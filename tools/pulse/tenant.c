/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/pulse/tenant.h"

#include <string.h>

bool tenant_check(struct pg *pg, struct str tenant, struct err *err)
{
    struct pg_params p = {0};
    pg_text(&p, tenant);
    AUTO(pg_result) r =
        pg_run(pg, "select 1 from tenants where tenant_id = $1", &p, err);
    if (!r)
        return false;
    if (pg_rows(r) == 1)
        return true;
    err_set(err, ERR_INPUT, "there is no tenant \"%.*s\"", STR_ARG(tenant));
    return false;
}

bool tenant_create(struct pg *pg, struct str tenant, struct err *err)
{
    struct pg_params p = {0};
    pg_text(&p, tenant);
    if (pg_do(pg,
              "insert into tenants (tenant_id, name) values ($1, $1)"
              " on conflict do nothing",
              &p, NULL, err))
        return true;
    if (strcmp(pg_sqlstate(pg), "23514") == 0)
        err_set(err, ERR_INPUT,
                "\"%.*s\" is no tenant: 1 to 63 of a-z 0-9 _ -, a letter or "
                "digit first",
                STR_ARG(tenant));
    return false;
}
