-- What Sluice needs of a Snowflake account: a role, a virtual warehouse, a way to the bucket and a user that loads.
--
-- Once per environment, by somebody who may create roles, users and integrations (ACCOUNTADMIN). Running it again
-- changes nothing but what was changed here. `sluice warehouse ddl` prints it with its parameters filled,
-- `sluice warehouse apply` runs it. Statements marked "optional" are left out when their parameter is not given.

CREATE ROLE IF NOT EXISTS <% role %>;

GRANT ROLE <% role %> TO ROLE SYSADMIN;

CREATE WAREHOUSE IF NOT EXISTS <% warehouse %>
  WAREHOUSE_SIZE = XSMALL AUTO_SUSPEND = 60 AUTO_RESUME = TRUE INITIALLY_SUSPENDED = TRUE;

-- OPERATE lets the loader put it to sleep after its work (suspend=true in WAREHOUSE_URL).
GRANT USAGE, OPERATE ON WAREHOUSE <% warehouse %> TO ROLE <% role %>;

-- A service user has no password. Two keys, so that they can be exchanged while loads run: docs/snowflake.md.
CREATE USER IF NOT EXISTS <% user %>
  TYPE = SERVICE DEFAULT_ROLE = <% role %> DEFAULT_WAREHOUSE = <% warehouse %>
  COMMENT = 'loads what Sluice has landed';

GRANT ROLE <% role %> TO USER <% user %>;

-- optional
ALTER USER <% user %> SET RSA_PUBLIC_KEY = <% public_key %>;

-- optional
ALTER USER <% user %> SET RSA_PUBLIC_KEY_2 = <% public_key_2 %>;

-- optional: sign in as the AWS role that the loader runs under, without any key
ALTER USER <% user %> SET WORKLOAD_IDENTITY = (TYPE = AWS ARN = <% workload_role %>);

-- Never CREATE OR REPLACE: that would change the external id, and AWS would refuse Snowflake until its role is told.
CREATE STORAGE INTEGRATION IF NOT EXISTS <% integration %>
  TYPE = EXTERNAL_STAGE STORAGE_PROVIDER = 'S3' ENABLED = TRUE
  STORAGE_AWS_ROLE_ARN = <% aws_role %>
  STORAGE_ALLOWED_LOCATIONS = (<% landing %>);

-- IF NOT EXISTS would keep a bucket or a role of former days.
ALTER STORAGE INTEGRATION <% integration %> SET
  ENABLED = TRUE
  STORAGE_AWS_ROLE_ARN = <% aws_role %>
  STORAGE_ALLOWED_LOCATIONS = (<% landing %>);

GRANT USAGE ON INTEGRATION <% integration %> TO ROLE <% role %>;
