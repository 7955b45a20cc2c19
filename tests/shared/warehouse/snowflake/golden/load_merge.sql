--! As load_append. Snowflake runs the MERGE as one statement; fakesnow takes it apart.
SELECT MAX(sequence) FROM _sluice.ledger WHERE source = ? AND stream = ?;

SELECT MAX(sequence) FROM _sluice.ledger WHERE source = ? AND stream = ?;

SELECT coalesce(run, '') FROM _sluice.ledger WHERE source = ? AND stream = ? ORDER BY sequence DESC;

SELECT table_name
  FROM information_schema.tables
  WHERE UPPER(table_schema) = UPPER(?) AND STARTSWITH(LOWER(table_name), LOWER(?));

SELECT disposition
  FROM _sluice.loads
  WHERE source = ? AND stream = ? AND to_sequence > from_sequence ORDER BY loaded_at DESC LIMIT 1;

ALTER SESSION SET QUERY_TAG = '{"app":"sluice","source":"recurly","stream":"accounts","load":"LOAD","run":"r2"}';

DESCRIBE TABLE "recurly"."accounts";

CREATE TEMPORARY TABLE _sluice."load:recurly:accounts:LOAD:1" ("id" VARCHAR, "total" NUMBER(38,9), "at" TIMESTAMP_TZ(9), "o" VARIANT, "gone" BOOLEAN, _sluice_run VARCHAR, _sluice_commit NUMBER(38,0), _sluice_part NUMBER(38,0), _sluice_place NUMBER(38,0));

SHOW STAGES LIKE 'landing' IN SCHEMA _sluice;

CREATE TEMPORARY TABLE _sluice."raw:recurly:accounts:LOAD:1:json" ("id" VARCHAR, "total" VARIANT, "at" VARCHAR, "o" VARIANT, "gone" VARCHAR, _sluice_file VARCHAR, _sluice_row NUMBER(38,0));

COPY INTO _sluice."raw:recurly:accounts:LOAD:1:json" ("id", "total", "at", "o", "gone", _sluice_file, _sluice_row)
  FROM (SELECT $1['id']::VARCHAR, $1['total'], $1['at']::VARCHAR, $1['o'], $1['gone']::VARCHAR, METADATA$FILENAME, METADATA$FILE_ROW_NUMBER
  FROM @_sluice.landing)
  FILES = ('zone/landing/recurly/accounts/data/dt=2026-11-20/r2/a001-w00000-part-00002.jsonl.gz')
  FILE_FORMAT = (TYPE = JSON COMPRESSION = AUTO ALLOW_DUPLICATE = TRUE STRIP_OUTER_ARRAY = FALSE STRIP_NULL_VALUES = FALSE NULL_IF = ())
  ON_ERROR = ABORT_STATEMENT;

SELECT _sluice_file, COUNT(*) FROM _sluice."raw:recurly:accounts:LOAD:1:json" GROUP BY _sluice_file;

