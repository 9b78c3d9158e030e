-- Prepared transactions that hold what somebody waits for: no session holds them, so terminating sessions does not help.
-- Their locks are found by the one on their own transaction: the virtual transaction is that of the session which prepared it.
SELECT p.gid, p.owner::text AS owner, p.database::text AS database, extract(epoch FROM p.prepared)::float8 AS prepared,
       count(DISTINCT concat_ws(' ', h.locktype, h.relation, h.transactionid, h.virtualxid, h.mode))::int AS locks, array_agg(DISTINCT w.pid) AS blocks
  FROM pg_prepared_xacts p
  JOIN pg_locks t ON t.pid IS NULL AND t.granted AND t.locktype = 'transactionid' AND t.transactionid = p.transaction
  JOIN pg_locks h ON h.pid IS NULL AND h.granted AND h.virtualtransaction = t.virtualtransaction
  JOIN pg_locks w ON NOT w.granted AND w.pid IS NOT NULL AND w.locktype = h.locktype
   AND (w.database, w.relation, w.page, w.tuple, w.virtualxid, w.transactionid::text, w.classid, w.objid, w.objsubid)
       IS NOT DISTINCT FROM (h.database, h.relation, h.page, h.tuple, h.virtualxid, h.transactionid::text, h.classid, h.objid, h.objsubid)
 GROUP BY p.gid, p.owner, p.database, p.prepared
 ORDER BY p.prepared, p.gid
