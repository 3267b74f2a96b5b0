/** Texts in columns. Pure. */

/** Lines of cells padded to the widest of their column, two blanks between; the last column is not padded. With `columns` lines are cut to that width. */
export function inColumns(rows: readonly (readonly string[])[], columns?: number): string[] {
  const widths = rows.reduce<number[]>((all, row) => row.map((cell, i) => Math.max(all[i] ?? 0, cell.length)), [])
  return rows.map(row => {
    const line = row.map((cell, i) => (i === row.length - 1 ? cell : cell.padEnd(widths[i]! + 2))).join('').trimEnd()
    return columns === undefined || line.length <= columns ? line : `${line.slice(0, Math.max(0, columns - 1))}…`
  })
}
