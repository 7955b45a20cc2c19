-- Optional: rows of one stream as soon as they are committed, by Snowpipe, beside the loads of Sluice and not in their
-- place. Nothing is checked, merged or counted here.
--
-- A pipe takes every file of a folder, also those of a run that died before its commit, and after 14 days it may take one
-- again. So the log of commits is piped too, and the view shows each row of committed parts once.
--
-- The bucket must tell the pipes of new objects: add the notification_channel that SHOW PIPES names (an SQS queue) to
-- its event notifications, for s3:ObjectCreated:* below the two folders.

USE DATABASE <% database %>;

CREATE SCHEMA IF NOT EXISTS _sluice;

CREATE TABLE IF NOT EXISTS _sluice.<% piped_rows %> (record VARIANT, file VARCHAR, row_number NUMBER(38,0), piped_at TIMESTAMP_LTZ);

CREATE TABLE IF NOT EXISTS _sluice.<% piped_commits %> (record VARIANT, file VARCHAR);

-- Never CREATE OR REPLACE: a new pipe has forgotten what the old one took.
CREATE PIPE IF NOT EXISTS _sluice.<% rows_pipe %> AUTO_INGEST = TRUE AS
  COPY INTO _sluice.<% piped_rows %>
  FROM (
    SELECT $1, METADATA$FILENAME, METADATA$FILE_ROW_NUMBER, CURRENT_TIMESTAMP() FROM @_sluice.landing/<% data_folder %>
  )
  FILE_FORMAT = (FORMAT_NAME = '_sluice.json_lines');

CREATE PIPE IF NOT EXISTS _sluice.<% log_pipe %> AUTO_INGEST = TRUE AS
  COPY INTO _sluice.<% piped_commits %>
  FROM (SELECT $1, METADATA$FILENAME FROM @_sluice.landing/<% log_folder %>)
  FILE_FORMAT = (FORMAT_NAME = '_sluice.json_lines');

CREATE OR REPLACE VIEW _sluice.<% piped_view %> COPY GRANTS AS
  SELECT r.record, c.sequence AS _sluice_commit, c.run AS _sluice_run, r.piped_at
  FROM _sluice.<% piped_rows %> r
  JOIN (
    SELECT <% bucket_folder %> || part.value:key::VARCHAR AS file, MIN(k.record:sequence::NUMBER) AS sequence,
      MIN(k.record:run::VARCHAR) AS run
    FROM _sluice.<% piped_commits %> k, LATERAL FLATTEN(k.record:parts) part
    GROUP BY 1
  ) c ON r.file = c.file
  QUALIFY ROW_NUMBER() OVER (PARTITION BY r.file, r.row_number ORDER BY r.piped_at) = 1;

GRANT SELECT ON VIEW _sluice.<% piped_view %> TO ROLE <% role %>;
