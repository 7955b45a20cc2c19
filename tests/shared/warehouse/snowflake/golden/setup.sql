--! fakesnow knows no roles, users, warehouses, integrations and grants, and no ALTER STAGE or ALTER FILE FORMAT.
-- What Sluice needs of a Snowflake account: a role, a virtual warehouse, a way to the bucket and a user that loads.
--
-- Once per environment, by somebody who may create roles, users and integrations (ACCOUNTADMIN). Running it again
-- changes nothing but what was changed here. `sluice warehouse ddl` prints it with its parameters filled,
-- `sluice warehouse apply` runs it. Statements marked "optional" are left out when their parameter is not given.

CREATE ROLE IF NOT EXISTS SLUICE_LOADER;

GRANT ROLE SLUICE_LOADER TO ROLE SYSADMIN;

CREATE WAREHOUSE IF NOT EXISTS LOAD_WH
  WAREHOUSE_SIZE = XSMALL AUTO_SUSPEND = 60 AUTO_RESUME = TRUE INITIALLY_SUSPENDED = TRUE;

-- OPERATE lets the loader put it to sleep after its work (suspend=true in WAREHOUSE_URL).
GRANT USAGE, OPERATE ON WAREHOUSE LOAD_WH TO ROLE SLUICE_LOADER;

-- A service user has no password. Two keys, so that they can be exchanged while loads run: docs/snowflake.md.
CREATE USER IF NOT EXISTS SLUICE_LOADER
  TYPE = SERVICE DEFAULT_ROLE = SLUICE_LOADER DEFAULT_WAREHOUSE = LOAD_WH
  COMMENT = 'loads what Sluice has landed';

GRANT ROLE SLUICE_LOADER TO USER SLUICE_LOADER;

-- optional
ALTER USER SLUICE_LOADER SET RSA_PUBLIC_KEY = 'MIIBIjANBgkqhkiG';

-- Never CREATE OR REPLACE: that would change the external id, and AWS would refuse Snowflake until its role is told.
CREATE STORAGE INTEGRATION IF NOT EXISTS SLUICE_DEV_LANDING
  TYPE = EXTERNAL_STAGE STORAGE_PROVIDER = 'S3' ENABLED = TRUE
  STORAGE_AWS_ROLE_ARN = 'arn:aws:iam::123456789012:role/sluice-snowflake'
  STORAGE_ALLOWED_LOCATIONS = ('s3://bucket/zone/');

-- IF NOT EXISTS would keep a bucket or a role of former days.
ALTER STORAGE INTEGRATION SLUICE_DEV_LANDING SET
  ENABLED = TRUE
  STORAGE_AWS_ROLE_ARN = 'arn:aws:iam::123456789012:role/sluice-snowflake'
  STORAGE_ALLOWED_LOCATIONS = ('s3://bucket/zone/');

GRANT USAGE ON INTEGRATION SLUICE_DEV_LANDING TO ROLE SLUICE_LOADER;

-- What Sluice needs in its database: the stage on the landing zone, file formats, the ledger, and what its role may do.
--
-- Once per environment, by whoever may create databases (SYSADMIN, with USAGE on the integration). Running it again
-- changes nothing but what was changed here.

CREATE DATABASE IF NOT EXISTS SLUICE_DEV;

USE DATABASE SLUICE_DEV;

CREATE SCHEMA IF NOT EXISTS _sluice;

-- The loader says these options itself in each COPY, so that nobody can bend a load by altering a format. The formats
-- are for people who look into files: SELECT $1
  FROM @_sluice.landing/landing/recurly/ (FILE_FORMAT => _sluice.json_lines)
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
  URL = 's3://bucket/zone/' STORAGE_INTEGRATION = SLUICE_DEV_LANDING;

-- IF NOT EXISTS would keep the URL of former days, and loads would read another bucket.
ALTER STAGE _sluice.landing SET URL = 's3://bucket/zone/' STORAGE_INTEGRATION = SLUICE_DEV_LANDING;

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

GRANT USAGE ON DATABASE SLUICE_DEV TO ROLE SLUICE_LOADER;

-- Each source becomes a schema, which the loader makes and owns.
GRANT CREATE SCHEMA ON DATABASE SLUICE_DEV TO ROLE SLUICE_LOADER;

-- Tables of one load are temporary; those that are kept, because something was wrong, are not.
GRANT USAGE, CREATE TABLE, CREATE STAGE ON SCHEMA _sluice TO ROLE SLUICE_LOADER;

GRANT USAGE ON STAGE _sluice.landing TO ROLE SLUICE_LOADER;

GRANT USAGE ON FILE FORMAT _sluice.json_lines TO ROLE SLUICE_LOADER;

GRANT USAGE ON FILE FORMAT _sluice.csv TO ROLE SLUICE_LOADER;

GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE _sluice.ledger TO ROLE SLUICE_LOADER;

GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE _sluice.loads TO ROLE SLUICE_LOADER;

GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE _sluice.deleted TO ROLE SLUICE_LOADER;
