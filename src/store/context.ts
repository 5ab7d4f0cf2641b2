import type { Database } from './database.ts';
import type { Durability } from './durability.ts';
import type { Presence } from './presence.ts';
import type { Staging } from './staging.ts';
import type { StoreKind } from './types.ts';

/** What the parts of one open store share. */
export interface Context {
  readonly root: string;
  readonly runroot: string;
  readonly kind: StoreKind;
  readonly readOnly: boolean;
  readonly db: Database;
  readonly presence: Presence;
  readonly staging: Staging;
  readonly durability: Durability;
}
