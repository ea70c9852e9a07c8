CREATE TABLE messages (
    id           uuid        PRIMARY KEY,
    conversation text        NOT NULL,
    door         text        NOT NULL,
    device       text        NOT NULL,
    person       text,
    room         text,
    role         text        NOT NULL CHECK (role IN ('user', 'assistant')),
    content      text        NOT NULL,
    said         timestamptz NOT NULL
);

CREATE INDEX messages_by_device ON messages (device, said DESC);
CREATE INDEX messages_by_time ON messages (said);
