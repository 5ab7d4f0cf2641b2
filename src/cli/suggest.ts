/** The number of single-letter edits (swaps count as one) between two words. */
function distance(a: string, b: string): number {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, column) => column)];
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const above = rows[i - 1] ?? [];
      const cost = a[i - 1] === b[j - 1] ? 0 : 1;
      let best = Math.min((above[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, (above[j - 1] ?? 0) + cost);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        best = Math.min(best, (rows[i - 2]?.[j - 2] ?? 0) + 1);
      }
      row.push(best);
    }
    rows.push(row);
  }
  return rows[a.length]?.[b.length] ?? 0;
}

/** The known word that was probably meant, or undefined when none is near. */
export function nearest(word: string, known: Iterable<string>): string | undefined {
  const limit = word.length > 5 ? 2 : 1;
  let best: { readonly word: string; readonly score: number } | undefined;
  for (const candidate of known) {
    const isPrefix = word.length > 1 && candidate.startsWith(word);
    const score = isPrefix ? 0.5 : distance(word.slice(0, 64), candidate);
    if ((isPrefix || score <= limit) && score < (best?.score ?? Number.POSITIVE_INFINITY)) {
      best = { word: candidate, score };
    }
  }
  return best?.word;
}
