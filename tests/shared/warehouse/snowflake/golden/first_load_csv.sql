--! As load_append; fakesnow knows no temporary tables in a schema, and enforces the key of the ledger.
SELECT MAX(sequence) FROM _sluice.ledger WHERE source = ? AND stream = ?;

CREATE SCHEMA IF NOT EXISTS _sluice;

CREATE TABLE IF NOT EXISTS _sluice.ledger (source VARCHAR NOT NULL, stream VARCHAR NOT NULL, sequence NUMBER(38,0) NOT NULL, run VARCHAR, loaded_at TIMESTAMP_TZ(9), PRIMARY KEY (source, stream));

CREATE TABLE IF NOT EXISTS _sluice.loads (load VARCHAR, source VARCHAR, stream VARCHAR, final VARCHAR, disposition VARCHAR, from_sequence NUMBER(38,0), to_sequence NUMBER(38,0), run VARCHAR, inserted NUMBER(38,0), updated NUMBER(38,0), deleted NUMBER(38,0), started_at TIMESTAMP_TZ(9), loaded_at TIMESTAMP_TZ(9), note VARCHAR, recorded_at TIMESTAMP_LTZ DEFAULT CURRENT_TIMESTAMP());

CREATE TABLE IF NOT EXISTS _sluice.deleted (source VARCHAR, stream VARCHAR, identity VARCHAR, moment TIMESTAMP_TZ(9), number NUMBER(38,9), word VARCHAR);

SELECT MAX(sequence) FROM _sluice.ledger WHERE source = ? AND stream = ?;

INSERT INTO _sluice.ledger (source, stream, sequence) SELECT ?, ?, 0
  FROM (SELECT COUNT(*) AS lines
  FROM _sluice.ledger
  WHERE source = ? AND stream = ?) n
  WHERE n.lines = 0;

SELECT MAX(sequence) FROM _sluice.ledger WHERE source = ? AND stream = ?;

SELECT table_name
  FROM information_schema.tables
  WHERE UPPER(table_schema) = UPPER(?) AND STARTSWITH(LOWER(table_name), LOWER(?));

SELECT disposition
  FROM _sluice.loads
  WHERE source = ? AND stream = ? AND to_sequence > from_sequence ORDER BY loaded_at DESC LIMIT 1;

ALTER SESSION SET QUERY_TAG = '{"app":"sluice","source":"recurly","stream":"accounts","load":"LOAD","run":"r1"}';

DESCRIBE TABLE "recurly"."accounts";

CREATE TEMPORARY TABLE _sluice."load:recurly:accounts:LOAD:1" ("id" VARCHAR, "total" NUMBER(38,9), "at" TIMESTAMP_TZ(9), "o" VARIANT, _sluice_run VARCHAR, _sluice_commit NUMBER(38,0), _sluice_part NUMBER(38,0), _sluice_place NUMBER(38,0));

SHOW STAGES LIKE 'landing' IN SCHEMA _sluice;

CREATE TEMPORARY TABLE _sluice."raw:recurly:accounts:LOAD:1:csv" ("id" VARCHAR, "total" VARCHAR, "at" VARCHAR, "o" VARCHAR, _sluice_file VARCHAR, _sluice_row NUMBER(38,0));

COPY INTO _sluice."raw:recurly:accounts:LOAD:1:csv" ("id", "total", _sluice_file, _sluice_row)
  FROM (SELECT $1, $2, METADATA$FILENAME, METADATA$FILE_ROW_NUMBER
  FROM @_sluice.landing)
  FILES = ('zone/landing/recurly/accounts/data/dt=2026-11-20/r1/a001-w00000-part-00000.csv.gz')
  FILE_FORMAT = (TYPE = CSV COMPRESSION = AUTO SKIP_HEADER = 1 FIELD_DELIMITER = ',' FIELD_OPTIONALLY_ENCLOSED_BY = '"' ESCAPE = NONE ESCAPE_UNENCLOSED_FIELD = NONE EMPTY_FIELD_AS_NULL = TRUE NULL_IF = () TRIM_SPACE = FALSE ENCODING = 'UTF8')
  ON_ERROR = ABORT_STATEMENT;

SELECT _sluice_file, COUNT(*) FROM _sluice."raw:recurly:accounts:LOAD:1:csv" GROUP BY _sluice_file;

