/** The layout of `bld.db`, kept in `PRAGMA user_version`. A change of SCHEMA is a new version and a migration. */
export const SCHEMA_VERSION = 3;

const PROOFS = `CREATE TABLE proofs (
  diff_id TEXT NOT NULL,
  digest TEXT NOT NULL,
  PRIMARY KEY (diff_id, digest)
) STRICT, WITHOUT ROWID`;

const FILE_DIGESTS = `CREATE TABLE file_digests (
  id INTEGER PRIMARY KEY,
  looks TEXT NOT NULL UNIQUE,
  digest TEXT NOT NULL
) STRICT`;

/** What brings an index of each older version to the next. */
export const MIGRATIONS: Readonly<Record<number, string>> = {
  1: 'ALTER TABLE steps ADD COLUMN used INTEGER NOT NULL DEFAULT 0; UPDATE steps SET used = created',
  2: `${FILE_DIGESTS}; ${PROOFS}`,
};

/**
 * Times are milliseconds since 1970, sizes bytes, digests `sha256:…`.
 *
 * - `processes`: who writes to the store now; a row is alive while the flock on `leases/<id>` is held.
 * - `leases`: exclusive or shared rights on a key; `pins`: what a process relies on, so that `collect` keeps it.
 * - `pending`: keys (`blob:`, `layer:`, `step:`, `container:`) whose bytes are not yet known to be on disk;
 *   AUTOINCREMENT, for `barrier` clears all up to a mark and an id must never come twice.
 * - `layer_blobs` is what images claim; `proofs` are those of the claims that were seen to be true.
 * - `file_digests.looks`: device, inode, size, mtime and ctime of a file outside of the store.
 * - `steps.id` orders records by insertion: a clock that jumps cannot change which is the newest.
 */
export const SCHEMA = `
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;

CREATE TABLE processes (id TEXT PRIMARY KEY, pid INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE leases (
  id INTEGER PRIMARY KEY,
  process TEXT NOT NULL REFERENCES processes ON DELETE CASCADE,
  key TEXT NOT NULL,
  exclusive INTEGER NOT NULL
) STRICT;
CREATE INDEX leases_by_key ON leases (key);
CREATE INDEX leases_by_process ON leases (process);
CREATE TABLE pins (
  process TEXT NOT NULL REFERENCES processes ON DELETE CASCADE,
  key TEXT NOT NULL,
  PRIMARY KEY (process, key)
) STRICT, WITHOUT ROWID;
CREATE TABLE pending (id INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL UNIQUE) STRICT;

CREATE TABLE blobs (digest TEXT PRIMARY KEY, size INTEGER NOT NULL, created INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE origins (
  id INTEGER PRIMARY KEY,
  digest TEXT NOT NULL,
  repository TEXT NOT NULL,
  UNIQUE (digest, repository)
) STRICT;
CREATE TABLE layers (diff_id TEXT PRIMARY KEY, size INTEGER NOT NULL, created INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE layer_blobs (
  diff_id TEXT NOT NULL,
  digest TEXT NOT NULL,
  descriptor TEXT NOT NULL,
  PRIMARY KEY (diff_id, digest)
) STRICT, WITHOUT ROWID;
CREATE INDEX layer_blobs_by_digest ON layer_blobs (digest);

CREATE TABLE images (
  id TEXT PRIMARY KEY,
  manifest_digest TEXT,
  manifest TEXT,
  created INTEGER NOT NULL,
  intermediate INTEGER NOT NULL,
  data TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX images_by_manifest ON images (manifest_digest);
CREATE TABLE image_layers (
  image TEXT NOT NULL REFERENCES images ON DELETE CASCADE,
  ordinal INTEGER NOT NULL,
  diff_id TEXT NOT NULL,
  size INTEGER,
  blob_digest TEXT,
  blob TEXT,
  PRIMARY KEY (image, ordinal)
) STRICT, WITHOUT ROWID;
CREATE INDEX image_layers_by_diff_id ON image_layers (diff_id);
CREATE TABLE indexes (digest TEXT PRIMARY KEY, media_type TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE names (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  image TEXT REFERENCES images ON DELETE CASCADE,
  index_digest TEXT REFERENCES indexes ON DELETE CASCADE
) STRICT;
CREATE INDEX names_by_image ON names (image);
CREATE INDEX names_by_index ON names (index_digest);
CREATE TABLE past_names (
  id INTEGER PRIMARY KEY,
  image TEXT NOT NULL REFERENCES images ON DELETE CASCADE,
  name TEXT NOT NULL,
  UNIQUE (image, name)
) STRICT;

CREATE TABLE containers (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  created INTEGER NOT NULL,
  image_id TEXT,
  image_name TEXT NOT NULL,
  layers TEXT NOT NULL,
  state TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX containers_by_image ON containers (image_id);

CREATE TABLE steps (
  id INTEGER PRIMARY KEY,
  key TEXT NOT NULL UNIQUE,
  diff_id TEXT,
  result TEXT NOT NULL,
  inputs TEXT NOT NULL,
  site TEXT NOT NULL,
  created INTEGER NOT NULL,
  used INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX steps_by_site ON steps (site);
CREATE INDEX steps_by_diff_id ON steps (diff_id);

${FILE_DIGESTS};
${PROOFS};
`;
