/** Column alignment as Go's text/tabwriter does it, which Buildah's lists go through. */

/** The number of characters; marks that take no room do not occur in names and ids. */
function width(text: string): number {
  return [...text].length;
}

/**
 * Lines of cells that end in tabs, aligned with spaces: consecutive lines that have a cell in a column share its width;
 * what follows a line's last tab is left alone. `padding` spaces follow the widest cell.
 */
export function alignTabs(text: string, padding: number): string {
  const rows = text.split('\n').map((line) => line.split('\t'));
  const align = (from: number, to: number, column: number): void => {
    const hasCell = (row: number) => (rows[row]?.length ?? 0) > column + 1;
    for (let row = from; row < to; ) {
      if (!hasCell(row)) {
        row += 1;
        continue;
      }
      let end = row;
      while (end < to && hasCell(end)) end += 1;
      const cells = rows.slice(row, end);
      const total = Math.max(...cells.map((line) => width(line[column] ?? ''))) + padding;
      for (const line of cells) {
        const cell = line[column] ?? '';
        line[column] = cell + ' '.repeat(total - width(cell));
      }
      align(row, end, column + 1);
      row = end;
    }
  };
  align(0, rows.length, 0);
  return rows.map((cells) => cells.join('')).join('\n');
}

/** Rows of cells (the headings first) as aligned lines. */
export function renderTable(rows: readonly (readonly string[])[]): string {
  return alignTabs(rows.map((cells) => `${cells.join('\t')}\n`).join(''), 3);
}
