export interface Table {
  readonly title: string
  readonly columns: readonly string[]
  readonly rows: readonly (readonly (string | number)[])[]
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
