import type { Digest } from '../base/digest.ts';
import type { ImageRecord } from '../store/types.ts';

/** Something that a build took from elsewhere, as it was found there. Addresses hold no logins. */
export type Material =
  | { readonly kind: 'image'; readonly name: string; readonly image: ImageRecord }
  | { readonly kind: 'file'; readonly address: string; readonly digest: Digest }
  | {
      readonly kind: 'repository';
      readonly address: string;
      readonly ref?: string | undefined;
      readonly commit: string;
    };
