/** JSON as Go's encoder writes it: `<`, `>`, `&` and line separators as escapes. */
export function goJson(value: unknown, indent?: number): string {
  const plain = JSON.stringify(value, undefined, indent) ?? 'null';
  return plain.replace(/[<>&\u2028\u2029]/g, (char) => {
    return `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
}
