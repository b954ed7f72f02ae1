import { terminalText } from './terminal-text.ts'

/** Rows as aligned columns under a head, without a newline at the end. */
export function textTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  // A call with an argument a row would be too long for many rows.
  const widths = head.map((title, at) => rows.reduce((width, row) => Math.max(width, row[at]?.length ?? 0), title.length))
  const line = (row: readonly string[]) =>
    terminalText(
      row
        .map((cell, at) => cell.padEnd(widths[at] ?? 0))
        .join('  ')
        .trimEnd(),
    )
  return [head, ...rows].map(line).join('\n')
}
