-- Prepared transactions, the oldest first; $1 is an identifier, or empty for all. One can be ended in its own database only (here), by its
-- owner, whom we may become (SET ROLE).
SELECT p.gid, p.database::text AS database, p.database = current_database() AS here, quote_literal(p.gid) AS quoted_gid,
       p.transaction::text AS transaction, p.prepared, p.owner::text AS owner,
       extract(epoch FROM clock_timestamp() - p.prepared)::float8 AS seconds,
       quote_ident(p.owner) AS quoted_owner, current_user::text AS role,
       coalesce(pg_has_role(current_user, to_regrole(quote_ident(p.owner)),
                            CASE WHEN current_setting('server_version_num')::int >= 160000 THEN 'SET' ELSE 'MEMBER' END), false) AS may
  FROM pg_prepared_xacts p
 WHERE $1::text = '' OR p.gid = $1::text
 ORDER BY p.prepared, p.gid
