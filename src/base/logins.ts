/**
 * The text with the logins of its addresses hidden: what stands before the host in `https://TOKEN@host`, and passwords of
 * all other schemes (the user of `ssh://git@host` is no secret).
 */
export function withoutLogins(text: string): string {
  return text
    .replace(/\b(https?:\/\/)[^\s/?#@"'<>]+@/gi, '$1***@')
    .replace(/\b([a-z][a-z0-9+.-]*:\/\/[^\s/?#@:"'<>]*):[^\s/?#@"'<>]+@/gi, '$1:***@');
}
