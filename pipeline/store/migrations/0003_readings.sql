CREATE TABLE series (
    id   integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text    NOT NULL,
    unit text    NOT NULL DEFAULT '',
    room text
);
CREATE UNIQUE INDEX series_by_name ON series (lower(name));

CREATE TABLE readings (
    series integer          NOT NULL REFERENCES series ON DELETE CASCADE,
    at     timestamptz      NOT NULL,
    value  double precision NOT NULL,
    PRIMARY KEY (series, at)
);
