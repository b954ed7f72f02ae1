export interface Table {
  readonly title: string
  readonly columns: readonly string[]
  readonly rows: readonly (readonly (string | number)[])[]
  /** The number of leading columns that name the row. The other columns are figures. Default: 1. */
  readonly names?: number
  /** A row whose name contains this text is the floor of the rows with the same first cell, or of all rows if no first cell is the same. */
  readonly floorRow?: string
  /** For a column, its peer: another column that was measured in the same run. */
  readonly peerColumns?: { readonly [column: string]: string }
}

/** Prints a table as Markdown, ready for docs/benchmarks.md. */
export function printTable({ title, columns, rows }: Table): void {
  const cells = [columns, columns.map(() => '---'), ...rows.map((row) => row.map(shown))]
  process.stdout.write(`\n### ${title}\n\n${cells.map((row) => `| ${row.join(' | ')} |`).join('\n')}\n`)
}

function shown(cell: string | number): string {
  if (typeof cell === 'string') return cell
  return Math.abs(cell) >= 1000 ? Math.round(cell).toLocaleString('en') : String(Number(cell.toPrecision(3)))
}
