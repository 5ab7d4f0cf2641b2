/** What long work tells about itself; the command line draws it, the library's callers may listen. */
export type ProgressEvent =
  | { readonly kind: 'start'; readonly id: string; readonly label: string; readonly total?: number }
  | { readonly kind: 'advance'; readonly id: string; readonly bytes: number }
  | { readonly kind: 'end'; readonly id: string; readonly note?: string }
  | { readonly kind: 'message'; readonly text: string };

export type Progress = (event: ProgressEvent) => void;

export const noProgress: Progress = () => {};
