-- The rows of alphapulse_prod, the same in every lab (fixed seed). Run by the superuser: the foreign key holds by construction and is not
-- asked about row by row, and the key and the indexes are built over what is there (measured: half the time).
SET session_replication_role = replica;
SELECT setseed(0.42);
INSERT INTO tenants
SELECT n, 'tenant-' || lpad(n::text, 3, '0'), (ARRAY['free', 'team', 'enterprise'])[1 + n % 3], timestamptz '2025-01-01 00:00+00' + n * interval '31 hours'
FROM generate_series(1, 120) AS n;
ALTER TABLE trades DROP CONSTRAINT trades_pkey;
DROP INDEX idx_trades_executed_at, idx_trades_tenant_symbol;
-- Two random numbers a row, cut into their parts, and no call of the sequence: both would cost more than writing the rows.
INSERT INTO trades (id, tenant_id, symbol, side, quantity, price, executed_at, fee) OVERRIDING SYSTEM VALUE
SELECT n, 1 + floor(chance * chance * 120)::int,
       (ARRAY['BTC-USD', 'ETH-USD', 'SOL-USD', 'AAPL', 'MSFT', 'NVDA', 'EUR-USD', 'GBP-USD'])[1 + digits % 8],
       CASE WHEN digits / 8 % 2 = 0 THEN 'buy' ELSE 'sell' END,
       (1 + digits % 100000) * 0.0001,
       (100000 + digits % 600000000) * 0.0001,
       timestamptz '2025-10-01 00:00+00' + n * interval '13 seconds',
       (digits % 5000) * 0.0001
FROM (SELECT n, random() AS chance, (random() * 1000000000)::int AS digits FROM generate_series(1, 210000) AS n) AS drawn;
SELECT setval(pg_get_serial_sequence('trades', 'id'), 210000);
ALTER TABLE trades ADD CONSTRAINT trades_pkey PRIMARY KEY (id);
CREATE INDEX idx_trades_executed_at ON trades (executed_at);
CREATE INDEX idx_trades_tenant_symbol ON trades (tenant_id, symbol);
INSERT INTO trade_audit (trade_id, note, noted_at)
SELECT n * 40, 'price confirmed by hand', timestamptz '2025-10-02 00:00+00' + n * interval '9 minutes'
FROM generate_series(1, 5000) AS n;
RESET session_replication_role;
