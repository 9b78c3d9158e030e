-- Indexes of the table $1 (oid), or the one that is called $2 in the schema $3; and how far a build has come.
-- same_again: CreateIndex would build the very same; the definition leaves tablespace and cluster mark out.
SELECT i.indexrelid::int8 AS oid, c.relname::text AS name, quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS quoted,
       t.oid::int8 AS table_oid, t.relname::text AS "table", i.indisvalid AND i.indisready AS valid, i.indisunique OR i.indisprimary AS "unique",
       EXISTS (SELECT 1 FROM pg_constraint k WHERE k.conindid = i.indexrelid) AS constraint, pg_get_indexdef(i.indexrelid) AS definition,
       (c.relpages::int8 * current_setting('block_size')::int8) AS size, coalesce(s.idx_scan, 0) AS scans,
       pg_get_userbyid(t.relowner)::text AS owner, quote_ident(pg_get_userbyid(t.relowner)) AS quoted_owner,
       pg_has_role(current_user, t.relowner, 'usage') AS owns,
       pg_has_role(current_user, t.relowner, CASE WHEN current_setting('server_version_num')::int >= 160000 THEN 'SET' ELSE 'MEMBER' END) AS may_become,
       current_user::text AS role, pg_is_in_recovery() AS in_recovery,
       (SELECT string_agg(a.attname, ', ' ORDER BY k.place) FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS k (attnum, place)
          JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
         WHERE k.place <= i.indnkeyatts) AS columns,
       i.indpred IS NULL AND i.indexprs IS NULL AND m.amname = 'btree' AS plain,
       c.reltablespace = 0 AND NOT i.indisclustered AND pg_get_indexdef(i.indexrelid) = format('CREATE INDEX %I ON %I.%I USING btree (%s)', c.relname,
         n.nspname, t.relname, (SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY k.place)
          FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS k (attnum, place) JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum)
       ) AS same_again,
       p.pid AS builder, p.phase, p.blocks_done, p.blocks_total, p.tuples_done, p.tuples_total, p.lockers_done, p.lockers_total, p.current_locker_pid
  FROM pg_index i
  JOIN pg_class c ON c.oid = i.indexrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_class t ON t.oid = i.indrelid
  JOIN pg_am m ON m.oid = c.relam
  LEFT JOIN pg_stat_user_indexes s ON s.indexrelid = i.indexrelid
  LEFT JOIN pg_stat_progress_create_index p ON p.index_relid = i.indexrelid
 WHERE i.indrelid = $1::int8 OR (c.relname = $2::text AND n.nspname = $3::text)
 ORDER BY c.relname