SELECT COUNT_IF(r."total" IS NOT NULL AND (TRY_TO_DECIMAL(r."total", 38, 9) IS NULL OR NOT (REGEXP_LIKE(r."total", '[+-]?[0-9]*[.]?[0-9]{0,9}0*') OR (REGEXP_LIKE(r."total", '.*[eE].*') AND ABS(CAST(TRY_TO_DECIMAL(r."total", 38, 9) AS FLOAT) - TRY_TO_DOUBLE(r."total")) <= ABS(TRY_TO_DOUBLE(r."total")) * 1e-13)))), MIN(IFF(r."total" IS NOT NULL AND (TRY_TO_DECIMAL(r."total", 38, 9) IS NULL OR NOT (REGEXP_LIKE(r."total", '[+-]?[0-9]*[.]?[0-9]{0,9}0*') OR (REGEXP_LIKE(r."total", '.*[eE].*') AND ABS(CAST(TRY_TO_DECIMAL(r."total", 38, 9) AS FLOAT) - TRY_TO_DOUBLE(r."total")) <= ABS(TRY_TO_DOUBLE(r."total")) * 1e-13))), _sluice_file || '\n' || LPAD(CAST(_sluice_row AS VARCHAR), 12, '0') || '\n' || CAST(r."total" AS VARCHAR), NULL)), COUNT_IF(r."at" IS NOT NULL AND (NOT REGEXP_LIKE(r."at", '[0-9]{4}-[0-9]{2}-[0-9]{2}([Tt ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]+)?)?([Zz]|[+-][0-9]{2}:?[0-9]{2})?)?') OR TRY_CAST(REGEXP_REPLACE(UPPER(r."at"), '(:[0-9][0-9]):60([.][0-9]+)?', '\\1:59.999999') AS TIMESTAMP_TZ(9)) IS NULL)), MIN(IFF(r."at" IS NOT NULL AND (NOT REGEXP_LIKE(r."at", '[0-9]{4}-[0-9]{2}-[0-9]{2}([Tt ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]+)?)?([Zz]|[+-][0-9]{2}:?[0-9]{2})?)?') OR TRY_CAST(REGEXP_REPLACE(UPPER(r."at"), '(:[0-9][0-9]):60([.][0-9]+)?', '\\1:59.999999') AS TIMESTAMP_TZ(9)) IS NULL), _sluice_file || '\n' || LPAD(CAST(_sluice_row AS VARCHAR), 12, '0') || '\n' || CAST(r."at" AS VARCHAR), NULL)), COUNT_IF(r."o" IS NOT NULL AND TRY_PARSE_JSON(r."o") IS NULL), MIN(IFF(r."o" IS NOT NULL AND TRY_PARSE_JSON(r."o") IS NULL, _sluice_file || '\n' || LPAD(CAST(_sluice_row AS VARCHAR), 12, '0') || '\n' || CAST(r."o" AS VARCHAR), NULL))
  FROM _sluice."raw:recurly:accounts:LOAD:1:csv" r;

INSERT INTO _sluice."load:recurly:accounts:LOAD:1" ("id", "total", "at", "o", _sluice_run, _sluice_commit, _sluice_part, _sluice_place) SELECT r."id", TRY_TO_DECIMAL(r."total", 38, 9), TRY_CAST(REGEXP_REPLACE(UPPER(r."at"), '(:[0-9][0-9]):60([.][0-9]+)?', '\\1:59.999999') AS TIMESTAMP_TZ(9)), STRIP_NULL_VALUE(TRY_PARSE_JSON(r."o")), p.run, p.landed, p.part, p.part * 10000000000 + r._sluice_row
  FROM _sluice."raw:recurly:accounts:LOAD:1:csv" r
  JOIN (SELECT column1 AS file, column2 AS run, column3 AS landed, column4 AS part
  FROM VALUES ('zone/landing/recurly/accounts/data/dt=2026-11-20/r1/a001-w00000-part-00000.csv.gz', 'r1', 1, 0)) p ON r._sluice_file = p.file;

DROP TABLE IF EXISTS _sluice."raw:recurly:accounts:LOAD:1:csv";

SELECT _sluice_part, COUNT(*) FROM _sluice."load:recurly:accounts:LOAD:1" GROUP BY _sluice_part;

SELECT count(*) FROM _sluice."load:recurly:accounts:LOAD:1" s WHERE s."id" IS NULL;

SELECT 1 FROM _sluice."load:recurly:accounts:LOAD:1" s GROUP BY s."id" HAVING count(*) > 1 LIMIT 1;

DESCRIBE TABLE "recurly"."accounts";

CREATE SCHEMA IF NOT EXISTS "recurly";

CREATE TABLE IF NOT EXISTS "recurly"."accounts" ("id" VARCHAR, "total" NUMBER(38,9), "at" TIMESTAMP_TZ(9), "o" VARIANT, _sluice_run VARCHAR, _sluice_loaded_at TIMESTAMP_TZ(9), _sluice_commit NUMBER(38,0));

ALTER SESSION SET QUERY_TAG = '{"app":"sluice","source":"recurly","stream":"accounts","load":"LOAD","run":"r1"}';

BEGIN TRANSACTION;

UPDATE _sluice.ledger SET sequence = ?, run = ?, loaded_at = CAST('2026-11-20 10:15:00' AS TIMESTAMP_TZ(9))
  WHERE source = ? AND stream = ? AND (SELECT MAX(sequence)
  FROM _sluice.ledger
  WHERE source = ? AND stream = ?) = ?;

MERGE INTO "recurly"."accounts" f
  USING (SELECT n.*
  FROM _sluice."load:recurly:accounts:LOAD:1" n
  QUALIFY ROW_NUMBER() OVER (PARTITION BY n."id" ORDER BY n._sluice_place DESC) = 1) s ON s."id" = f."id"
  WHEN MATCHED THEN UPDATE SET "id" = s."id", "total" = s."total", "at" = s."at", "o" = s."o", _sluice_run = s._sluice_run, _sluice_commit = s._sluice_commit, _sluice_loaded_at = CAST('2026-11-20 10:15:00' AS TIMESTAMP_TZ(9))
  WHEN NOT MATCHED THEN INSERT ("id", "total", "at", "o", _sluice_run, _sluice_commit, _sluice_loaded_at) VALUES (s."id", s."total", s."at", s."o", s._sluice_run, s._sluice_commit, CAST('2026-11-20 10:15:00' AS TIMESTAMP_TZ(9)));

INSERT INTO _sluice.loads (load, source, stream, final, disposition, from_sequence, to_sequence, run, inserted, updated, deleted, note, started_at, loaded_at) SELECT ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, CAST('2026-11-20 10:15:00' AS TIMESTAMP_TZ(9)), CAST('2026-11-20 10:15:00' AS TIMESTAMP_TZ(9));

COMMIT;

DROP TABLE IF EXISTS _sluice."load:recurly:accounts:LOAD:1";