SELECT COUNT_IF(TRIM(CAST(STRIP_NULL_VALUE(r."total") AS VARCHAR), '"') IS NOT NULL AND (TRY_TO_DECIMAL(TRIM(CAST(STRIP_NULL_VALUE(r."total") AS VARCHAR), '"'), 38, 9) IS NULL OR NOT (REGEXP_LIKE(TRIM(CAST(STRIP_NULL_VALUE(r."total") AS VARCHAR), '"'), '[+-]?[0-9]*[.]?[0-9]{0,9}0*') OR (REGEXP_LIKE(TRIM(CAST(STRIP_NULL_VALUE(r."total") AS VARCHAR), '"'), '.*[eE].*') AND ABS(CAST(TRY_TO_DECIMAL(TRIM(CAST(STRIP_NULL_VALUE(r."total") AS VARCHAR), '"'), 38, 9) AS FLOAT) - TRY_TO_DOUBLE(TRIM(CAST(STRIP_NULL_VALUE(r."total") AS VARCHAR), '"'))) <= ABS(TRY_TO_DOUBLE(TRIM(CAST(STRIP_NULL_VALUE(r."total") AS VARCHAR), '"'))) * 1e-13)) OR (TYPEOF(r."total") = 'DOUBLE' AND ABS(CAST(TRY_TO_DECIMAL(TRIM(CAST(STRIP_NULL_VALUE(r."total") AS VARCHAR), '"'), 38, 9) AS FLOAT) - AS_DOUBLE(r."total")) > ABS(AS_DOUBLE(r."total")) * 1e-13))), MIN(IFF(TRIM(CAST(STRIP_NULL_VALUE(r."total") AS VARCHAR), '"') IS NOT NULL AND (TRY_TO_DECIMAL(TRIM(CAST(STRIP_NULL_VALUE(r."total") AS VARCHAR), '"'), 38, 9) IS NULL OR NOT (REGEXP_LIKE(TRIM(CAST(STRIP_NULL_VALUE(r."total") AS VARCHAR), '"'), '[+-]?[0-9]*[.]?[0-9]{0,9}0*') OR (REGEXP_LIKE(TRIM(CAST(STRIP_NULL_VALUE(r."total") AS VARCHAR), '"'), '.*[eE].*') AND ABS(CAST(TRY_TO_DECIMAL(TRIM(CAST(STRIP_NULL_VALUE(r."total") AS VARCHAR), '"'), 38, 9) AS FLOAT) - TRY_TO_DOUBLE(TRIM(CAST(STRIP_NULL_VALUE(r."total") AS VARCHAR), '"'))) <= ABS(TRY_TO_DOUBLE(TRIM(CAST(STRIP_NULL_VALUE(r."total") AS VARCHAR), '"'))) * 1e-13)) OR (TYPEOF(r."total") = 'DOUBLE' AND ABS(CAST(TRY_TO_DECIMAL(TRIM(CAST(STRIP_NULL_VALUE(r."total") AS VARCHAR), '"'), 38, 9) AS FLOAT) - AS_DOUBLE(r."total")) > ABS(AS_DOUBLE(r."total")) * 1e-13)), _sluice_file || '\n' || LPAD(CAST(_sluice_row AS VARCHAR), 12, '0') || '\n' || CAST(r."total" AS VARCHAR), NULL)), COUNT_IF(r."at" IS NOT NULL AND (NOT REGEXP_LIKE(r."at", '[0-9]{4}-[0-9]{2}-[0-9]{2}([Tt ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]+)?)?([Zz]|[+-][0-9]{2}:?[0-9]{2})?)?') OR TRY_CAST(REGEXP_REPLACE(UPPER(r."at"), '(:[0-9][0-9]):60([.][0-9]+)?', '\\1:59.999999') AS TIMESTAMP_TZ(9)) IS NULL)), MIN(IFF(r."at" IS NOT NULL AND (NOT REGEXP_LIKE(r."at", '[0-9]{4}-[0-9]{2}-[0-9]{2}([Tt ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]+)?)?([Zz]|[+-][0-9]{2}:?[0-9]{2})?)?') OR TRY_CAST(REGEXP_REPLACE(UPPER(r."at"), '(:[0-9][0-9]):60([.][0-9]+)?', '\\1:59.999999') AS TIMESTAMP_TZ(9)) IS NULL), _sluice_file || '\n' || LPAD(CAST(_sluice_row AS VARCHAR), 12, '0') || '\n' || CAST(r."at" AS VARCHAR), NULL)), COUNT_IF(r."gone" IS NOT NULL AND TRY_TO_BOOLEAN(r."gone") IS NULL), MIN(IFF(r."gone" IS NOT NULL AND TRY_TO_BOOLEAN(r."gone") IS NULL, _sluice_file || '\n' || LPAD(CAST(_sluice_row AS VARCHAR), 12, '0') || '\n' || CAST(r."gone" AS VARCHAR), NULL))
  FROM _sluice."raw:recurly:accounts:LOAD:1:json" r;

INSERT INTO _sluice."load:recurly:accounts:LOAD:1" ("id", "total", "at", "o", "gone", _sluice_run, _sluice_commit, _sluice_part, _sluice_place) SELECT r."id", TRY_TO_DECIMAL(TRIM(CAST(STRIP_NULL_VALUE(r."total") AS VARCHAR), '"'), 38, 9), TRY_CAST(REGEXP_REPLACE(UPPER(r."at"), '(:[0-9][0-9]):60([.][0-9]+)?', '\\1:59.999999') AS TIMESTAMP_TZ(9)), STRIP_NULL_VALUE(r."o"), TRY_TO_BOOLEAN(r."gone"), p.run, p.landed, p.part, p.part * 10000000000 + r._sluice_row
  FROM _sluice."raw:recurly:accounts:LOAD:1:json" r
  JOIN (SELECT column1 AS file, column2 AS run, column3 AS landed, column4 AS part
  FROM VALUES ('zone/landing/recurly/accounts/data/dt=2026-11-20/r2/a001-w00000-part-00002.jsonl.gz', 'r2', 2, 0)) p ON r._sluice_file = p.file;

