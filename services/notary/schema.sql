-- The tables of notary-server and notary-signer 0.7, which make none themselves.
-- Source: the columns that the two programs read and write (their packages bring no migrations).
CREATE TABLE IF NOT EXISTS tuf_files (
    id serial PRIMARY KEY,
    created_at timestamp,
    updated_at timestamp,
    deleted_at timestamp,
    gun varchar(255) NOT NULL,
    role varchar(255) NOT NULL,
    version integer NOT NULL,
    data bytea NOT NULL,
    sha256 char(64),
    UNIQUE (gun, role, version)
);
CREATE INDEX IF NOT EXISTS tuf_files_sha256 ON tuf_files (sha256);
CREATE TABLE IF NOT EXISTS changefeed (
    id serial PRIMARY KEY,
    created_at timestamp DEFAULT CURRENT_TIMESTAMP,
    gun varchar(255) NOT NULL,
    version integer NOT NULL,
    sha256 char(64),
    category varchar(20) NOT NULL DEFAULT 'update'
);
CREATE INDEX IF NOT EXISTS changefeed_gun ON changefeed (gun);
CREATE TABLE IF NOT EXISTS private_keys (
    id serial PRIMARY KEY,
    created_at timestamp,
    updated_at timestamp,
    deleted_at timestamp,
    key_id varchar(255) NOT NULL UNIQUE,
    encryption_alg varchar(255) NOT NULL,
    keywrap_alg varchar(255) NOT NULL,
    algorithm varchar(50) NOT NULL,
    passphrase_alias varchar(50) NOT NULL,
    gun varchar(255) NOT NULL,
    role varchar(255) NOT NULL,
    public bytea NOT NULL,
    private bytea NOT NULL,
    last_used timestamp
);
