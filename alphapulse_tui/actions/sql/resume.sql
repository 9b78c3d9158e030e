-- Resumes the replay if this is still the server that was shown ($1, its start) and it is still paused where it was ($2).
SELECT pg_wal_replay_resume()
 WHERE pg_is_in_recovery() AND pg_is_wal_replay_paused() AND pg_postmaster_start_time() = $1::timestamptz
   AND pg_last_wal_replay_lsn()::text = $2::text
