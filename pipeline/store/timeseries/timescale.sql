-- With TimescaleDB: it keeps readings in chunks, compresses them after a week, adds hours up and deletes what is too old.
SELECT create_hypertable('readings', 'at', migrate_data => true, if_not_exists => true, chunk_time_interval => INTERVAL '1 day');
ALTER TABLE readings SET (timescaledb.compress, timescaledb.compress_segmentby = 'series', timescaledb.compress_orderby = 'at');
SELECT add_compression_policy('readings', INTERVAL '7 days', if_not_exists => true);
CREATE MATERIALIZED VIEW IF NOT EXISTS readings_hourly WITH (timescaledb.continuous) AS
    SELECT series, time_bucket(INTERVAL '1 hour', at) AS hour, count(*) AS count, avg(value) AS mean, min(value) AS low, max(value) AS high
    FROM readings GROUP BY series, time_bucket(INTERVAL '1 hour', at) WITH NO DATA;
ALTER MATERIALIZED VIEW readings_hourly SET (timescaledb.materialized_only = false);
SELECT add_continuous_aggregate_policy('readings_hourly', start_offset => INTERVAL '3 days', end_offset => INTERVAL '1 hour', schedule_interval => INTERVAL '30 minutes', if_not_exists => true);
