-- How the assistant is at each device, where that is not as everywhere.
ALTER TABLE devices
    ADD COLUMN title text,
    ADD COLUMN speed real,
    ADD COLUMN voice text,
    ADD COLUMN quiet text;
