CREATE TABLE IF NOT EXISTS digits (
  request_id text PRIMARY KEY,
  digit smallint NOT NULL,
  score real NOT NULL,
  second smallint NOT NULL,
  needs_a_look boolean NOT NULL,
  saved_at timestamptz NOT NULL DEFAULT now()
);
