-- As whom a statement can be planned that our own role may not: the owner of most tables of this database whom we may become (SET ROLE).
SELECT current_user::text AS role,
       pg_has_role(current_user, 'pg_read_all_stats', 'usage') AS sees_all,
       (SELECT quote_ident(r.rolname) FROM pg_class c JOIN pg_roles r ON r.oid = c.relowner JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE c.relkind IN ('r', 'p') AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\_%' AND NOT r.rolsuper
           AND CASE WHEN current_setting('server_version_num')::int >= 160000 THEN pg_has_role(current_user, r.oid, 'SET')
                    ELSE pg_has_role(current_user, r.oid, 'MEMBER') END
         GROUP BY r.rolname ORDER BY count(*) DESC, r.rolname LIMIT 1) AS owner
