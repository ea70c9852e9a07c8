-- How far each conversation has been gone through for what is worth remembering.
CREATE TABLE learned_talk (
    conversation text        PRIMARY KEY,
    upto         timestamptz NOT NULL
);
