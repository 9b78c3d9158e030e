-- Prepared transactions of our database, the oldest first; $1 is an identifier, or empty for all. It can be ended by its owner, whom we may become (SET ROLE).
SELECT p.gid, quote_literal(p.gid) AS quoted_gid, p.transaction::text AS transaction, p.prepared, p.owner::text AS owner,
       quote_ident(p.owner) AS quoted_owner, current_user::text AS role,
       coalesce(pg_has_role(current_user, to_regrole(quote_ident(p.owner)),
                            CASE WHEN current_setting('server_version_num')::int >= 160000 THEN 'SET' ELSE 'MEMBER' END), false) AS may
  FROM pg_prepared_xacts p
 WHERE p.database = current_database() AND ($1::text = '' OR p.gid = $1::text)
 ORDER BY p.prepared, p.gid
