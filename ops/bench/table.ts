export interface Table {
  readonly title: string
  readonly columns: readonly string[]
  readonly rows: readonly (readonly (string | number)[])[]
  /** How many of the first columns say what a row is about; 1. The rest are figures. */
  readonly names?: number
  /** Whoever has this in its name is the floor of the other rows: of those with the same first cell, else of all. */
  readonly floorRow?: string
  /** By a column, the column of what was measured beside it in the same run. */
  readonly peerColumns?: { readonly [column: string]: string }
}

/** As Markdown, so that it can be put into docs/benchmarks.md as it is. */
export function printTable({ title, columns, rows }: Table): void {
  const cells = [columns, columns.map(() => '---'), ...rows.map((row) => row.map(shown))]
  process.stdout.write(`\n### ${title}\n\n${cells.map((row) => `| ${row.join(' | ')} |`).join('\n')}\n`)
}

function shown(cell: string | number): string {
  if (typeof cell === 'string') return cell
  return Math.abs(cell) >= 1000 ? Math.round(cell).toLocaleString('en') : String(Number(cell.toPrecision(3)))
}