DROP TABLE IF EXISTS _sluice."raw:recurly:accounts:LOAD:1:json";

SELECT _sluice_part, COUNT(*) FROM _sluice."load:recurly:accounts:LOAD:1" GROUP BY _sluice_part;

SELECT count(*) FROM _sluice."load:recurly:accounts:LOAD:1" s WHERE s."id" IS NULL;

SELECT 1 FROM _sluice."load:recurly:accounts:LOAD:1" s GROUP BY s."id" HAVING count(*) > 1 LIMIT 1;

DESCRIBE TABLE "recurly"."accounts";

ALTER SESSION SET QUERY_TAG = '{"app":"sluice","source":"recurly","stream":"accounts","load":"LOAD","run":"r2"}';

BEGIN TRANSACTION;

UPDATE _sluice.ledger SET sequence = ?, run = ?, loaded_at = CAST('2026-11-20 10:15:00' AS TIMESTAMP_TZ(9))
  WHERE source = ? AND stream = ? AND (SELECT MAX(sequence)
  FROM _sluice.ledger
  WHERE source = ? AND stream = ?) = ?;

DELETE
  FROM _sluice."load:recurly:accounts:LOAD:1" s
  USING _sluice.deleted d
  WHERE d.source = 'recurly' AND d.stream = 'accounts' AND d.identity = concat_ws(chr(31), s."id") AND (s."at" IS NULL OR s."at" < d.moment);

DELETE
  FROM _sluice.deleted d
  USING _sluice."load:recurly:accounts:LOAD:1" s
  WHERE d.source = 'recurly' AND d.stream = 'accounts' AND d.identity = concat_ws(chr(31), s."id");

INSERT INTO _sluice.deleted (source, stream, identity, moment) SELECT 'recurly', 'accounts', concat_ws(chr(31), s."id"), s."at"
  FROM _sluice."load:recurly:accounts:LOAD:1" s
  WHERE coalesce(s."gone", FALSE) AND s."at" IS NOT NULL;

DELETE
  FROM _sluice."load:recurly:accounts:LOAD:1" s
  USING "recurly"."accounts" f
  WHERE s."id" = f."id" AND (f."at" IS NOT NULL AND (s."at" IS NULL OR s."at" < f."at"));

DELETE
  FROM "recurly"."accounts" f
  USING _sluice."load:recurly:accounts:LOAD:1" s
  WHERE s."id" = f."id" AND coalesce(s."gone", FALSE);

DELETE FROM _sluice."load:recurly:accounts:LOAD:1" WHERE coalesce("gone", FALSE);

MERGE INTO "recurly"."accounts" f
  USING (SELECT n.*
  FROM _sluice."load:recurly:accounts:LOAD:1" n
  QUALIFY ROW_NUMBER() OVER (PARTITION BY n."id" ORDER BY n."at" DESC NULLS LAST, n._sluice_place DESC) = 1) s ON s."id" = f."id"
  WHEN MATCHED AND (f."at" IS NULL OR s."at" >= f."at") THEN UPDATE SET "id" = s."id", "total" = s."total", "at" = s."at", "o" = s."o", "gone" = s."gone", _sluice_run = s._sluice_run, _sluice_commit = s._sluice_commit, _sluice_loaded_at = CAST('2026-11-20 10:15:00' AS TIMESTAMP_TZ(9))
  WHEN NOT MATCHED THEN INSERT ("id", "total", "at", "o", "gone", _sluice_run, _sluice_commit, _sluice_loaded_at) VALUES (s."id", s."total", s."at", s."o", s."gone", s._sluice_run, s._sluice_commit, CAST('2026-11-20 10:15:00' AS TIMESTAMP_TZ(9)));

INSERT INTO _sluice.loads (load, source, stream, final, disposition, from_sequence, to_sequence, run, inserted, updated, deleted, note, started_at, loaded_at) SELECT ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, CAST('2026-11-20 10:15:00' AS TIMESTAMP_TZ(9)), CAST('2026-11-20 10:15:00' AS TIMESTAMP_TZ(9));

COMMIT;

DROP TABLE IF EXISTS _sluice."load:recurly:accounts:LOAD:1";
