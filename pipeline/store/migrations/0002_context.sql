CREATE EXTENSION IF NOT EXISTS vector;

CREATE TABLE people (
    name    text        PRIMARY KEY,
    created timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX people_by_name ON people (lower(name));

CREATE TABLE devices (
    name       text        PRIMARY KEY,
    door       text        NOT NULL,
    room       text,
    person     text        REFERENCES people ON UPDATE CASCADE ON DELETE SET NULL,
    first_seen timestamptz NOT NULL DEFAULT now(),
    last_seen  timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE embedding_models (
    id         smallint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name       text     NOT NULL UNIQUE,
    dimensions smallint NOT NULL
);

-- What belongs to nobody belongs to the household. `words` and `embedding` are the two indexes of each text; a row whose
-- `model` is not the one in use is embedded again in the background.
CREATE TABLE facts (
    id           bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    person       text        REFERENCES people ON UPDATE CASCADE ON DELETE CASCADE,
    content      text        NOT NULL,
    subject      text,
    conversation text        NOT NULL,
    turn         text        NOT NULL,
    device       text        NOT NULL,
    said_as      text        NOT NULL,
    said         timestamptz NOT NULL DEFAULT now(),
    confirmed    timestamptz NOT NULL DEFAULT now(),
    replaced_by  bigint      REFERENCES facts ON DELETE SET NULL,
    words        tsvector    NOT NULL,
    model        smallint    REFERENCES embedding_models ON DELETE SET NULL,
    embedding    halfvec
);
CREATE INDEX facts_by_person ON facts (person, said DESC) WHERE replaced_by IS NULL;
CREATE INDEX facts_by_words ON facts USING gin (words);

CREATE TABLE documents (
    id      bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source  text        NOT NULL,
    person  text        REFERENCES people ON UPDATE CASCADE ON DELETE CASCADE,
    title   text        NOT NULL,
    digest  bytea       NOT NULL,
    learned timestamptz NOT NULL DEFAULT now(),
    UNIQUE NULLS NOT DISTINCT (source, person)
);

CREATE TABLE passages (
    id        bigint   GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    document  bigint   NOT NULL REFERENCES documents ON DELETE CASCADE,
    person    text     REFERENCES people ON UPDATE CASCADE ON DELETE CASCADE,
    position  integer  NOT NULL,
    heading   text     NOT NULL,
    content   text     NOT NULL,
    words     tsvector NOT NULL,
    model     smallint REFERENCES embedding_models ON DELETE SET NULL,
    embedding halfvec
);
CREATE INDEX passages_by_document ON passages (document, position);
CREATE INDEX passages_by_words ON passages USING gin (words);
CREATE INDEX passages_by_person ON passages (person);

-- Those that were read from a file go with its document.
CREATE TABLE events (
    id       bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    document bigint      REFERENCES documents ON DELETE CASCADE,
    calendar text        NOT NULL,
    uid      text        NOT NULL,
    person   text        REFERENCES people ON UPDATE CASCADE ON DELETE CASCADE,
    title    text        NOT NULL,
    starts   timestamptz NOT NULL,
    ends     timestamptz NOT NULL,
    all_day  boolean     NOT NULL DEFAULT false,
    place    text        NOT NULL DEFAULT '',
    UNIQUE (calendar, uid, starts)
);
CREATE INDEX events_by_time ON events (starts);

CREATE TABLE tasks (
    id       bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    document bigint      REFERENCES documents ON DELETE CASCADE,
    calendar text        NOT NULL,
    uid      text        NOT NULL,
    person   text        REFERENCES people ON UPDATE CASCADE ON DELETE CASCADE,
    title    text        NOT NULL,
    due      timestamptz,
    done     timestamptz,
    UNIQUE (calendar, uid)
);

CREATE TABLE contacts (
    id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    document bigint REFERENCES documents ON DELETE CASCADE,
    book     text   NOT NULL,
    uid      text   NOT NULL,
    person   text   REFERENCES people ON UPDATE CASCADE ON DELETE CASCADE,
    name     text   NOT NULL,
    phones   text[] NOT NULL DEFAULT '{}',
    emails   text[] NOT NULL DEFAULT '{}',
    note     text   NOT NULL DEFAULT '',
    UNIQUE (book, uid)
);

CREATE INDEX messages_by_person ON messages (person, said DESC);
CREATE INDEX messages_by_conversation ON messages (conversation, said);
