-- Prepared transactions that hold what somebody waits for: no session holds them, so terminating sessions does not help.
-- Their locks are found by the one on their own transaction: the virtual transaction is that of the session which prepared it.
-- Only a lock that does not go together with the one that is waited for blocks (PostgreSQL's table of conflicting lock modes): who has read
-- a table does not keep its writer waiting, and is not to be rolled back for it.
WITH conflicts (held, wanted) AS (VALUES
    ('AccessShareLock', '{AccessExclusiveLock}'::text[]),
    ('RowShareLock', '{ExclusiveLock,AccessExclusiveLock}'),
    ('RowExclusiveLock', '{ShareLock,ShareRowExclusiveLock,ExclusiveLock,AccessExclusiveLock}'),
    ('ShareUpdateExclusiveLock', '{ShareUpdateExclusiveLock,ShareLock,ShareRowExclusiveLock,ExclusiveLock,AccessExclusiveLock}'),
    ('ShareLock', '{RowExclusiveLock,ShareUpdateExclusiveLock,ShareRowExclusiveLock,ExclusiveLock,AccessExclusiveLock}'),
    ('ShareRowExclusiveLock', '{RowExclusiveLock,ShareUpdateExclusiveLock,ShareLock,ShareRowExclusiveLock,ExclusiveLock,AccessExclusiveLock}'),
    ('ExclusiveLock', '{RowShareLock,RowExclusiveLock,ShareUpdateExclusiveLock,ShareLock,ShareRowExclusiveLock,ExclusiveLock,AccessExclusiveLock}'),
    ('AccessExclusiveLock', '{AccessShareLock,RowShareLock,RowExclusiveLock,ShareUpdateExclusiveLock,ShareLock,ShareRowExclusiveLock,ExclusiveLock,AccessExclusiveLock}'))
SELECT p.gid, p.owner::text AS owner, p.database::text AS database, extract(epoch FROM p.prepared)::float8 AS prepared,
       (SELECT count(*) FROM pg_locks l WHERE l.pid IS NULL AND l.granted AND l.virtualtransaction = t.virtualtransaction)::int AS locks,
       array_agg(DISTINCT w.pid) AS blocks
  FROM pg_prepared_xacts p
  JOIN pg_locks t ON t.pid IS NULL AND t.granted AND t.locktype = 'transactionid' AND t.transactionid = p.transaction
  JOIN pg_locks h ON h.pid IS NULL AND h.granted AND h.virtualtransaction = t.virtualtransaction
  JOIN conflicts c ON c.held = h.mode
  JOIN pg_locks w ON NOT w.granted AND w.pid IS NOT NULL AND w.locktype = h.locktype AND w.mode = ANY (c.wanted)
   AND (w.database, w.relation, w.page, w.tuple, w.virtualxid, w.transactionid::text, w.classid, w.objid, w.objsubid)
       IS NOT DISTINCT FROM (h.database, h.relation, h.page, h.tuple, h.virtualxid, h.transactionid::text, h.classid, h.objid, h.objsubid)
 GROUP BY p.gid, p.owner, p.database, p.prepared, t.virtualtransaction
 ORDER BY p.prepared, p.gid
