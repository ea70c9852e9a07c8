-- Without TimescaleDB: hours are added up by our own job, and what is too old is deleted by it.
CREATE TABLE IF NOT EXISTS readings_hourly (
    series integer          NOT NULL REFERENCES series ON DELETE CASCADE,
    hour   timestamptz      NOT NULL,
    count  bigint           NOT NULL,
    mean   double precision NOT NULL,
    low    double precision NOT NULL,
    high   double precision NOT NULL,
    PRIMARY KEY (series, hour)
);
