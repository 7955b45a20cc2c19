--! Run by fakesnow as it stands; DuckDB could change types in place, Snowflake cannot.
SELECT 1 FROM "recurly"."accounts" WHERE "N" NOT BETWEEN -9007199254740992 AND 9007199254740992 LIMIT 1;

SELECT 1 FROM "recurly"."accounts" WHERE "n" NOT BETWEEN -9007199254740992 AND 9007199254740992 LIMIT 1;

ALTER TABLE "recurly"."accounts" DROP COLUMN IF EXISTS "_sluice_wide:n";

ALTER TABLE "recurly"."accounts" ADD COLUMN IF NOT EXISTS "_sluice_wide:n" FLOAT;

UPDATE "recurly"."accounts" SET "_sluice_wide:n" = CAST("n" AS FLOAT) WHERE "n" IS NOT NULL;

ALTER TABLE "recurly"."accounts" RENAME COLUMN "n" TO "_sluice_old:n";

UPDATE "recurly"."accounts" SET "_sluice_wide:n" = CAST("_sluice_old:n" AS FLOAT)
  WHERE "_sluice_wide:n" IS DISTINCT
  FROM CAST("_sluice_old:n" AS FLOAT);

ALTER TABLE "recurly"."accounts" RENAME COLUMN "_sluice_wide:n" TO "n";

ALTER TABLE "recurly"."accounts" DROP COLUMN IF EXISTS "_sluice_old:n";

ALTER TABLE "recurly"."accounts" DROP COLUMN IF EXISTS "_sluice_wide:at";

ALTER TABLE "recurly"."accounts" ADD COLUMN IF NOT EXISTS "_sluice_wide:at" VARCHAR;

UPDATE "recurly"."accounts" SET "_sluice_wide:at" = TO_VARCHAR(CONVERT_TIMEZONE('UTC', "at"), 'YYYY-MM-DD') || 'T' || REGEXP_REPLACE(TO_VARCHAR(CONVERT_TIMEZONE('UTC', "at"), 'HH24:MI:SS.FF6'), '[.]000000$', '') || 'Z'
  WHERE "at" IS NOT NULL;

ALTER TABLE "recurly"."accounts" RENAME COLUMN "at" TO "_sluice_old:at";

UPDATE "recurly"."accounts" SET "_sluice_wide:at" = TO_VARCHAR(CONVERT_TIMEZONE('UTC', "_sluice_old:at"), 'YYYY-MM-DD') || 'T' || REGEXP_REPLACE(TO_VARCHAR(CONVERT_TIMEZONE('UTC', "_sluice_old:at"), 'HH24:MI:SS.FF6'), '[.]000000$', '') || 'Z'
  WHERE "_sluice_wide:at" IS DISTINCT
  FROM TO_VARCHAR(CONVERT_TIMEZONE('UTC', "_sluice_old:at"), 'YYYY-MM-DD') || 'T' || REGEXP_REPLACE(TO_VARCHAR(CONVERT_TIMEZONE('UTC', "_sluice_old:at"), 'HH24:MI:SS.FF6'), '[.]000000$', '') || 'Z';

ALTER TABLE "recurly"."accounts" RENAME COLUMN "_sluice_wide:at" TO "at";

ALTER TABLE "recurly"."accounts" DROP COLUMN IF EXISTS "_sluice_old:at";
