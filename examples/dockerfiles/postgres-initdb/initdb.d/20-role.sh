psql <<SQL
CREATE ROLE reader LOGIN; GRANT SELECT ON words TO reader; -- in $POSTGRES_DB
SQL
