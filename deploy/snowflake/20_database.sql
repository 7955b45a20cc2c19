-- What Sluice needs in its database: the stage on the landing zone, file formats, the ledger, and what its role may do.
--
-- Once per environment, by whoever may create databases (SYSADMIN, with USAGE on the integration). Running it again
-- changes nothing but what was changed here.

CREATE DATABASE IF NOT EXISTS <% database %>;

USE DATABASE <% database %>;

CREATE SCHEMA IF NOT EXISTS _sluice;

-- The loader says these options itself in each COPY, so that nobody can bend a load by altering a format. The formats
-- are for people who look into files: SELECT $1 FROM @_sluice.landing/landing/recurly/ (FILE_FORMAT => _sluice.json_lines)
CREATE FILE FORMAT IF NOT EXISTS _sluice.json_lines TYPE = JSON;

ALTER FILE FORMAT _sluice.json_lines SET
  COMPRESSION = AUTO ALLOW_DUPLICATE = TRUE STRIP_OUTER_ARRAY = FALSE STRIP_NULL_VALUES = FALSE NULL_IF = ();

-- Nothing unquoted is NULL, "" is the empty text, and a backslash is a backslash.
CREATE FILE FORMAT IF NOT EXISTS _sluice.csv TYPE = CSV;

ALTER FILE FORMAT _sluice.csv SET
  COMPRESSION = AUTO SKIP_HEADER = 1 FIELD_DELIMITER = ',' FIELD_OPTIONALLY_ENCLOSED_BY = '"' ESCAPE = NONE
  ESCAPE_UNENCLOSED_FIELD = NONE EMPTY_FIELD_AS_NULL = TRUE NULL_IF = () TRIM_SPACE = FALSE ENCODING = 'UTF8';

-- The URL ends in /: without it, a stage of .../a would also show what lies under .../ab.
CREATE STAGE IF NOT EXISTS _sluice.landing
  URL = <% landing %> STORAGE_INTEGRATION = <% integration %>;

-- IF NOT EXISTS would keep the URL of former days, and loads would read another bucket.
ALTER STAGE _sluice.landing SET URL = <% landing %> STORAGE_INTEGRATION = <% integration %>;

CREATE TABLE IF NOT EXISTS _sluice.ledger (
  source VARCHAR NOT NULL, stream VARCHAR NOT NULL, sequence NUMBER(38,0) NOT NULL, run VARCHAR,
  loaded_at TIMESTAMP_TZ(9), PRIMARY KEY (source, stream)
);

CREATE TABLE IF NOT EXISTS _sluice.loads (
  load VARCHAR, source VARCHAR, stream VARCHAR, final VARCHAR, disposition VARCHAR, from_sequence NUMBER(38,0),
  to_sequence NUMBER(38,0), run VARCHAR, inserted NUMBER(38,0), updated NUMBER(38,0),
  deleted NUMBER(38,0), started_at TIMESTAMP_TZ(9),
  loaded_at TIMESTAMP_TZ(9), note VARCHAR, recorded_at TIMESTAMP_LTZ DEFAULT CURRENT_TIMESTAMP()
);

CREATE TABLE IF NOT EXISTS _sluice.deleted (
  source VARCHAR, stream VARCHAR, identity VARCHAR, moment TIMESTAMP_TZ(9), number NUMBER(38,9), word VARCHAR
);

GRANT USAGE ON DATABASE <% database %> TO ROLE <% role %>;

-- Each source becomes a schema, which the loader makes and owns.
GRANT CREATE SCHEMA ON DATABASE <% database %> TO ROLE <% role %>;

-- Tables of one load are temporary; those that are kept, because something was wrong, are not.
GRANT USAGE, CREATE TABLE, CREATE STAGE ON SCHEMA _sluice TO ROLE <% role %>;

GRANT USAGE ON STAGE _sluice.landing TO ROLE <% role %>;

GRANT USAGE ON FILE FORMAT _sluice.json_lines TO ROLE <% role %>;

GRANT USAGE ON FILE FORMAT _sluice.csv TO ROLE <% role %>;

GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE _sluice.ledger TO ROLE <% role %>;

GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE _sluice.loads TO ROLE <% role %>;

GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE _sluice.deleted TO ROLE <% role %>;
